"""Trust: how far a judge has learned to rely on each adviser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import require
from agents.policies.numeric import Floats
from environments.core.columns import Columns

NOBODY = -1
"""Adviser id of a place in memory that is still free."""


@dataclass
class TrustConfig:
    """Settings of `Trust`; an empty one is the preset's."""

    alpha: float | None = None
    """Successes that a stranger is credited with."""
    beta: float | None = None
    """Failures that a stranger is charged with."""
    success: float | None = None
    """w_s: weight of advice that proved right."""
    failure: float | None = None
    """w_f: weight of advice that proved wrong."""
    advisers: int | None = None
    """Most advisers of whom the judge keeps an account; those met later stay strangers."""


@dataclass(frozen=True)
class Trust:
    """Beta trust: α += w_s · success, β += w_f · failure, trust = α / (α + β).

    With a share r of right advice it tends to r·w_s / (r·w_s + (1 − r)·w_f). The state of a judge
    is one row of three columns with A = ``advisers`` places: ``trust_adviser`` (agent id or -1),
    ``trust_alpha``, ``trust_beta``. Only audited feedback changes it. Fields as in `TrustConfig`.
    """

    alpha: float
    beta: float
    success: float
    failure: float
    advisers: int

    source: ClassVar[str] = "Guo & Yang 2021, Int. J. Soc. Robotics 13, arXiv 2007.13151"

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            value = getattr(self, name)
            require(value > 0, f"human_proxy.trust.{name}", value, "a number > 0")
        for name in ("success", "failure"):
            value = getattr(self, name)
            require(value >= 0, f"human_proxy.trust.{name}", value, "a weight >= 0")
        where = "human_proxy.trust.advisers"
        require(self.advisers >= 1, where, self.advisers, "a count >= 1")

    def initial(self, n: int) -> dict[str, NDArray]:
        """Return the columns of n judges who have met nobody."""
        shape = (n, self.advisers)
        return {
            "trust_adviser": np.full(shape, NOBODY, dtype=np.int64),
            "trust_alpha": np.full(shape, self.alpha),
            "trust_beta": np.full(shape, self.beta),
        }

    def relative(self, minds: Columns, row: NDArray[np.int64], adviser: NDArray) -> Floats:
        """Return trust in advisers as a multiple of the trust in a stranger.

        Args:
            minds: The judges' state.
            row: [n] judge's row in ``minds``.
            adviser: [n] agent ids.
        """
        initial = self.alpha / (self.alpha + self.beta)
        ratio = np.ones(len(row))
        for place in range(minds["trust_adviser"].shape[1]):
            if (minds["trust_adviser"][:, place] == NOBODY).all():  # places fill up in order
                break
            alpha, beta = minds["trust_alpha"][row, place], minds["trust_beta"][row, place]
            known = minds["trust_adviser"][row, place] == adviser
            ratio = np.where(known, alpha / (alpha + beta) / initial, ratio)
        return ratio

    def settle(self, minds: Columns, outcomes: Columns) -> Columns:
        """Return the judges' state after feedback on advice.

        Advisers met for the first time take the next free places in the order of their ids.
        Rows of ``outcomes`` whose feedback is neither 0 nor 1 count for nothing.
        """
        row = np.searchsorted(minds["agent_id"], outcomes["agent_id"])
        inside = row < minds.n
        known = np.where(inside, row, 0)
        feedback = np.asarray(outcomes["feedback"])
        usable = inside & ((feedback == 0) | (feedback == 1))
        if not usable.any():
            return minds
        usable &= minds["agent_id"][known] == outcomes["agent_id"]
        row, adviser = row[usable], np.asarray(outcomes["adviser_id"])[usable]
        right = feedback[usable] == 1

        order = np.lexsort((adviser, row))
        row, adviser, right = row[order], adviser[order], right[order]
        new_pair = np.ones(len(row), dtype=bool)
        new_pair[1:] = (row[1:] != row[:-1]) | (adviser[1:] != adviser[:-1])
        pair = np.cumsum(new_pair) - 1
        successes = np.bincount(pair, weights=right)
        failures = np.bincount(pair, weights=~right)
        row, adviser = row[new_pair], adviser[new_pair]

        slots = minds["trust_adviser"].copy()
        place = self._places(slots, row, adviser)
        kept = place >= 0
        at = (row[kept], place[kept])
        alpha, beta = minds["trust_alpha"].copy(), minds["trust_beta"].copy()
        slots[at] = adviser[kept]
        alpha[at] += self.success * successes[kept]
        beta[at] += self.failure * failures[kept]
        return minds.with_(trust_adviser=slots, trust_alpha=alpha, trust_beta=beta)

    def _places(
        self, slots: NDArray[np.int64], row: NDArray[np.int64], adviser: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return each pair's place, -1 where memory is full; pairs sorted by (row, adviser)."""
        match = slots[row] == adviser[:, None]
        met = match.any(axis=1)
        fresh = np.flatnonzero(~met)
        place = np.argmax(match, axis=1)
        if len(fresh):
            at = row[fresh]
            first = np.searchsorted(at, at)  # position of the judge's first new adviser
            used = (slots[at] != NOBODY).sum(axis=1)
            place[fresh] = used + np.arange(len(fresh)) - first
        return np.where(place < slots.shape[1], place, -1)
