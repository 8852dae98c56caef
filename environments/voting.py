"""Votes into decisions, for N teams at once: plurality and weighted rules, with fair ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ABSTAIN = -1
"""A vote for nothing."""
_TIE = 1e-9
"""Scores closer than this are tied (sums of weights in different orders differ by rounding)."""


def tally(
    votes: NDArray[np.int64], n_options: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the summed weight of the votes for each option.

    Args:
        votes: [N, M] option that each of M members votes for; a number that is no option adds
            nothing.
        n_options: K.
        weights: [M] weight of each member's vote; 1 each if left out.

    Returns:
        [N, K]
    """
    score = np.zeros((len(votes), n_options))
    options = np.arange(n_options)
    for member in range(votes.shape[1]):
        weight = 1.0 if weights is None else float(weights[member])
        score = score + weight * (votes[:, member, None] == options)
    return score


def pick(
    score: NDArray[np.float64], option_mask: NDArray[np.bool_], tie: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the option with the highest score; among tied ones, that with the greatest draw.

    Args:
        score: [..., K] scores, e.g. of `tally` or log-probabilities.
        option_mask: [..., K] which options exist (at least one).
        tie: [..., K] independent uniform draws in (0, 1).

    Returns:
        [...] options.
    """
    masked = np.where(option_mask, score, -np.inf)
    top = masked >= masked.max(axis=-1, keepdims=True) - _TIE
    return np.asarray(np.argmax(np.where(top, tie, -1.0), axis=-1))


def elect(
    votes: NDArray[np.int64],
    option_mask: NDArray[np.bool_],
    tie: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    prior: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Return the decision of each team.

    With weights log(p / (1 - p)) and a prior this is the best rule for independent votes on two
    options (Nitzan & Paroush 1982); without either, it is plurality.

    Args:
        votes: [N, M] options, `ABSTAIN` for none; a vote for an option that the case does not
            have counts as an abstention.
        option_mask: [N, K] which options exist.
        tie: [N, K] uniform draws that break ties.
        weights: [M] weights of the members' votes.
        prior: [N, K] scores of the options before any vote.

    Returns:
        [N] chosen option, `ABSTAIN` where nobody voted.
    """
    k = option_mask.shape[1]
    real = (votes >= 0) & (votes < k)
    real &= np.take_along_axis(option_mask, np.where(real, votes, 0), axis=1)
    score = tally(np.where(real, votes, ABSTAIN), k, weights)
    if prior is not None:
        score = score + np.where(option_mask, prior, 0.0)
    return np.where(real.any(axis=1), pick(score, option_mask, tie), ABSTAIN)
