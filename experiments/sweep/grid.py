"""Grids: from ``key=a,b,c`` to one complete configuration for each cell.

The values of a key are separated by commas that stand outside of quotes, brackets and braces; each
value is YAML. One value is a plain setting, several are an axis::

    seeds=3                          a setting
    agents.judge.policy.skill=0,1,2  an axis of three numbers
    analysis.primary=[A4,A3]         a setting whose value is a list
    analysis.primary=[A4,A3],[A4,A2] an axis of two lists
    name='a,b'                       a setting with a comma in its text
    a.x+b.x=0,1                      an axis that sets both keys to the same value
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from environments.core.errors import ConfigError
from experiments.config.load import load_scenario, resolved_yaml
from experiments.config.overrides import parse_override
from experiments.config.schema import RuntimeConfig, ScenarioConfig

MOST_CELLS = 10_000
"""A larger grid is taken for a mistake."""
_ONE_TASK = RuntimeConfig(name="inprocess", conversation_hosts=1, cohort_hosts=1, learner_hosts=1)
"""Runtime of every cell; where a cell runs does not name it."""
_CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True)
class Axis:
    """Some keys that take the same values together."""

    keys: tuple[str, ...]
    texts: tuple[str, ...]
    """Each value as it was given."""
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The keys as they were given, joined by ``+``."""
        return "+".join(self.keys)

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)


@dataclass(frozen=True)
class Cell:
    """One point of the grid."""

    name: str
    """Hash of the configuration: the same cell has the same name in any grid."""
    values: tuple[Any, ...]
    """One for each axis."""
    texts: tuple[str, ...]
    """The same, as they were given."""
    config: ScenarioConfig
    config_yaml: str
    """Resolved, with the in-process runtime: a cell is one task."""


@dataclass(frozen=True)
class Grid:
    """A scenario over axes."""

    scenario: str
    axes: tuple[Axis, ...]
    settings: tuple[str, ...]
    """``key=value`` of what does not vary."""
    cells: tuple[Cell, ...]
    runtime: RuntimeConfig
    """Where the cells run."""


def split_values(text: str, key: str) -> list[str]:
    """Split at the commas outside of quotes, brackets and braces.

    Raises:
        ConfigError: For an empty value, or a bracket or quote that is not closed.
    """
    parts, start, open_, quote = [], 0, [], ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and text[start:place].rstrip()[-1:] in ("", *"[{,:"):
            quote = letter  # a quote opens a value; an apostrophe inside a word does not
        elif letter in _CLOSING:
            open_.append(_CLOSING[letter])
        elif letter in _CLOSING.values():
            if not open_ or open_.pop() != letter:
                raise ConfigError(f"{key}: {letter!r} closes nothing in {text!r}")
        elif letter == "," and not open_:
            parts.append(text[start:place])
            start = place + 1
    if quote or open_:
        raise ConfigError(f"{key}: {quote or open_[-1]!r} is missing in {text!r}")
    parts.append(text[start:])
    if len(parts) > 1 and not all(part.strip() for part in parts):
        raise ConfigError(f"{key}: an empty value in {text!r}; write null or '' if it is meant")
    return [part.strip() for part in parts]


def parse_axis(text: str) -> Axis:
    """Parse ``key=a,b,c`` or ``key+key=a,b,c``.

    Raises:
        ConfigError: If it is not of this form, or a value occurs twice.
    """
    left, equals, right = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} is not of the form key=a,b,c")
    keys = tuple(left.split("+"))
    texts = split_values(right, left)
    values = tuple(parse_override(f"{keys[0]}={one}").value for one in texts)
    for key in keys:
        parse_override(f"{key}={texts[0]}")
    shown = [json.dumps(value, sort_keys=True, default=str) for value in values]
    for place, one in enumerate(shown):
        if one in shown[:place]:
            raise ConfigError(f"{left}: the value {texts[place]} is given twice")
    return Axis(keys, tuple(texts), values)


def make_grid(scenario: str, arguments: Sequence[str]) -> Grid:
    """Return a grid, every cell of it loaded and validated.

    Args:
        scenario: Name or YAML file.
        arguments: ``key=a,b,c`` texts.

    Raises:
        ConfigError: A key or value that cannot be, in any cell; a key given twice; no axis; too
            many cells.
    """
    parsed = [parse_axis(text) for text in arguments]
    seen: set[str] = set()
    for key in (key for axis in parsed for key in axis.keys):
        if key in seen:
            raise ConfigError(f"{key}: given twice; separate its values by commas")
        seen.add(key)
    fixed = [axis for axis in parsed if len(axis.values) == 1]
    axes = tuple(axis for axis in parsed if len(axis.values) > 1)
    for axis in axes:
        if axis.keys[0].split(".")[0] == "runtime":
            raise ConfigError(f"{axis.name}: results do not depend on it; give one value")
    if not axes:
        raise ConfigError("sweep: no key has several values, e.g. seeds=1,3,5")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_CELLS:
        raise ConfigError(f"sweep: {count} cells, at most {MOST_CELLS} are allowed")
    settings = _texts((axis, 0) for axis in fixed)
    runtime = load_scenario(scenario, [*settings, *_texts((axis, 0) for axis in axes)]).runtime
    cells = tuple(
        _cell(scenario, settings, axes, places)
        for places in itertools.product(*(range(len(axis.values)) for axis in axes))
    )
    same = len(cells) - len({cell.name for cell in cells})
    if same:
        raise ConfigError(f"sweep: {same} cells are the same as others; do two keys set one thing?")
    return Grid(cells[0].config.name, axes, tuple(settings), cells, runtime)


def _texts(chosen: Iterable[tuple[Axis, int]]) -> list[str]:
    return [f"{key}={axis.texts[place]}" for axis, place in chosen for key in axis.keys]


def _cell(scenario: str, settings: list[str], axes: tuple[Axis, ...], places: tuple) -> Cell:
    chosen = list(zip(axes, places, strict=True))
    config = load_scenario(scenario, [*settings, *_texts(chosen)])
    config.runtime = _ONE_TASK
    text = resolved_yaml(config)
    name = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    values = tuple(axis.values[place] for axis, place in chosen)
    return Cell(name, values, tuple(axis.texts[place] for axis, place in chosen), config, text)
