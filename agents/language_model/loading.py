"""Building small models from scratch and loading pretrained ones, without executing their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.adapters.config import ALL_LINEAR, AdapterConfig
from agents.adapters.layout import Layout
from agents.adapters.targets import Site, find_sites
from agents.language_model.config import ModelConfig
from agents.language_model.files import Place, converted, downloaded, fetched, locate
from agents.language_model.skeleton import weightless
from agents.language_model.tokens import word_tokenizer
from environments.core.errors import ConfigError, FacilitateError

if TYPE_CHECKING:
    import torch

_SENTINEL = "QZXUSERPARTXZQ"


@contextmanager
def own_randomness() -> Iterator[None]:
    """Keep transformers' own initialization from touching torch's global generators."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield


def find_device(name: str) -> torch.device:
    """Return the device of a configured name; ``auto`` takes a GPU where there is one.

    Raises:
        ConfigError: If the name means nothing or the device is absent.
    """
    import torch

    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise ConfigError(f"device: got {name!r}, allowed: auto, cpu, cuda, cuda:N")
    if kind == "cuda" and int(number or 0) >= available:
        here = ["auto", "cpu", *(f"cuda:{n}" for n in range(available))]
        raise ConfigError(
            f"device: got {name!r}, but this machine has {available} usable CUDA devices "
            f"(allowed here: {', '.join(here)})"
        )
    return torch.device(name)


def build(config: ModelConfig, vocabulary: Sequence[str]) -> tuple[Any, Any]:
    """Return a word tokenizer and a model with the usual size names of its architecture."""
    import torch
    from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

    if not vocabulary:
        raise ConfigError(
            "policy.model.path: got '' (build from scratch), but this environment has no closed "
            "vocabulary; give the name or folder of a pretrained model"
        )
    if config.architecture not in CONFIG_MAPPING:
        raise ConfigError(
            f"policy.model.architecture: got {config.architecture!r}, allowed: a causal "
            "transformers model_type such as llama, gpt2, qwen2"
        )
    tokenizer = word_tokenizer(vocabulary, config.max_length)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "max_position_embeddings": config.max_length,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": False,
    }
    if config.architecture == "gpt2":
        sizes["n_inner"] = sizes.pop("intermediate_size")
        sizes.pop("num_key_value_heads")
        sizes.update({"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0})
    try:
        settings = AutoConfig.for_model(config.architecture, **sizes)
        model = AutoModelForCausalLM.from_config(settings, attn_implementation="eager")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"policy.model.architecture: {config.architecture!r} cannot be built with these sizes "
            f"({_first_line(error)})"
        ) from error
    return tokenizer, model.to(getattr(torch, config.dtype))


def load(config: ModelConfig) -> tuple[Any, Any]:
    """Return tokenizer and model by hub name or folder; nothing in the files is executed."""
    import torch
    from transformers import AutoModelForCausalLM

    with _explained(config):
        place = locate(config)
        folder = _converted(place) if place.gguf_file else place.folder
        tokenizer = _tokenizer(folder)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, config.dtype),
        )
    return tokenizer, model


def outline(config: ModelConfig) -> tuple[Any, Any, Path]:
    """Return tokenizer, model without weights (see `weightless`), and the folder of its files."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with _explained(config):
        place = locate(config)
        folder = _converted(place) if place.gguf_file else place.folder
        if not place.gguf_file and not place.local:
            folder = downloaded(place)
        tokenizer = _tokenizer(folder)
        settings = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with weightless():
            model = AutoModelForCausalLM.from_config(
                settings, trust_remote_code=False, dtype=getattr(torch, config.dtype)
            )
    return tokenizer, model, Path(folder)


def check_targets(config: ModelConfig, adapter: AdapterConfig, where: str) -> None:
    """Check, without any weights, that adapters' targets are modules of the model.

    A model that would have to be downloaded or converted first is not looked at.

    Args:
        config: The model.
        adapter: Its adapters.
        where: Key of their section.

    Raises:
        ConfigError: If a target matches nothing.
    """
    if adapter.rank and adapter.targets != [ALL_LINEAR]:
        _sites(config, adapter, ("word",), where)  # which modules there are is not up to the words


def adapter_bytes(
    config: ModelConfig, adapter: AdapterConfig, vocabulary: Sequence[str], where: str
) -> int:
    """Return the bytes of one adapter that is trained: its weights and Adam's two moments.

    No weight is made. Of a model that would have to be downloaded or converted first: 0.

    Args:
        config: The model.
        adapter: Its adapters; their rank is above 0.
        vocabulary: Words of a model from scratch.
        where: Key of the adapters' section.

    Raises:
        ConfigError: If a target matches nothing.
    """
    sites = _sites(config, adapter, vocabulary, where)
    number = 8 if config.dtype == "float64" else 4  # see `agents.adapters.bank`
    return 3 * number * Layout(sites, adapter.rank).width


def _sites(
    config: ModelConfig, adapter: AdapterConfig, vocabulary: Sequence[str], where: str
) -> list[Site]:
    """Return the modules that get adapters; none where the model's files are not here as such."""
    if not config.path:
        with weightless():
            model = build(config, vocabulary)[1]
    else:
        place = locate(config)
        if place.gguf_file or not place.local:
            return []
        model = outline(config)[1]
    return find_sites(model, adapter.targets, f"{where}.targets")


@contextmanager
def _explained(config: ModelConfig) -> Iterator[None]:
    """Turn what transformers raises about a model's files into one line."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, FacilitateError):
            raise
        raise ConfigError(
            f"policy.model.path: got {config.path!r}, allowed: a hub name or folder of a causal "
            f"language model with safetensors weights ({_first_line(error)})"
        ) from error


def _converted(place: Place) -> str:
    return str(converted(place if place.local else fetched(place)))


def _tokenizer(folder: str) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def longest(asked: int, model_config: Any, tokenizer: Any) -> int:
    """Return the greatest sequence length that configuration, model and tokenizer all allow."""
    limits = [asked, getattr(model_config, "max_position_embeddings", None)]
    limits.append(getattr(tokenizer, "model_max_length", None))
    return int(min(limit for limit in limits if limit))


def chat_frame(tokenizer: Any) -> tuple[str, str]:
    """Return the trusted text around a user's turn: from the chat template, or a first token."""
    if getattr(tokenizer, "chat_template", None):
        turn = [{"role": "user", "content": _SENTINEL}]
        text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        before, found, after = text.partition(_SENTINEL)
        if found:
            return before, after
    first = tokenizer("a")["input_ids"][:1]
    starts = tokenizer.bos_token_id is not None and first == [tokenizer.bos_token_id]
    return (tokenizer.bos_token if starts else ""), ""
