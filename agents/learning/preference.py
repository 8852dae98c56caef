"""Preference learning: the winner of two speeches becomes more likely than the loser, exactly so.

Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290, eq. 7)::

    L = −log σ(β · [(log π(w|x) − log π₀(w|x)) − (log π(l|x) − log π₀(l|x))])

with the reference π₀ frozen and β the price of leaving it. A judge's verdicts give the pairs: of
several speeches (or whole games) in the same situation, the one that the judge rewarded most beats
the one that it rewarded least (`preference_pairs`). Truth is not involved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def dpo_loss(
    winner: torch.Tensor,
    loser: torch.Tensor,
    reference_winner: torch.Tensor,
    reference_loser: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Return the loss of each pair, [P]; see the module's documentation.

    At the reference itself it is log 2, and its gradient with respect to ``winner`` is −β/2.

    Args:
        winner: [P] log-probabilities, summed over tokens or choices, of what won.
        loser: [P] of what lost.
        reference_winner: [P] the same under the frozen reference; no gradient reaches it.
        reference_loser: [P]
        beta: Above 0.
    """
    import torch

    margin = (winner - reference_winner.detach()) - (loser - reference_loser.detach())
    return -torch.nn.functional.logsigmoid(beta * margin)


def implicit_reward(log_probs: torch.Tensor, reference: torch.Tensor, beta: float) -> torch.Tensor:
    """Return β (log π − log π₀): the reward that a policy trained so believes in, up to a constant.

    Args:
        log_probs: [n]
        reference: [n]
        beta: As in the loss.
    """
    return beta * (log_probs - reference)


def preference_pairs(reward: Floats, group: Ints) -> tuple[Ints, Ints]:
    """Return a pair of every group whose members were not all rewarded alike.

    Args:
        reward: [n] what the judge gave.
        group: [n] ids; members of a group were written in the same situation.

    Returns:
        Positions of winners and of losers, in the order of group ids: the greatest and the least
        reward of each group, the first of those that are equal.
    """
    if not len(reward):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    place = np.arange(len(reward))
    up = np.lexsort([place, reward, group])
    down = np.lexsort([place, -np.asarray(reward), group])
    first = np.flatnonzero(np.diff(np.asarray(group)[up], prepend=group[up[0]] - 1))
    losers, winners = up[first], down[first]
    decided = reward[winners] > reward[losers]
    return winners[decided], losers[decided]
