"""What training debaters did to their judge: curves over ticks, and gains over the untrained.

A trained conversation and its baseline are held on the same cases, so gains are paired over seeds.
On teaching cases tick t shows the weights as they were before tick t's practice, and the cases are
new in every tick; the final gain is measured on test cases, which nobody practised on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.cases import Split
from environments.core.columns import Columns
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import Paired, paired_difference
from experiments.config.schema import ScenarioConfig

Curve = tuple[tuple[int, Estimate], ...]


@dataclass(frozen=True)
class Trained:
    """A conversation of trained agents beside the same one of untrained agents."""

    baseline: str
    accuracy: Curve
    """Judge accuracy by tick on teaching cases, mean over seeds, Student t."""
    baseline_accuracy: Curve
    gain: Paired
    """Judge accuracy on test cases, trained minus untrained, over seeds."""
    early_late: Paired
    """Accuracy over the baseline in the last third of the ticks minus that in the first third."""


@dataclass(frozen=True)
class Training:
    """All trained conversations of a run."""

    conversations: dict[str, Trained]
    contrast: Paired | None
    """Gain of the first conversation of ``self_play.contrast`` minus that of the second."""
    test_cases: int


def analyse_training(config: ScenarioConfig, rows: Columns) -> Training:
    """Compare every conversation that has a baseline with it.

    Args:
        config: A scenario with ``self_play``.
        rows: Of `experiments.analysis.ledger_view.verdicts`.
    """
    seeds = np.unique(rows["replicate"])
    gains: dict[str, NDArray[np.float64]] = {}
    found: dict[str, Trained] = {}
    for name, plain in config.self_play.baselines.items():
        tested = [_by_seed(rows, one, Split.TEST, seeds) for one in (name, plain)]
        taught = [_by_tick(rows, one, seeds) for one in (name, plain)]
        gains[name] = tested[0] - tested[1]
        ahead = taught[0] - taught[1]
        part = max(1, ahead.shape[1] // 3)
        late, early = ahead[:, -part:].mean(axis=1), ahead[:, :part].mean(axis=1)
        found[name] = Trained(
            plain,
            _curve(taught[0]),
            _curve(taught[1]),
            paired_difference(*tested),
            paired_difference(late, early),
        )
    contrast = None
    if config.self_play.contrast:
        first, second = config.self_play.contrast
        contrast = paired_difference(gains[first], gains[second])
    return Training(found, contrast, config.splits.test)


def _by_seed(
    rows: Columns, conversation: str, split: Split, seeds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return accuracy by seed, [S]."""
    mine = rows.take((rows["conversation"] == conversation) & (rows["split"] == split.value))
    return _means(mine, np.searchsorted(seeds, mine["replicate"]), len(seeds))


def _by_tick(rows: Columns, conversation: str, seeds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return accuracy on teaching cases by seed and tick, [S, T]."""
    mine = rows.take(
        (rows["conversation"] == conversation) & (rows["split"] == Split.TEACHING.value)
    )
    ticks = int(mine["tick"].max()) if mine.n else 0
    cell = np.searchsorted(seeds, mine["replicate"]) * ticks + mine["tick"] - 1
    return _means(mine, cell, len(seeds) * ticks).reshape(len(seeds), ticks)


def _means(rows: Columns, cell: NDArray[np.int64], cells: int) -> NDArray[np.float64]:
    right = np.bincount(cell, weights=rows["correct"], minlength=cells)
    count = np.bincount(cell, minlength=cells)
    return np.where(count > 0, right / np.maximum(count, 1), np.nan)


def _curve(values: NDArray[np.float64]) -> Curve:
    zero = np.zeros(len(values))
    return tuple(
        (tick + 1, paired_difference(values[:, tick], zero).estimate)
        for tick in range(values.shape[1])
    )


def training_metrics(training: Training) -> dict[str, Estimate]:
    """Return the metrics of ``summary.json`` under their flat names."""
    flat: dict[str, Estimate] = {}
    for name, trained in training.conversations.items():
        flat[f"training.{name}.gain"] = trained.gain.estimate
        flat[f"training.{name}.detectable"] = trained.gain.detectable
        flat[f"training.{name}.late_minus_early"] = trained.early_late.estimate
        for tick, point in trained.accuracy:
            flat[f"training.{name}.curve.tick_{tick:04d}"] = point
    if training.contrast is not None:
        flat["training.contrast"] = training.contrast.estimate
    return flat
