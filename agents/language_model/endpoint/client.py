"""One request to an OpenAI-compatible server: bounded in time, retried, never raising.

What comes back is a `Reply` or a `Failure`; a server's own words never get into an error, because
some repeat the key that they were sent.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.language_model.endpoint.config import EndpointConfig, read_key
from agents.language_model.endpoint.replies import Reply
from coordination.messages import Fault
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed

if TYPE_CHECKING:
    import httpx2

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""HTTP status codes that a later try may not meet."""
REFUSES_PARAMETERS = frozenset({400, 422})
"""Status codes of a server that does not take a parameter."""
MAX_BYTES = 8_000_000
"""Longest reply that is read."""
REDACTED = "(key)"
_PATHS = {"chat": "chat/completions", "completions": "completions"}


@dataclass(frozen=True)
class Failure:
    """A request that came to nothing."""

    fault: Fault
    reason: str
    """In our own words, e.g. ``HTTP 404``."""
    status: int = 0
    """HTTP status; 0 if there was no reply."""
    passing: bool = True
    """Whether another try may help."""
    wait_s: float = 0.0
    """What the server asked to wait."""


class Client:
    """Sends requests; may be used by many threads at once.

    Args:
        config: See `EndpointConfig`.
        seed: Keys the jitter of waits.

    Raises:
        ConfigError: If the key's environment variable is not set.
    """

    def __init__(self, config: EndpointConfig, seed: int) -> None:
        import httpx2

        self._config = config
        self._key = read_key(config)
        self._jitter = Keyed(seed, "endpoint/jitter")
        self._http = _open(self._key, config.concurrency)
        self._errors = (httpx2.HTTPError, httpx2.InvalidURL, OSError)
        self._timeout = httpx2.TimeoutException

    def send(self, body: Mapping[str, Any], ask: str, stop: float) -> tuple[Reply | Failure, int]:
        """Send a request until it is answered, tries are used up or time is over.

        Args:
            body: The request.
            ask: Its hash; keys the jitter.
            stop: `time.monotonic` at which to give up.

        Returns:
            The outcome, and the number of tries.
        """
        failure = Failure(Fault.TIMEOUT, "out of patience")
        for attempt in range(self._config.attempts):
            if attempt:
                wait = self._wait(ask, attempt, failure.wait_s)
                if time.monotonic() + wait >= stop:
                    return failure, attempt
                time.sleep(wait)
            left = stop - time.monotonic()
            if left <= 0:
                return failure, attempt
            outcome = self._try(body, min(left, self._config.timeout_s))
            if isinstance(outcome, Reply):
                return outcome, attempt + 1
            failure = outcome
            if not failure.passing:
                return failure, attempt + 1
        return failure, self._config.attempts

    def _wait(self, ask: str, attempt: int, asked: float) -> float:
        cap = self._config.backoff_cap_s
        backoff = min(cap, self._config.backoff_s * 2.0 ** (attempt - 1))
        jitter = 0.5 + float(self._jitter.uniform(int(ask[:15], 16), attempt))
        return max(min(asked, cap), backoff * jitter)

    def _try(self, body: Mapping[str, Any], timeout_s: float) -> Reply | Failure:
        url = f"{self._config.url.rstrip('/')}/{_PATHS[self._config.api]}"
        over = time.monotonic() + timeout_s
        data = bytearray()
        try:
            with self._http.stream("POST", url, json=body, timeout=timeout_s) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    # The library's own limit is for each chunk; a server may drip for ever.
                    if time.monotonic() > over:
                        return Failure(Fault.TIMEOUT, "time-out")
                    if len(data) > MAX_BYTES:
                        return Failure(Fault.ERROR, "reply too long", passing=False)
                status = response.status_code
                wait = _seconds(response.headers.get("retry-after", ""))
        except self._timeout:
            return Failure(Fault.TIMEOUT, "time-out")
        except self._errors as error:
            return Failure(Fault.ERROR, f"no connection ({type(error).__name__})")
        if status != 200:
            return Failure(Fault.ERROR, f"HTTP {status}", status, status in PASSING, wait)
        text = data.decode("utf-8", "replace")
        if len(self._key) >= 8:
            text = text.replace(self._key, REDACTED)
        try:
            return parse(json.loads(text))
        except (ValueError, RecursionError):
            return Failure(Fault.ERROR, "malformed reply")


def parse(data: Any) -> Reply:
    """Return the reply in a server's JSON, of either API.

    Raises:
        ValueError: If it holds no text.
    """
    choices = data.get("choices") if isinstance(data, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise ValueError("no choice")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is None and isinstance(message, dict):
        text = ""  # the model wrote nothing that is meant to be read
    if not isinstance(text, str):
        raise ValueError("no text")
    usage = data.get("usage")
    counts = [_count(usage, key) for key in ("prompt_tokens", "completion_tokens")]
    metered = None not in counts
    return Reply(
        text, _first_token(choice.get("logprobs")), counts[0] or 0, counts[1] or 0, metered
    )


def reach(config: EndpointConfig, where: str) -> None:
    """Check that the server answers and takes the key, by asking for its list of models.

    Raises:
        ConfigError: If there is no server, or it refuses the key.
    """
    import httpx2

    key = read_key(config, where)
    with _open(key, 1) as http:
        try:
            status = http.get(f"{config.url.rstrip('/')}/models", timeout=10.0).status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ConfigError(
                f"{where}.url: got {config.url!r}, but no server answers there "
                f"({type(error).__name__})"
            ) from None
    if status in (401, 403):
        held = f"the key in {config.key_env!r}" if config.key_env else "requests without a key"
        raise ConfigError(f"{where}.key_env: the server at {config.url!r} refuses {held}")


def _open(key: str, connections: int) -> httpx2.Client:
    import httpx2

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx2.Limits(max_connections=connections)
    # Redirects are not followed: the key goes to the configured host only.
    return httpx2.Client(headers=headers, limits=limits, follow_redirects=False)


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else None


def _seconds(header: str) -> float:
    try:
        value = float(header)
    except ValueError:
        return 0.0
    return value if 0 <= value < math.inf else 0.0


def _first_token(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """Return the alternatives of the first token that is not blank; empty if there are none."""
    if not isinstance(logprobs, dict):
        return ()
    content = logprobs.get("content")
    if isinstance(content, list):
        steps = [
            (step.get("token"), _pairs(step.get("top_logprobs")))
            for step in content
            if isinstance(step, dict)
        ]
    else:
        tokens, tops = logprobs.get("tokens"), logprobs.get("top_logprobs")
        if not isinstance(tokens, list) or not isinstance(tops, list):
            return ()
        steps = [(t, _pairs(top)) for t, top in zip(tokens, tops, strict=False)]
    for token, pairs in steps:
        if isinstance(token, str) and token.strip():
            return pairs
    return ()


def _pairs(top: Any) -> tuple[tuple[str, float], ...]:
    if isinstance(top, dict):
        found = list(top.items())
    elif isinstance(top, list):
        found = [(x.get("token"), x.get("logprob")) for x in top if isinstance(x, dict)]
    else:
        return ()
    return tuple(
        (token, float(value))
        for token, value in found
        if isinstance(token, str)
        and isinstance(value, (int, float))
        and not math.isnan(value)
        and value <= 1e-6
    )
