"""Numerical estimates: how people move a number of theirs towards anchors and advice.

The same equations as the stages `anchor` and `advice`, on plain numbers instead of probabilities
of options, for environments whose answers are quantities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from agents.policies.base import require
from agents.policies.numeric import Floats
from environments.core.keyed import Keyed


def advised(estimate: ArrayLike, advice: ArrayLike, weight: ArrayLike) -> Floats:
    """Return x' = (1 − w)·x + w·advice, any shapes that broadcast."""
    x = np.asarray(estimate, dtype=np.float64)
    return (1.0 - np.asarray(weight)) * x + np.asarray(weight) * np.asarray(advice)


def weight_on_advice(
    initial: ArrayLike, advice: ArrayLike, final: ArrayLike, clip: bool = False
) -> Floats:
    """Return WOA = (final − initial)/(advice − initial); NaN where advice equals the estimate.

    Args:
        initial: [N] estimates before advice.
        advice: [N]
        final: [N] estimates after advice.
        clip: Whether to clip to [0, 1], as many papers do; say which when reporting.
    """
    first = np.asarray(initial, dtype=np.float64)
    gap = np.asarray(advice, dtype=np.float64) - first
    apart = gap != 0.0
    moved = np.asarray(final, dtype=np.float64) - first
    woa = np.where(apart, moved / np.where(apart, gap, 1.0), np.nan)
    return np.clip(woa, 0.0, 1.0) if clip else woa


def anchoring_index(
    low_estimates: ArrayLike, high_estimates: ArrayLike, low_anchor: float, high_anchor: float
) -> float:
    """Return AI = (median after the high anchor − median after the low one)/(high − low)."""
    require(high_anchor != low_anchor, "high_anchor", high_anchor, "an anchor unlike the low one")
    moved = float(np.median(np.asarray(high_estimates)) - np.median(np.asarray(low_estimates)))
    return moved / (high_anchor - low_anchor)


@dataclass(frozen=True)
class Estimator:
    """People who estimate a quantity: own = truth + error; anchored, then advised.

    Errors are normal and keyed by person and question. Before any advice the estimate is
    (1 − a)·own + a·anchor; advice then moves it by w.
    """

    spread: float
    """Standard deviation of the own error."""
    anchor_weight: float = 0.0
    """a: anchoring index."""
    advice_weight: float = 0.39
    """w: weight on advice; meta-analysis .39 [.37, .42]."""
    seed: int = 0

    source: ClassVar[str] = (
        "Yaniv & Kleinberger 2000, Organ. Behav. Hum. Decis. Process. 83; Jacowitz & Kahneman 1995"
    )

    def __post_init__(self) -> None:
        require(self.spread >= 0, "estimator.spread", self.spread, "a number >= 0")
        for name in ("anchor_weight", "advice_weight"):
            value = getattr(self, name)
            require(0.0 <= value <= 1.0, f"estimator.{name}", value, "a weight in [0, 1]")

    def first(
        self,
        quantity: ArrayLike,
        person: ArrayLike,
        question: ArrayLike,
        anchor: ArrayLike | None = None,
    ) -> Floats:
        """Return estimates before advice, shape of the broadcast arguments."""
        error = self.spread * Keyed(self.seed, "estimate").normal(person, question)
        own = np.asarray(quantity, dtype=np.float64) + error
        return own if anchor is None else advised(own, anchor, self.anchor_weight)

    def revise(self, estimate: ArrayLike, advice: ArrayLike) -> Floats:
        """Return estimates after advice."""
        return advised(estimate, advice, self.advice_weight)
