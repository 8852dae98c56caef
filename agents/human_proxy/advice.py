"""Advice: moving part of the way towards what trusted advisers say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agents.human_proxy.statements import claims, latest_by_seat, statements
from agents.human_proxy.trust import Trust
from agents.policies.base import require
from agents.policies.numeric import Bools, Floats, ordered_sum, probabilities
from coordination.cohort import Asks
from environments.core.columns import Columns


@dataclass
class AdviceConfig:
    """Settings of `Advice`; an empty one is the preset's."""

    weight: float | None = None
    """w: weight of the advice of a lone stranger (weight on advice, WOA); 0 ignores advice."""


@dataclass(frozen=True)
class Advice:
    """Advice discounting: x' = (1 − w)·x + w·advice, on probabilities.

    An adviser's advice is its latest message that has any, as a distribution (see
    `statements.claims`). Adviser i weighs w_i = w · trust_i / trust in a stranger, at most 1.

    Several advisers are pooled: the advice is their mean weighted by w_i, its weight is
    (Σ w_i² / Σ w_i) · g, where g, the *agreement*, is the distance of the pooled advice from the
    flat distribution over the advisers' mean distance (total variation). Advisers who agree have
    g = 1; two who are opposed and equally sure of one of two options have g = 0: their advice
    cancels and leaves the judge to the evidence, instead of drawing it to one half. With more
    options what remains is what both say: that it is none of the others. One adviser is the
    published equation exactly; the pooling is ours.
    """

    weight: float
    trust: Trust

    source: ClassVar[str] = (
        "Harvey & Fischer 1997, Organ. Behav. Hum. Decis. Process. 70; Yaniv & Kleinberger 2000, "
        "ibid. 83; w .39 [.37, .42]: meta-analysis"
    )

    def __post_init__(self) -> None:
        where = "human_proxy.advice.weight"
        require(0.0 <= self.weight <= 1.0, where, self.weight, "a weight in [0, 1]")

    def __call__(
        self, asks: Asks, minds: Columns, log_belief: Floats, used: Bools | None = None
    ) -> Floats:
        """Return log-probabilities after advice, shape [B, K]; as given where there is none.

        Args:
            asks: B rows.
            minds: The judges' trust.
            log_belief: [B, K] beliefs before advice.
            used: [M] messages that have had their effect already (as anchors).
        """
        if self.weight == 0.0 or asks.heard.n == 0:
            return log_belief
        mask = asks.option_mask
        heard = asks.heard
        speaks = statements(asks)
        if used is not None:
            speaks = speaks[~used[speaks]]
        latest = latest_by_seat(asks, speaks)

        flat = np.where(mask, (1.0 / np.maximum(asks.n_options, 1))[:, None], 0.0)
        count = np.zeros(asks.n)
        sum_w, sum_w2, sum_w_far = np.zeros(asks.n), np.zeros(asks.n), np.zeros(asks.n)
        pooled = np.zeros(mask.shape)
        for seat in range(len(asks.seats)):
            rows = np.flatnonzero(latest[:, seat] >= 0)
            if not len(rows):
                continue
            message = latest[rows, seat]
            told = claims(asks, message, rows)
            ratio = self.trust.relative(minds, rows, heard.agent_id[message])
            w = np.minimum(self.weight * ratio, 1.0)
            count[rows] += 1
            sum_w[rows] += w
            sum_w2[rows] += w * w
            sum_w_far[rows] += w * _distance(told, flat[rows])
            pooled[rows] += w[:, None] * told

        some = sum_w > 0
        safe = np.where(some, sum_w, 1.0)
        pooled = pooled / safe[:, None]
        spread = sum_w_far / safe
        agreement = np.where(
            (count > 1) & (spread > 0),
            _distance(pooled, flat) / np.where(spread > 0, spread, 1.0),
            1.0,
        )
        weight = np.where(some, sum_w2 / safe * agreement, 0.0)[:, None]
        mixed = (1.0 - weight) * probabilities(log_belief) + weight * pooled
        with np.errstate(divide="ignore"):
            moved = np.log(np.where(mask, mixed, 0.0))
        return np.where(weight > 0, moved, log_belief)


def _distance(a: Floats, b: Floats) -> Floats:
    """Return the total variation distance of distributions, row by row."""
    return 0.5 * ordered_sum(np.abs(a - b), -1)
