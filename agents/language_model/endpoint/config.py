"""Configuration of endpoint cohorts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from environments.core.errors import ConfigError

APIS = ("chat", "completions")
METHODS = ("auto", "logprobs", "sampling")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass
class PriceConfig:
    """What tokens cost, in any currency."""

    read: float = 0.0
    """Price of a million tokens read (prompt)."""
    written: float = 0.0
    """Price of a million tokens written (completion)."""


@dataclass
class EndpointConfig:
    """Configuration of `agents.language_model.endpoint.policy.Endpoint`."""

    name: str = "endpoint"
    url: str = ""
    """Base address, e.g. ``http://127.0.0.1:8000/v1``; ``/chat/completions`` is appended."""
    model: str = ""
    """The model's name as the server knows it."""
    api: str = "chat"
    """``chat`` (/chat/completions) or ``completions`` (/completions, for base models)."""
    key_env: str = ""
    """Name of the environment variable that holds the API key; empty for servers without one. The
    key itself is never written anywhere."""
    method: str = "auto"
    """How options get probabilities: ``logprobs`` of the options' letters, ``sampling`` (relative
    frequency of ``samples`` answers), or ``auto``: log-probabilities if the reply has them."""
    top_logprobs: int = 20
    """Alternatives of the first token that are asked for (servers allow 5 to 20)."""
    samples: int = 5
    """Answers drawn per prompt where there are no log-probabilities."""
    smoothing: float = 0.5
    """Pseudo-count α of each option: p_k = (n_k + α) / (n + αK); 1/2 is the estimator of
    Krichevsky and Trofimov (1981)."""
    choice_tokens: int = 8
    """Tokens allowed for naming an option; raise it for models that think first."""
    temperature: float = 0.7
    """Of speech. Choices are always sampled at 1, where frequencies estimate the model's own
    distribution."""
    max_new_tokens: int = 256
    """Tokens of a speech."""
    system: str = ""
    """System message of the ``chat`` API; empty for none."""
    max_prompt_chars: int = 60_000
    """Longer prompts forget messages, the earliest first; what still does not fit is a fault."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further parameters of every request; null takes one of ours out, e.g.
    ``{max_tokens: null, max_completion_tokens: 64}``."""
    concurrency: int = 8
    """Requests in flight at once, for each cohort host."""
    attempts: int = 4
    """Tries of one request; only failures that may pass (429, 5xx, time-outs …) are retried."""
    backoff_s: float = 0.5
    """Wait before the second try; doubles with each one, times a keyed jitter in [0.5, 1.5)."""
    backoff_cap_s: float = 20.0
    """Longest wait between tries, also where the server asks for more (``Retry-After``)."""
    timeout_s: float = 60.0
    """Longest wait for one reply as a whole."""
    patience_s: float = 240.0
    """Longest time for all requests of one call of a cohort; then what is missing is a time-out.
    Keep it below ``runtime.deadline_s``."""
    price: PriceConfig = field(default_factory=PriceConfig)

    def __post_init__(self) -> None:
        """Refuse what would put a secret into a run's configuration.

        Raises:
            ConfigError: One line that does not repeat the secret.
        """
        if self.key_env and not _VARIABLE.fullmatch(self.key_env):
            raise ConfigError(
                "key_env: not the name of an environment variable (give the variable's name, "
                "never the key itself)"
            )
        parts = urlsplit(self.url)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigError(
                "url: has a user, password, query or fragment (allowed: scheme, host, port and "
                "path; keys come from the environment variable that key_env names)"
            )


def check(config: EndpointConfig, where: str = "policy") -> None:
    """Refuse values that cannot run.

    Raises:
        ConfigError: One line naming the key, what was given and what is allowed.
    """
    parts = urlsplit(config.url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(
            f"{where}.url: got {config.url!r}, allowed: an http or https address such as "
            "http://127.0.0.1:8000/v1"
        )
    if not config.model:
        raise ConfigError(f"{where}.model: got '', allowed: the model's name on the server")
    for key, allowed in (("api", APIS), ("method", METHODS)):
        if getattr(config, key) not in allowed:
            given = getattr(config, key)
            raise ConfigError(f"{where}.{key}: got {given!r}, allowed: {', '.join(allowed)}")
    for key in ("top_logprobs", "samples", "choice_tokens", "max_new_tokens", "concurrency",
                "attempts", "max_prompt_chars"):  # fmt: skip
        _at_least(f"{where}.{key}", getattr(config, key), 1)
    for key in ("temperature", "backoff_s", "backoff_cap_s"):
        _at_least(f"{where}.{key}", getattr(config, key), 0)
    for key in ("smoothing", "timeout_s", "patience_s"):
        if not getattr(config, key) > 0:
            raise ConfigError(f"{where}.{key}: got {getattr(config, key)}, allowed: more than 0")
    _at_least(f"{where}.price.read", config.price.read, 0)
    _at_least(f"{where}.price.written", config.price.written, 0)


def read_key(config: EndpointConfig, where: str = "policy") -> str:
    """Return the API key from the environment; '' if none is configured.

    Raises:
        ConfigError: If the variable is not set.
    """
    if not config.key_env:
        return ""
    key = os.environ.get(config.key_env, "").strip()
    if not key:
        raise ConfigError(
            f"{where}.key_env: the environment variable {config.key_env!r} is not set here "
            "(allowed: the name of a variable that holds the API key)"
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(
            f"{where}.key_env: the environment variable {config.key_env!r} holds characters that "
            "no HTTP header can carry"
        )
    return key


def _at_least(where: str, given: float, low: float) -> None:
    if not given >= low:
        raise ConfigError(f"{where}: got {given}, allowed: {low} or more")
