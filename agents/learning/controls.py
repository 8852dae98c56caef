"""Control arms: targets from which one thing was taken away, and only that.

Each keeps what it does not test: `shuffled` and `random_targets` keep how sharp targets are and how
many there are, and cut their link to the case; `flipped_truth` keeps how often labels are right and
how sharp they are, and makes their errors independent of the case. Draws are keyed by (seed,
replicate, case), so they depend neither on the order of cases nor on other arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.learning.objectives import Floats, Ints, Targets, Teaching, VerdictRows
from environments.core.keyed import Keyed


@dataclass(frozen=True)
class ControlConfig:
    """How control arms are made."""

    strata: int = 4
    """`shuffled`: strata of the judge's prior confidence, of equal size."""
    smallest: int = 4
    """`shuffled`: least cases of a stratum; there are fewer strata in small blocks."""


def shuffled(
    targets: Targets, teaching: Teaching, prior: VerdictRows, config: ControlConfig | None = None
) -> Targets:
    """Give every case the target of another case of equal prior confidence.

    Cases with equally many options are ranked by the largest probability of the prior verdict
    (faulty ones last) and cut into strata of equal size; inside a stratum targets and their
    weights move along one keyed cycle, so no case keeps its own. A case that is alone with its
    number of options has nobody to swap with and gives no sample.

    Args:
        targets: The arm's own targets.
        teaching: The block.
        prior: Verdicts of the judge alone (the naive protocol).
        config: Number of strata.
    """
    config = config or ControlConfig()
    draw = Keyed(teaching.seed, "control/shuffled")
    coin = draw.bits(teaching.replicate, teaching.case_id)
    top = prior.probs.max(axis=1)
    confidence = np.where(np.isfinite(top), top, -1.0)
    source = np.arange(len(targets.weight))
    alone = np.zeros(len(source), dtype=bool)
    for count in np.unique(teaching.n_options):
        group = np.flatnonzero(teaching.n_options == count)
        ranked = group[np.lexsort([coin[group], -confidence[group]])]
        parts = max(1, min(config.strata, len(ranked) // max(2, config.smallest)))
        for stratum in np.array_split(ranked, parts):
            cycle = stratum[np.argsort(coin[stratum], kind="stable")]
            source[cycle] = np.roll(cycle, 1)
            alone[stratum] = len(stratum) == 1
    weight = np.where(alone, 0.0, targets.weight[source])
    target = np.where((weight > 0)[:, None], targets.target[source], 0.0)
    return Targets(target, weight, targets.room_id[source])


def random_targets(targets: Targets, teaching: Teaching) -> Targets:
    """Deal each case's target probabilities out to its options at random (a random judge).

    The multiset of probabilities of every case is kept, so is its weight.
    """
    width = targets.target.shape[1]
    draw = Keyed(teaching.seed, "control/random")
    coin = draw.uniform(teaching.replicate, teaching.case_id, shape=(width,))
    exists = np.arange(width) < teaching.n_options[:, None]
    order = np.argsort(np.where(exists, coin, 2.0), axis=1, kind="stable")
    target = np.take_along_axis(targets.target, order, axis=1)
    return Targets(target, targets.weight, np.full_like(targets.room_id, -1))


def flipped_truth(
    targets: Targets, teaching: Teaching, matched: Targets, right: NDArray[np.int64]
) -> Targets:
    """Return the truth with errors that are independent of the case (analysis only).

    A label is right with probability equal to the matched arm's label accuracy in this block, by a
    keyed coin for each case; a wrong label is one of the wrong options, all equally likely. The
    label then trades places with the largest probability of the matched target, so both arms are
    equally sharp on every case.

    Args:
        targets: Not read: all controls are called alike, and this one replaces the arm's targets.
        teaching: The block.
        matched: Targets of the arm whose accuracy is matched.
        right: [n] the right options, revealed by the caller for the purpose "analysis".
    """
    del targets
    draw = Keyed(teaching.seed, "control/flipped_truth")
    accuracy = label_accuracy(matched, right)
    correct = draw.uniform(teaching.replicate, teaching.case_id, 0) < accuracy
    shift = 1 + draw.integers(teaching.n_options - 1, teaching.replicate, teaching.case_id, 1)
    label = np.where(correct, right, (right + shift) % teaching.n_options)
    target = _with_top_at(matched.target, label)
    return Targets(target, matched.weight, np.full_like(matched.room_id, -1))


def label_accuracy(targets: Targets, right: Ints) -> float:
    """Return the share of samples (weight above 0) whose largest target is the right option."""
    sampled = targets.weight > 0
    if not sampled.any():
        return 0.0
    return float((targets.target.argmax(axis=1) == right)[sampled].mean())


def _with_top_at(target: Floats, option: Ints) -> Floats:
    """Return the rows with their largest entry swapped into ``option``."""
    rows = np.arange(len(option))
    top = target.argmax(axis=1)
    swapped = target.copy()
    swapped[rows, option] = target[rows, top]
    swapped[rows, top] = target[rows, option]
    return swapped
