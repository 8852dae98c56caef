"""The tidy table of a sweep: one row for each cell and metric.

Columns::

    cell              name of the cell, a folder under cells/
    KEY               one column for each axis (a joint axis: key+key); numbers, booleans or text
    gap               minuend minus subtrahend, where a gap was asked for
    seed, seeds       first seed and number of seeds of the cell
    metric            full name, as in the cell's summary.json
    kind              conversation, arm, … : first part of the name
    subject           which conversation or arm; '' where there is none
    measure           what is measured: judge_accuracy, asd_log, …
    value, low, high  estimate and 95 % interval; null where there is none
    n                 observations
    reason            why value or interval is missing
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coordination.ledger.files import replace_file
from environments.core.errors import ConfigError, RunError
from experiments.runs.layout import SUMMARY_FILE
from experiments.sweep.grid import Axis, Cell, Grid
from experiments.sweep.layout import TABLE_FILE, cell_path

FIXED = ("cell", "seed", "seeds", "metric", "kind", "subject", "measure", "value", "low", "high",
         "n", "reason")  # fmt: skip
"""Columns that every sweep's table has."""
GAP = "gap"
_NAMED = ("conversation", "arm")


_SECTIONS = ("primary", "secondary", "check", "truth_spent", "episodes", "population", "verdicts")
"""First words of metrics that belong to no conversation or arm."""


def tidy(grid: Grid, cells: Sequence[Cell], path: Path, gap: str = "") -> pa.Table:
    """Return the table of a sweep's complete cells.

    Args:
        grid: The sweep.
        cells: Those that are complete.
        path: The sweep's directory.
        gap: ``A-B``: what the column `GAP` holds; each of A and B is a key of the scenario or the
            name of a metric, with blanks around the minus sign. '' for no such column.

    Raises:
        ConfigError: If A or B is neither, or no number.
        RunError: If a cell's summary cannot be read.
    """
    axes = [axis for axis in grid.axes if axis.name not in FIXED]  # seed, seeds: there anyway
    columns: dict[str, list[Any]] = {name: [] for name in FIXED}
    columns |= {axis.name: [] for axis in axes}
    if gap:
        columns[GAP] = []
    place = {axis.name: number for number, axis in enumerate(grid.axes)}
    for cell in cells:
        metrics = _metrics(cell_path(path, cell.name))
        between = gap_of(cell, metrics, gap) if gap else None
        for name, found in metrics.items():
            kind, subject, measure = take_name_apart(name)
            row = {
                "cell": cell.name, "seed": cell.config.seed, "seeds": cell.config.seeds,
                "metric": name, "kind": kind, "subject": subject, "measure": measure,
                **{key: found.get(key) for key in ("value", "low", "high", "n")},
                "reason": found.get("reason", ""),
                **{axis.name: cell.values[place[axis.name]] for axis in axes},
                **({GAP: between} if gap else {}),
            }  # fmt: skip
            for key, value in row.items():
                columns[key].append(value)
    order = ["cell", *(axis.name for axis in axes), *([GAP] if gap else []), *FIXED[1:]]
    return pa.table({name: _array(name, columns[name], axes) for name in order})


def write_table(table: pa.Table, path: Path) -> Path:
    """Write the table into a sweep's directory and return its path."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    replace_file(path / TABLE_FILE, sink.getvalue().to_pybytes())
    return path / TABLE_FILE


def take_name_apart(metric: str) -> tuple[str, str, str]:
    """Return (kind, subject, measure) of a metric's name.

    Example:
        >>> take_name_apart("conversation.debate.test.judge_accuracy")
        ('conversation', 'debate', 'test.judge_accuracy')
        >>> take_name_apart("primary.difference")
        ('primary', '', 'difference')
    """
    kind, _, rest = metric.partition(".")
    if kind not in _NAMED:
        return kind, "", rest
    subject, _, measure = rest.partition(".")
    return kind, subject, measure


def gap_of(cell: Cell, metrics: Mapping[str, Any], gap: str) -> float | None:
    """Return A - B of ``A-B``; None where one is a metric without a value.

    Raises:
        ConfigError: If A or B is neither a key nor a metric, or no number.
    """
    first, second = split_gap(gap)
    ends = [_quantity(cell, metrics, one) for one in (first, second)]
    return None if ends[0] is None or ends[1] is None else ends[0] - ends[1]


def check_gap(cells: Iterable[Cell], gap: str) -> None:
    """Refuse a gap that no cell could have, before anything runs.

    A metric is known by its beginning: a conversation or arm of the scenario, or one of the
    summary's other sections. Whether the metric itself exists shows only in a summary.

    Raises:
        ConfigError: If A or B is neither a number of a cell's configuration nor so begun.
    """
    for cell in cells:
        for name in split_gap(gap):
            section, _, rest = name.partition(".")
            subject = rest.partition(".")[0]
            named: dict[str, Iterable[str]] = {
                "conversation": set(cell.config.conversations),
                "arm": set(cell.config.arms),
            }
            if section in named and subject in named[section]:
                continue
            if section in _SECTIONS and rest:
                continue
            _quantity(cell, {}, name)


def split_gap(gap: str) -> tuple[str, str]:
    """Split ``A - B`` or, where no name holds a minus sign, ``A-B``.

    Raises:
        ConfigError: If it is not of this form.
    """
    parts = re.split(r"\s+-\s+", gap.strip()) if " - " in gap else gap.split("-")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise ConfigError(f"--gap {gap!r} is not of the form 'A - B' (keys or metrics)")
    return parts[0].strip(), parts[1].strip()


def _quantity(cell: Cell, metrics: Mapping[str, Any], name: str) -> float | None:
    if name in metrics:
        value = metrics[name]["value"]
        return None if value is None else float(value)
    node: Any = cell.config
    for part in name.split("."):
        node = node.get(part) if isinstance(node, dict) else getattr(node, part, None)
    if isinstance(node, bool) or not isinstance(node, int | float) or not math.isfinite(node):
        raise ConfigError(f"--gap: {name!r} is no key of the scenario with a number, and no metric")
    return float(node)


def _metrics(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / SUMMARY_FILE).read_text("utf-8"))["metrics"]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path / SUMMARY_FILE}: cannot read ({error})") from error


def _array(name: str, values: list[Any], axes: Sequence[Axis]) -> pa.Array:
    if name in ("value", "low", "high", GAP):
        return pa.array(values, pa.float64())
    if name in ("seed", "seeds", "n"):
        return pa.array(values, pa.int64())
    if name in [axis.name for axis in axes]:
        kinds = {type(value) for value in values}
        if kinds <= {int}:
            return pa.array(values, pa.int64())
        if kinds <= {int, float}:
            return pa.array([float(value) for value in values], pa.float64())
        if kinds <= {bool}:
            return pa.array(values, pa.bool_())
        return pa.array([value_text(value) for value in values], pa.string())
    return pa.array(values, pa.string())


def value_text(value: Any) -> str:
    """Return an axis value as text: text itself, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
