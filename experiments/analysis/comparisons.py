"""Comparisons: two arms, or two conversations, on the same cases and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from experiments.analysis.bootstrap import CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import Paired, holm, paired_difference


@dataclass(frozen=True)
class Comparison:
    """First minus second: two arms' unaided accuracy, or two conversations' judge accuracy."""

    first: str
    second: str
    paired: Paired
    """Over seeds; what "more" and "less" rest on."""
    crossed: Estimate
    """Bootstrap over cases and seeds."""
    p_holm: float | None
    """p-value corrected for the number of comparisons in its family."""


def compare_verdicts(
    pairs: Sequence[Sequence[str]],
    rows: Mapping[str, Columns],
    bootstrap: CrossedBootstrap,
) -> tuple[Comparison, ...]:
    """Return the difference of judge accuracy of pairs of conversations.

    Args:
        pairs: [first, second] names of conversations.
        rows: Conversation to its verdicts, on the split of ``bootstrap``.
        bootstrap: Resamples of the split, shared by all conversations.

    Returns:
        One comparison a pair that was held on the same cases and seeds, corrected by Holm's
        method as one family.
    """
    axes = bootstrap.axes
    grids = {
        name: axes.grid(part["replicate"], part["case_id"], part["correct"].astype(np.float64))
        for name, part in rows.items()
    }
    found: list[tuple[str, str, Paired, Estimate]] = []
    for first, second in pairs:
        if first in grids and second in grids and same_cells(grids[first], grids[second]):
            both = np.stack([grids[first], grids[second]])
            by_seed, draws = np.nanmean(both, axis=2), bootstrap.means(both)
            means = np.nanmean(both, axis=(1, 2))
            difference, n = float(means[0] - means[1]), int((~np.isnan(both[0])).sum())
            crossed = bootstrap.estimate(difference, draws[0] - draws[1], n)
            found.append((first, second, paired_difference(by_seed[0], by_seed[1]), crossed))
    corrected = holm([paired.p_value for _, _, paired, _ in found])
    return tuple(Comparison(*one, p_holm) for one, p_holm in zip(found, corrected, strict=True))


def same_cells(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Say whether two grids have observations in the same places."""
    return bool((np.isnan(first) == np.isnan(second)).all())
