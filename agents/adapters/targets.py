"""Which modules of a model get adapters: PEFT's target names, matched the way PEFT matches them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.adapters.config import ALL_LINEAR
from environments.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

_PLAIN = re.compile(r"[A-Za-z0-9_.]+")


@dataclass(frozen=True)
class Site:
    """A linear module that gets adapters."""

    path: str
    """Its name in the model, as ``named_modules`` gives it."""
    inputs: int
    outputs: int
    transposed: bool
    """Whether the weight is [inputs, outputs] (transformers' ``Conv1D``)."""


def find_sites(
    model: torch.nn.Module, targets: Sequence[str], where: str = "targets"
) -> list[Site]:
    """Return the modules that targets name, in the model's order.

    Args:
        model: Any transformers model.
        targets: ``all-linear`` (every linear module but the output head), the end of a module's
            name (whole parts: ``q_proj`` and ``self_attn.q_proj``, not ``proj``), or, if it is no
            plain name, a regular expression of a whole name.
        where: Key of the targets, for messages.

    Raises:
        ConfigError: If a target matches no linear module, or is no regular expression.
    """
    modules = dict(_linear_modules(model))
    head = getattr(model, "get_output_embeddings", lambda: None)()
    chosen: set[str] = set()
    for target in targets:
        found = {path for path, module in modules.items() if _matches(target, path, where)}
        if target.lower() == ALL_LINEAR:
            found = {path for path, module in modules.items() if module is not head}
        if not found:
            ends = sorted({path.rpartition(".")[2] for path in modules})
            raise ConfigError(
                f"{where}: {target!r} matches no linear module of the model (allowed: {ALL_LINEAR},"
                f" a regular expression of whole names such as {next(iter(modules), '')!r}, or an "
                f"end of one: {', '.join(ends) or 'none, the model has no linear module'})"
            )
        chosen |= found
    return [_site(path, module) for path, module in modules.items() if path in chosen]


def _linear_modules(model: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
    import torch
    from transformers.pytorch_utils import Conv1D

    kinds = (torch.nn.Linear, Conv1D)
    return [(path, module) for path, module in model.named_modules() if type(module) in kinds]


def _matches(target: str, path: str, where: str) -> bool:
    if _PLAIN.fullmatch(target):
        return path == target or path.endswith(f".{target}")
    if target.lower() == ALL_LINEAR:
        return False
    try:
        return re.fullmatch(target, path) is not None
    except re.error as error:
        raise ConfigError(f"{where}: {target!r} is no regular expression ({error})") from error


def _site(path: str, module: Any) -> Site:
    first, second = module.weight.shape
    if hasattr(module, "in_features"):
        return Site(path, second, first, transposed=False)
    return Site(path, first, second, transposed=True)
