"""How generated cases come about: attributes, the hidden law, the truth and the facts.

Every draw is keyed by (world seed, case id), so a case is a pure function of its id. This module
sees the truth; it is reached from `Reading.deal` (which keeps only the facts) and from the sealed
truth, and from nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.core.beliefs import log_normalize
from environments.core.keyed import Keyed


@dataclass(frozen=True)
class Shape:
    """Size and difficulty of a world; see `ReadingConfig` for the meaning of each field."""

    n_options: int
    n_attributes: int
    n_values: int
    law_strength: float
    interaction: float
    n_facts: int
    reliability_low: float
    reliability_high: float


@dataclass(frozen=True)
class Facts:
    """The passages of N cases."""

    points_to: NDArray[np.int64]
    """[N, E] option that the fact speaks for."""
    reliability: NDArray[np.float64]
    """[N, E] probability that a fact of this kind speaks for the truth."""


class HiddenLaw:
    """The law that links public attributes to the truth, and the draws that it governs.

    ``u_j = Σ_m w[m, a_jm] + interaction · Σ_m w2[m, a_jm, a_j,m+1]``, scaled to variance 1 over
    uniformly drawn attributes, and ``P(truth = j | public) = softmax_j(law_strength · u_j)``.

    Args:
        shape: Size and difficulty.
        world_seed: Keys the weights and all draws.
    """

    def __init__(self, shape: Shape, world_seed: int) -> None:
        self.shape = shape
        self._seed = world_seed
        m, v = shape.n_attributes, shape.n_values
        main = _standardized(Keyed(world_seed, "reading.law").normal(0, shape=(m, v)), (1,))
        pairs = Keyed(world_seed, "reading.law").normal(1, shape=(max(m - 1, 0), v, v))
        pairs = pairs - pairs.mean(axis=1, keepdims=True)
        pairs = _standardized(pairs - pairs.mean(axis=2, keepdims=True), (1, 2))
        scale = np.sqrt(m + shape.interaction**2 * max(m - 1, 0))
        self._main = main / scale
        self._pairs = shape.interaction * pairs / scale

    @property
    def _percents(self) -> tuple[int, int]:
        """Least and greatest reliability in whole per cent, as the texts of facts state it."""
        return round(100 * self.shape.reliability_low), round(100 * self.shape.reliability_high)

    @property
    def mean_reliability(self) -> float:
        """Mean probability that a fact speaks for the truth."""
        return sum(self._percents) / 200

    def attributes(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return attribute values, shape [N, K, M]; the options of a case differ in the last."""
        s = self.shape
        draw = Keyed(self._seed, "reading.attributes")
        values = draw.integers(s.n_values, case_id, shape=(s.n_options, s.n_attributes))
        trades = Keyed(self._seed, "reading.trades").permutation(s.n_values, case_id)
        values[:, :, -1] = trades[:, : s.n_options]
        return values

    def utility(self, attributes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return u of each option, shape [N, K]."""
        total = np.zeros(attributes.shape[:2])
        for m in range(self.shape.n_attributes):
            total = total + self._main[m][attributes[:, :, m]]
        for m in range(len(self._pairs)):
            total = total + self._pairs[m][attributes[:, :, m], attributes[:, :, m + 1]]
        return total

    def belief(self, attributes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P(truth | public), shape [N, K]."""
        logits = self.shape.law_strength * self.utility(attributes)
        return log_normalize(logits, np.ones(logits.shape, dtype=bool))

    def truth(self, case_id: NDArray[np.int64], attributes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the right option of each case, drawn from the law, shape [N]."""
        noise = Keyed(self._seed, "reading.truth").gumbel(case_id, shape=(self.shape.n_options,))
        return np.argmax(self.belief(attributes) + noise, axis=1)

    def facts(self, case_id: NDArray[np.int64], attributes: NDArray[np.int64]) -> Facts:
        """Return the passage of each case: facts independent given the truth."""
        s = self.shape
        size = (s.n_facts,)
        low, high = self._percents
        draw = Keyed(self._seed, "reading.reliability")
        reliability = (low + draw.integers(high - low + 1, case_id, shape=size)) / 100
        right = Keyed(self._seed, "reading.right").uniform(case_id, shape=size) < reliability
        away = Keyed(self._seed, "reading.away").integers(s.n_options - 1, case_id, shape=size)
        truth = self.truth(case_id, attributes)[:, None]
        return Facts(np.where(right, truth, (truth + 1 + away) % s.n_options), reliability)


def log_likelihood(facts: Facts, n_options: int) -> NDArray[np.float64]:
    """Return the log-likelihood of every fact under every option, shape [N, E, K].

    ``log q`` for the option that the fact speaks for and ``log((1 - q) / (K - 1))`` for the others.
    """
    q = facts.reliability
    here = np.arange(n_options) == facts.points_to[:, :, None]
    return np.where(here, np.log(q)[:, :, None], np.log((1 - q) / (n_options - 1))[:, :, None])


def _standardized(weights: NDArray[np.float64], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return weights with mean 0 and variance 1 over the axes, so that worlds are equally hard."""
    centred = weights - weights.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True))
