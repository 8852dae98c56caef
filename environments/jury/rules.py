"""Exact accuracy of voting rules on two options, and the best weights.

Members are right with probabilities p_i. With *correlation* ρ there is a common cause: with
probability √ρ a member's signal comes from it and else from the member's own view. All that draw
on the common cause share one uniform draw u, by which member i is right if u < p_i. Each stays
right with probability p_i exactly, and two members of equal accuracy correlate by ρ. Given u,
members are independent, so every probability here is a finite sum over the intervals of u between
the accuracies and over how many of the members with equal accuracy are right: no sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from environments.core.errors import ConfigError

MAX_PATTERNS = 2**20
"""Most patterns of votes (up to exchange of equal members) that are enumerated."""
_TIE = 1e-9


def majority_accuracy(accuracy: ArrayLike, correlation: float = 0.0) -> float:
    """Return the probability that a simple majority is right; a tie is a fair coin.

    Args:
        accuracy: [M] probabilities of being right.
        correlation: ρ of the common cause, 0 for independent members.

    Example:
        >>> round(majority_accuracy([0.6] * 3), 3)
        0.648
    """
    p, right = np.asarray(accuracy, dtype=np.float64), 0.0
    for share, q in _mixture(p, correlation):
        count = np.ones(1)
        for chance in q:  # the distribution of the number of right votes, member by member
            count = np.convolve(count, [1.0 - chance, chance])
        margin = 2 * np.arange(len(p) + 1) - len(p)
        right += share * float((np.where(margin == 0, 0.5, margin > 0) * count).sum())
    return right


def weighted_accuracy(
    accuracy: ArrayLike,
    weights: ArrayLike,
    prior: float = 0.5,
    correlation: float = 0.0,
    use_prior: bool = False,
) -> float:
    """Return the probability that the weighted vote is right; a tie is a fair coin.

    Args:
        accuracy: [M] probabilities of being right.
        weights: [M] weights of the votes, any sign.
        prior: Probability that the option favoured beforehand is right.
        correlation: ρ of the common cause.
        use_prior: Whether log(prior / (1 - prior)) counts for the favoured option.

    Raises:
        ConfigError: If there are more than `MAX_PATTERNS` patterns of votes.
    """
    patterns = _enumerate(accuracy, weights, correlation)
    lead = np.log(prior / (1.0 - prior)) if use_prior else 0.0
    right = 0.0
    for share, sign in ((prior, 1.0), (1.0 - prior, -1.0)):
        margin = patterns.margin + sign * lead
        wins = np.where(np.abs(margin) < _TIE, 0.5, margin > 0)
        right += share * float((wins * patterns.probability).sum())
    return right


def optimal_accuracy(accuracy: ArrayLike, prior: float = 0.5, correlation: float = 0.0) -> float:
    """Return the accuracy of the best decision from all signals: the full-information optimum.

    For every pattern of signals it takes the option that is likelier given the pattern, common
    cause included: Σ_s max(prior · P(s | favoured), (1 - prior) · P(s | other)).

    Args:
        accuracy: [M] probabilities of being right.
        prior: Probability that the option favoured beforehand is right.
        correlation: ρ of the common cause.

    Raises:
        ConfigError: If there are more than `MAX_PATTERNS` patterns of votes.
    """
    patterns = _enumerate(accuracy, np.zeros(len(np.asarray(accuracy))), correlation)
    # Seen from the other option, those who speak for it are the ones who are wrong here.
    favoured, other = patterns.probability, patterns.probability[::-1]
    return float(np.maximum(prior * favoured, (1.0 - prior) * other).sum())


@dataclass(frozen=True)
class _Patterns:
    """How many are right in each class of equal members; ordered so that reversal swaps sides."""

    probability: NDArray[np.float64]
    """[P] probability of each pattern."""
    margin: NDArray[np.float64]
    """[P] weight of the right votes minus that of the wrong ones."""


def _mixture(
    accuracy: NDArray[np.float64], correlation: float
) -> list[tuple[float, NDArray[np.float64]]]:
    """Return (share, chances of being right) given which members the common draw makes right."""
    if not correlation:
        return [(1.0, accuracy)]
    copies, edges = np.sqrt(correlation), np.unique([0.0, *accuracy, 1.0])
    return [
        (float(high - low), copies * (0.5 * (low + high) < accuracy) + (1.0 - copies) * accuracy)
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]


def _enumerate(accuracy: ArrayLike, weights: ArrayLike, correlation: float) -> _Patterns:
    p, w = np.asarray(accuracy, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    classes, size = np.unique(np.stack([p, w], axis=1), axis=0, return_counts=True)
    total = int(np.prod(size.astype(object) + 1))
    if total > MAX_PATTERNS:
        raise ConfigError(
            f"{len(p)} members with {len(classes)} different accuracies have {total} patterns of "
            f"votes; up to {MAX_PATTERNS} are enumerated"
        )
    probability = np.zeros(total)
    for share, q in _mixture(classes[:, 0], correlation):
        product = np.ones(1)
        for chance, n in zip(q, size, strict=True):
            product = np.multiply.outer(product, binom.pmf(np.arange(n + 1), n, chance)).ravel()
        probability += share * product
    margin = np.zeros(1)
    for weight, n in zip(classes[:, 1], size, strict=True):
        margin = np.add.outer(margin, weight * (2 * np.arange(n + 1) - n)).ravel()
    return _Patterns(probability, margin)
