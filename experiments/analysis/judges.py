"""Two judges on the same rooms: paired differences of what they decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from environments.core.columns import Columns
from experiments.analysis.bootstrap import Axes, CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.ledger_view import verdicts
from experiments.analysis.statistics import holm, mean_of_known, paired_difference

COMPARED = ("correct", "log_score", "brier")
"""Columns of `ledger_view.verdicts` that are compared."""


@dataclass(frozen=True)
class JudgeComparison:
    """One conversation on one split before two judges."""

    conversation: str
    split: str
    first: dict[str, Estimate]
    """Measure (`COMPARED`) to the first judge's mean."""
    second: dict[str, Estimate]
    difference: dict[str, Estimate]
    """Second minus first on the same rooms; bootstrap over cases and seeds."""
    over_seeds: dict[str, Estimate]
    """Second minus first; paired over seeds, Student t."""
    p_holm: float | None
    """Of the accuracy over seeds, corrected for the number of conversations and splits."""
    changed: Estimate
    """Share of rooms in which the two chose differently."""


def compare_judges(
    first: Mapping[str, Columns], second: Mapping[str, Columns], resamples: int, seed: int
) -> list[JudgeComparison]:
    """Compare two ledgers of the same rooms.

    Args:
        first: Tables with the columns of `ledger_view.NEEDED`.
        second: The same rooms, judged by another; rooms that either lacks are left out.
        resamples: Of the bootstrap.
        seed: Keys it.
    """
    one, two = verdicts(first), verdicts(second)
    shared = np.intersect1d(one["room_id"], two["room_id"])
    one, two = (v.take(np.isin(v["room_id"], shared)) for v in (one, two))
    found, p_values = [], []
    pairs = dict.fromkeys(zip(one["conversation"].tolist(), one["split"].tolist(), strict=True))
    for conversation, split in pairs:
        here = (one["conversation"] == conversation) & (one["split"] == split)
        a, b = one.take(here), two.take(here)
        boot = CrossedBootstrap(Axes.of(a["replicate"], a["case_id"]), resamples, seed, split)
        grids = np.stack(
            [
                boot.axes.grid(v["replicate"], v["case_id"], v[name].astype(np.float64))
                for name in COMPARED
                for v in (a, b)
            ]
        )
        differences = grids[1::2] - grids[::2]
        means = [
            boot.proportions(grid[None])[0] if i < 2 else boot.estimates(grid[None])[0]
            for i, grid in enumerate(grids)
        ]
        by_seed = mean_of_known(grids, axis=2)
        paired = [
            paired_difference(by_seed[2 * i + 1], by_seed[2 * i]) for i in range(len(COMPARED))
        ]
        changed = boot.axes.grid(a["replicate"], a["case_id"], a["choice"] != b["choice"])
        p_values.append(paired[0].p_value)
        found.append(
            JudgeComparison(
                conversation,
                split,
                dict(zip(COMPARED, means[::2], strict=True)),
                dict(zip(COMPARED, means[1::2], strict=True)),
                dict(zip(COMPARED, boot.estimates(differences), strict=True)),
                dict(zip(COMPARED, [p.estimate for p in paired], strict=True)),
                None,
                boot.proportions(changed[None])[0],
            )
        )
    corrected = holm(p_values)
    return [
        JudgeComparison(**{**vars(one), "p_holm": p})
        for one, p in zip(found, corrected, strict=True)
    ]
