"""How estimation cases come about: the quantity, the members' estimates, what an estimate proves.

``q ~ N(m, τ²)``; member i estimates ``x_i = q + σ_i (√ρ c + √(1-ρ) z_i)`` with independent standard
normal c (shared by all) and z_i, so that any two errors correlate by ρ. Every draw is keyed by
(world seed, case id). This module sees the truth; `Advice.deal` keeps only what estimates prove.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from environments.core.keyed import Keyed

Floats = NDArray[np.float64]

_GRID = 40_001
_REACH = 9.0


@dataclass(frozen=True)
class EstimateLaw:
    """The law of a quantity and its estimates.

    Attributes:
        mean: m of the prior, in units of the quantity.
        sd: τ of the prior.
        member_sd: σ_i of each member's error, the judge first, length M.
        correlation: ρ of any two members' errors, in [0, 1).
        n_options: K, equally likely ranges (prior quantiles) that the quantity can fall into.
        world_seed: Keys all draws.
    """

    mean: float
    sd: float
    member_sd: tuple[float, ...]
    correlation: float
    n_options: int
    world_seed: int

    @cached_property
    def bounds(self) -> Floats:
        """[K - 1] inner bounds of the ranges, ascending."""
        share = np.arange(1, self.n_options) / self.n_options
        return self.mean + self.sd * ndtri(share)

    def quantity(self, case_id: NDArray[np.int64]) -> Floats:
        """Return the quantity of each case, shape [N]."""
        return self.mean + self.sd * Keyed(self.world_seed, "advice.quantity").normal(case_id)

    def option(self, quantity: Floats) -> NDArray[np.int64]:
        """Return the range that each quantity falls into, shape [N]."""
        return np.searchsorted(self.bounds, quantity, side="right").astype(np.int64)

    def estimates(self, case_id: NDArray[np.int64]) -> Floats:
        """Return every member's estimate, shape [N, M], the judge's first."""
        draw, m = Keyed(self.world_seed, "advice.error"), len(self.member_sd)
        shared = draw.normal(case_id, 0)[:, None]
        own = draw.normal(case_id, 1, shape=(m,))
        error = np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own
        return self.quantity(case_id)[:, None] + np.array(self.member_sd) * error

    def log_likelihood(self, estimate: Floats, sd: Floats | float) -> Floats:
        """Return log p(estimate | quantity in range k), up to a constant per estimate.

        The Gaussian likelihood is integrated over the quantities of the range: since the ranges
        have equal prior probability, p(x | k) is proportional to P(k | x), and the quantity given
        x is normal.

        Args:
            estimate: [...] estimates.
            sd: Standard deviation of their errors, broadcast.

        Returns:
            [..., K], finite.
        """
        error = np.broadcast_to(np.asarray(sd, dtype=np.float64), estimate.shape)
        gain = self.sd**2 / (self.sd**2 + error**2)
        centre = self.mean + gain * (estimate - self.mean)
        spread = np.sqrt(gain) * error
        z = (self.bounds - centre[..., None]) / spread[..., None]
        ends = np.full((*z.shape[:-1], 1), np.inf)
        edges = np.concatenate([-ends, z, ends], axis=-1)
        return _log_mass(edges[..., :-1], edges[..., 1:]) + np.log(self.n_options)

    @cached_property
    def pooling(self) -> Floats:
        """[M] weights of least squared error for the members' estimates; they sum to 1."""
        raw = self._precision_of_each
        return raw / raw.sum()

    @property
    def pooled_sd(self) -> float:
        """Standard deviation of the error of the pooled estimate."""
        return float(1 / np.sqrt(self._precision_of_each.sum()))

    @property
    def _precision_of_each(self) -> Floats:
        sd = np.array(self.member_sd)
        same = np.full((len(sd), len(sd)), self.correlation)
        np.fill_diagonal(same, 1.0)
        return np.linalg.solve(same * np.outer(sd, sd), np.ones(len(sd)))

    def pool(self, estimates: Floats) -> Floats:
        """Return the pooled estimate, sufficient for the quantity given all, shape [N]."""
        total = np.zeros(len(estimates))
        for member, weight in enumerate(self.pooling.tolist()):
            total = total + weight * estimates[:, member]
        return total

    def accuracy(self, sd: float) -> float:
        """Return P(best guess of the range is right) from one estimate with this error.

        The integral of max_k P(k | x) over x, by the trapezoidal rule (error below 1e-6).
        """
        scale = np.hypot(self.sd, sd)
        x = np.linspace(-_REACH, _REACH, _GRID)
        chosen = np.exp(self.log_likelihood(self.mean + scale * x, sd).max(axis=1))
        density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        return float(np.trapezoid(chosen * density, x)) / self.n_options


def _log_mass(low: Floats, high: Floats) -> Floats:
    """Return log(Φ(high) - Φ(low)) without loss in either tail."""
    right = low > 0
    a, b = np.where(right, -high, low), np.where(right, -low, high)
    top = log_ndtr(b)
    return top + np.log1p(-np.exp(log_ndtr(a) - top))
