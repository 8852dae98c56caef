"""Update: biased Bayesian belief revision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from agents.policies.base import require
from agents.policies.evidence import Quoted, item_support
from agents.policies.numeric import TIE, Bools, Floats, log_normalize, support
from coordination.cohort import Asks


@dataclass
class UpdateConfig:
    """Settings of `Update`; an empty one is the preset's."""

    prior_weight: float | None = None
    """d: 1 is Bayes, less is base-rate neglect."""
    evidence_weight: float | None = None
    """c: 1 is Bayes, less is conservatism."""
    contrary_weight: float | None = None
    """Factor on evidence against what the judge believed before: 1 is Bayes, less is
    confirmation bias."""


@dataclass(frozen=True)
class Update:
    """log posterior = d · log prior + c · Σ_e m_e · llr_e, normalized; Bayes if d = c = m = 1.

    For two options this is logit post = d · logit prior + c · Σ LLR. An item is *contrary*
    (m_e = ``contrary_weight``, otherwise 1) if its support for the option that the judge favoured
    before (see `numeric.support`) is negative; a judge whose prior favours none discounts nothing.
    Fields as in `UpdateConfig`.
    """

    prior_weight: float
    evidence_weight: float
    contrary_weight: float

    source: ClassVar[str] = (
        "Grether 1980, Q. J. Econ. 95; Benjamin 2019, Handbook of Behavioral Economics 2; "
        "contrary evidence: Nickerson 1998, Rev. Gen. Psychol. 2"
    )

    def __post_init__(self) -> None:
        for name in ("prior_weight", "evidence_weight", "contrary_weight"):
            value = getattr(self, name)
            require(value >= 0, f"human_proxy.update.{name}", value, "a weight >= 0")

    def __call__(self, asks: Asks, quoted: Quoted) -> Floats:
        """Return normalized log-probabilities, shape [B, K]."""
        if self.contrary_weight != 1.0:
            factor = np.where(self._contrary(asks, quoted), self.contrary_weight, 1.0)
            quoted = replace(quoted, weight=quoted.weight * factor)
        impossible = np.isneginf(asks.assessment)
        prior = np.where(impossible, 0.0, asks.assessment) * self.prior_weight
        total = prior + self.evidence_weight * item_support(asks, quoted)
        return log_normalize(np.where(impossible, -np.inf, total), asks.option_mask)

    def _contrary(self, asks: Asks, quoted: Quoted) -> Bools:
        """Return [B, slots] which quotes speak against the option favoured before."""
        prior, mask = asks.assessment, asks.option_mask
        inside = np.where(mask & ~np.isnan(prior), prior, -np.inf)
        favoured = np.argmax(inside, axis=1)
        best = np.take_along_axis(inside, favoured[:, None], axis=1)
        sure = (inside >= best - TIE).sum(axis=1) == 1
        index = favoured[:, None, None]
        items = np.take_along_axis(support(asks.llr, mask), index, axis=2)[:, :, 0] < 0
        claims = np.arange(prior.shape[1]) != favoured[:, None]
        forged = np.tile(claims, quoted.forged.shape[1])
        return np.concatenate([items, forged], axis=1) & sure[:, None]
