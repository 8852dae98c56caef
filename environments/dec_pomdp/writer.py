"""Writing a Dec-POMDP in the ``.dpomdp`` text format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import ConfigError
from environments.dec_pomdp.model import IDENTIFIER, DecPOMDP, Names
from environments.dec_pomdp.reader import default_names
from environments.dec_pomdp.tables import RESERVED


def format_dpomdp(model: DecPOMDP) -> str:
    """Return a text that `parse_dpomdp` reads back as the same model, to the last bit.

    Raises:
        ConfigError: If a name is none in the format.
    """
    lines = [
        f"agents: {_names(model.agents, 'agent_', 1)}",
        f"discount: {model.discount!r}",
        "values: reward",
        f"states: {_names(model.states)}",
        "start:",
        _row(model.start),
        "actions:",
        *(_names(own) for own in model.actions),
        "observations:",
        *(_names(own) for own in model.observations),
    ]
    for key, table in (("T", model.transition), ("O", model.observation)):
        for action, matrix in enumerate(table):
            lines += [f"{key}: {_joint(model, action)} :", *map(_row, matrix)]
    for action, row in enumerate(model.reward):
        head = _joint(model, action)
        for state, value in zip(model.states, row.tolist(), strict=True):
            lines.append(f"R: {head} : {state} : * : * : {value!r}")
    return "\n".join(lines) + "\n"


def write_dpomdp(model: DecPOMDP, path: str | Path) -> None:
    """Write a model to a file; see `format_dpomdp`."""
    Path(path).write_text(format_dpomdp(model), encoding="utf-8")


def _names(names: Names, prefix: str = "", first: int = 0) -> str:
    if names == default_names(len(names), prefix, first):
        return str(len(names))
    for name in names:
        if not IDENTIFIER.fullmatch(name) or name in RESERVED:
            raise ConfigError(f"the name {name!r} cannot be written (a letter, then A-Za-z0-9_-)")
    return " ".join(names)


def _row(values: NDArray[np.float64]) -> str:
    return " ".join(map(repr, values.tolist()))


def _joint(model: DecPOMDP, action: int) -> str:
    return model.describe_joint("action", action)
