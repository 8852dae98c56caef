"""How preference cases come about: items, the principal's hidden reward, annotators' labels.

Every draw is keyed by (world seed, principal, case id). This module sees the truth;
`Preferences.deal` keeps only features and labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit

from environments.core.keyed import Keyed

Floats = NDArray[np.float64]

A, B = 0, 1
"""Positions of the two items of a pair."""


@dataclass(frozen=True)
class Labels:
    """Labels of N pairs by L annotators."""

    prefers: NDArray[np.int64]
    """[N, L] the item that the annotator prefers, A or B."""
    log_right: Floats
    """[N, L] log-probability (at least log .5) that this annotator is right about this pair."""
    log_wrong: Floats
    """[N, L] log-probability that it is wrong."""


@dataclass(frozen=True)
class PreferenceLaw:
    """The law of items, rewards and labels.

    Attributes:
        n_features: D.
        n_levels: Values 0 … V-1 of a feature, equally likely.
        reward_scale: Length of the principal's weight vector.
        rationality: (lowest, highest) β of annotators, spread evenly over them.
        mistake: ε of annotators.
        n_annotators: L.
        world_seed: Keys all draws.
    """

    n_features: int
    n_levels: int
    reward_scale: float
    rationality: tuple[float, float]
    mistake: float
    n_annotators: int
    world_seed: int

    def weights(self, principal: ArrayLike = 0) -> Floats:
        """Return a principal's reward weights, shape [..., D]: a uniform direction of given length.

        The reward of an item is the weights times its standardized features.
        """
        draw = Keyed(self.world_seed, "preferences.reward")
        raw = draw.normal(principal, shape=(self.n_features,))
        square = np.zeros(raw.shape[:-1])
        for d in range(self.n_features):
            square = square + raw[..., d] ** 2
        return self.reward_scale * raw / np.sqrt(square)[..., None]

    def levels(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the feature levels of both items, [N, 2, D]; they differ in the last feature."""
        draw = Keyed(self.world_seed, "preferences.levels")
        levels = draw.integers(self.n_levels, case_id, shape=(2, self.n_features))
        last = Keyed(self.world_seed, "preferences.last").permutation(self.n_levels, case_id)
        levels[:, :, -1] = last[:, :2]
        return levels

    def features(self, levels: NDArray[np.int64]) -> Floats:
        """Return levels as features of mean 0 and variance 1, same shape."""
        middle, spread = (self.n_levels - 1) / 2, np.sqrt((self.n_levels**2 - 1) / 12)
        return (levels - middle) / spread

    def gap(self, levels: NDArray[np.int64], weights: Floats) -> Floats:
        """Return ΔR = R_A - R_B of each pair, [N]; weights are [D] or [N, D]."""
        features = self.features(levels)
        total = np.zeros(len(levels))
        for d in range(self.n_features):
            total = total + weights[..., d] * (features[:, A, d] - features[:, B, d])
        return total

    def better(self, gap: Floats) -> NDArray[np.int64]:
        """Return the item of higher reward, A or B, shape of the gap."""
        return np.where(gap > 0, A, B).astype(np.int64)

    def annotator_rationality(self) -> Floats:
        """Return β of each annotator, [L], from lowest to highest."""
        low, high = self.rationality
        return np.linspace(low, high, self.n_annotators)

    def labels(self, case_id: NDArray[np.int64], gap: Floats) -> Labels:
        """Return every annotator's label of each pair, independent given the rewards."""
        right, wrong = self.log_reliability(np.abs(gap)[:, None], self.annotator_rationality())
        draw = Keyed(self.world_seed, "preferences.label")
        hit = np.log(draw.uniform(case_id, shape=(self.n_annotators,))) < right
        truth = self.better(gap)[:, None]
        return Labels(np.where(hit, truth, 1 - truth), right, wrong)

    def log_reliability(self, size: Floats, beta: Floats) -> tuple[Floats, Floats]:
        """Return log-probabilities of a right and of a wrong label for pairs with |ΔR| = size.

        The logarithm of `environments.preferences.reward.label_probability`, without loss where a
        wrong label is all but impossible.
        """
        with np.errstate(divide="ignore"):  # without mistakes the second term is -inf, as it should
            keep, slip = np.log1p(-self.mistake), np.log(self.mistake)
        z = beta * size
        right = np.logaddexp(keep + log_expit(z), slip + log_expit(-z))
        wrong = np.logaddexp(keep + log_expit(-z), slip + log_expit(z))
        return right, wrong


def log_likelihood(labels: Labels) -> Floats:
    """Return the log-likelihood of every label under "A is better" and "B is better", [N, L, 2].

    Given which item is better and how reliable each label is, labels are independent: log r for
    the item that the label names and log(1 - r) for the other.
    """
    here = np.arange(2) == labels.prefers[:, :, None]
    return np.where(here, labels.log_right[:, :, None], labels.log_wrong[:, :, None])
