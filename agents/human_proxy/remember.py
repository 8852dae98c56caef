"""Remember: a bounded span of what was said last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agents.policies.base import require
from agents.policies.evidence import Quoted
from coordination.cohort import Asks


@dataclass
class RememberConfig:
    """Settings of `Remember`; an empty one is the preset's."""

    span: int | None = None
    """Most quoted items kept in mind, the latest ones; 0 for no limit."""


@dataclass(frozen=True)
class Remember:
    """Keeps the ``span`` most recently mentioned quotes that count; older ones are forgotten.

    Saying an item again refreshes it. Items that the judge holds itself take up no place.
    """

    span: int

    source: ClassVar[str] = "Cowan 2001, Behav. Brain Sci. 24: about 4 chunks"

    def __post_init__(self) -> None:
        require(self.span >= 0, "human_proxy.remember.span", self.span, "a count >= 0")

    def __call__(self, asks: Asks, quoted: Quoted) -> Quoted:
        """Return the quotes that are still in mind."""
        width = quoted.weight.shape[1]
        if self.span == 0 or self.span >= width:
            return quoted
        counts = quoted.weight > 0
        counts[:, : quoted.n_items] &= ~asks.held
        order = np.where(counts, quoted.recency, 0)
        oldest_kept = np.sort(order, axis=1)[:, width - self.span]
        return quoted.keep(counts & (order >= oldest_kept[:, None]))
