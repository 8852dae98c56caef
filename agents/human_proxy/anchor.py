"""Anchor: drawn towards what was said first, whoever said it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agents.human_proxy.statements import claims, first_by_row, statements
from agents.policies.base import require
from agents.policies.numeric import Bools, Floats, probabilities
from coordination.cohort import Asks


@dataclass
class AnchorConfig:
    """Settings of `Anchor`; an empty one is the preset's."""

    weight: float | None = None
    """a: share of the way from one's own belief to the anchor (anchoring index); 0 for none."""


@dataclass(frozen=True)
class Anchor:
    """Anchoring: x' = (1 − a)·x + a·anchor, on probabilities; the anchor is the first statement.

    The first statement of the conversation by somebody else (of several in one turn, that of the
    seat named first) draws the belief whether or not its speaker is trusted. Then the anchoring
    index AI = (median under the high anchor − median under the low one) / (high − low) is a
    exactly. What has served as the anchor is not weighed once more as advice; when its speaker
    speaks again, that is. Fields as in `AnchorConfig`.
    """

    weight: float

    source: ClassVar[str] = (
        "Jacowitz & Kahneman 1995, Pers. Soc. Psychol. Bull. 21 (mean anchoring index .49)"
    )

    def __post_init__(self) -> None:
        where = "human_proxy.anchor.weight"
        require(0.0 <= self.weight <= 1.0, where, self.weight, "a weight in [0, 1]")

    def __call__(self, asks: Asks, log_belief: Floats) -> tuple[Floats, Bools | None]:
        """Return log-probabilities [B, K] and which messages [M] were anchors (None: no stage)."""
        if self.weight == 0.0:
            return log_belief, None
        first = first_by_row(asks, statements(asks))
        rows = np.flatnonzero(first >= 0)
        used = np.zeros(asks.heard.n, dtype=bool)
        used[first[rows]] = True
        told = claims(asks, first[rows], rows)
        mixed = (1.0 - self.weight) * probabilities(log_belief[rows]) + self.weight * told
        moved = log_belief.copy()
        with np.errstate(divide="ignore"):
            moved[rows] = np.log(np.where(asks.option_mask[rows], mixed, 0.0))
        return moved, used
