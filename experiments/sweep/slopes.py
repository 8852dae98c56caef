"""How scores rise along an axis: judge-score and agent-score slopes over the cells of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import LEVEL
from experiments.analysis.team_metrics import slope

SCORES = ("judge_accuracy", "log_score", "asd_log", "asd_brier")
"""Measures whose slopes are reported."""
_Z = float(stats.norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Slope:
    """One score of one conversation along one axis, the other axes held fixed."""

    axis: str
    panel: tuple[Any, ...]
    """Values of the other axes."""
    subject: str
    measure: str
    estimate: Estimate
    """Change of the score for one unit of the axis; n counts cells."""


def slopes(rows: Sequence[Mapping[str, Any]], axis: str, others: Sequence[str]) -> list[Slope]:
    """Return the slopes of all scores against a numeric axis.

    Weighted least squares over cells; a cell's deviation is that of a normal with its interval.
    Cells share cases and seeds, but the error takes them as independent: an error that all cells
    have in common cancels in a slope, so that the interval is then too wide.

    Args:
        rows: Rows of the tidy table.
        axis: Column of numbers.
        others: Columns of the other axes; cells that differ in them are not pooled.
    """
    groups: dict[tuple, list[tuple[float, float, float]]] = {}
    for row in rows:
        usable = row["measure"] in SCORES and row["value"] is not None and row["low"] is not None
        if usable and row["high"] > row["low"] and row[axis] is not None:
            key = (tuple(row[other] for other in others), row["subject"], row["measure"])
            deviation = (row["high"] - row["low"]) / (2 * _Z)
            groups.setdefault(key, []).append((float(row[axis]), row["value"], deviation))
    found = []
    for (panel, subject, measure), points in groups.items():
        x, y, deviation = np.array(points).T
        if len(np.unique(x)) < 2:
            continue
        value, error = slope(x, y, deviation)
        estimate = Estimate(value, value - _Z * error, value + _Z * error, len(points))
        found.append(Slope(axis, panel, subject, measure, estimate))
    return found
