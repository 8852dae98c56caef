"""Policy gradient from a judge's or a principal's reward: REINFORCE with a baseline, and GRPO.

A *sequence* is what one agent did in one conversation: T choices (tokens, or items to quote), of
which ``mask`` says which exist, rewarded once at the end.

* REINFORCE (Williams 1992, Machine Learning 8) with the leave-one-out mean of the group as baseline
  (Kool et al. 2019; Ahmadian et al. 2024, arXiv 2402.14740): unbiased, since the baseline of a
  sequence does not depend on it.
* GRPO (Shao et al. 2024, arXiv 2402.03300, eq. 3): advantages normalized within groups of sequences
  from the same situation, the ratio to the sampling policy clipped (Schulman et al. 2017,
  arXiv 1707.06347), and a penalty for leaving the frozen reference.

Losses are means over sequences, to be descended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SPREAD = 1e-4
"""Added to a group's standard deviation, so that a group without spread has advantage 0."""


def leave_one_out(reward: Floats, group: Ints) -> Floats:
    """Return each reward less the mean of the others of its group, [n]; 0 where it is alone.

    Args:
        reward: [n]
        group: [n] ids.
    """
    above = _above_least(reward, group)
    total, count = _sums(above, group)
    others = (total - above) / np.maximum(count - 1, 1)
    return np.where(count > 1, above - others, 0.0)


def group_normalized(reward: Floats, group: Ints, scaled: bool = True) -> Floats:
    """Return (reward − mean) / (standard deviation + `SPREAD`) within groups, [n].

    Args:
        reward: [n]
        group: [n] ids.
        scaled: Whether to divide. Without it, hard and easy situations are not weighted by how
            alike their rewards are (Liu et al. 2025, arXiv 2503.20783, "Dr. GRPO").
    """
    above = _above_least(reward, group)
    total, count = _sums(above, group)
    centred = above - total / count
    if not scaled:
        return centred
    squares, _ = _sums(centred**2, group)
    return centred / (np.sqrt(squares / count) + SPREAD)


def reinforce_loss(
    log_probs: torch.Tensor, mask: torch.Tensor, advantage: torch.Tensor
) -> torch.Tensor:
    """Return −advantage · Σ_t log π of each sequence, [n].

    Args:
        log_probs: [n, T] of the choices made.
        mask: [n, T] 1 where there was a choice.
        advantage: [n] no gradient reaches it.
    """
    return -advantage.detach() * (log_probs * mask).sum(1)


def clipped_loss(
    log_probs: torch.Tensor,
    old: torch.Tensor,
    mask: torch.Tensor,
    advantage: torch.Tensor,
    clip: float,
) -> torch.Tensor:
    """Return −mean_t min(ρ_t A, clip(ρ_t, 1 ± ε) A) of each sequence, [n]; ρ = π / π_old.

    Args:
        log_probs: [n, T] of the choices made.
        old: [n, T] under the policy that made them; no gradient reaches it.
        mask: [n, T] 1 where there was a choice; a sequence without any has loss 0.
        advantage: [n]
        clip: ε.
    """
    ratio = (log_probs - old.detach()).exp()
    gain = advantage.detach()[:, None]
    lower = (ratio * gain).minimum(ratio.clamp(1.0 - clip, 1.0 + clip) * gain)
    return -_mean_of(lower, mask)


def divergence(
    log_probs: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Return the estimate of KL(π ‖ π₀) of each sequence from its own choices, mean over them, [n].

    r − 1 − log r with r = π₀ / π (Schulman 2020, "Approximating KL divergence", k3): never
    negative, and unbiased where choices are drawn from π.
    """
    log_ratio = reference.detach() - log_probs
    return _mean_of(log_ratio.exp() - 1.0 - log_ratio, mask)


def _mean_of(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (values * mask).sum(1) / mask.sum(1).clamp(min=1.0)


def _above_least(reward: Floats, group: Ints) -> Floats:
    """Return each reward less the least of its group: exactly 0 where all are equal."""
    _, place = np.unique(group, return_inverse=True)
    least = np.full(place.max(initial=-1) + 1, np.inf)
    np.minimum.at(least, place, reward)
    return reward - least[place]


def _sums(values: Floats, group: Ints) -> tuple[Floats, Floats]:
    """Return, for each row, the sum and the number of rows of its group."""
    _, place = np.unique(group, return_inverse=True)
    sums = np.bincount(place, weights=values).astype(np.float64)
    return sums[place], np.bincount(place)[place].astype(np.float64)
