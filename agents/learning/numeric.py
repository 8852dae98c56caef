"""Softmax policies over features, trained by the objectives of language models.

An agent's weights are a row of its cohort's minds. All agents of a cohort learn in one pass: no
weight belongs to two of them, so the gradient of the sum of their losses is, for each, its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.learning.practice import DPO, REINFORCE, PracticeConfig, loss_of
from agents.learning.preference import preference_pairs
from environments.core.columns import Columns

if TYPE_CHECKING:
    import torch

_BETAS, _EPSILON, _SMALL = (0.9, 0.999), 1e-8, 1e-6


def new_minds(agent_id: NDArray[np.int64], features: int) -> Columns:
    """Return agents with weights of zero and a fresh optimizer.

    Args:
        agent_id: [n]
        features: F.

    Returns:
        ``agent_id``, ``weights`` [n, F], ``reference`` [n, F] (frozen), Adam's ``exp_avg`` and
        ``exp_avg_sq`` [n, F], and ``steps`` [n].
    """
    zero = np.zeros((len(agent_id), features))
    moments = dict.fromkeys(("weights", "reference", "exp_avg", "exp_avg_sq"), zero)
    steps = np.zeros(len(agent_id), dtype=np.int64)
    return Columns({"agent_id": np.asarray(agent_id, dtype=np.int64), **moments, "steps": steps})


def choice_log_probs(
    weights: torch.Tensor, features: torch.Tensor, allowed: torch.Tensor, chosen: torch.Tensor
) -> torch.Tensor:
    """Return log-probabilities of choices drawn one after another without replacement.

    Args:
        weights: [n, F] of each row's agent.
        features: [n, A, F]
        allowed: [n, A] choices that exist.
        chosen: [n, Q] positions; −1 where there was none (log-probability 0).
    """
    import torch

    scores = torch.einsum("naf,nf->na", features, weights)
    left, logs = allowed, []
    for place in range(chosen.shape[1]):
        taken = chosen[:, place : place + 1]
        real = taken >= 0
        at = taken.clamp(min=0)
        # Where nothing was chosen everything is kept, so that no row is without a choice.
        rest = torch.where(real, left, torch.ones_like(left))
        each = scores.masked_fill(~rest, -torch.inf).log_softmax(1).gather(1, at)
        logs.append(torch.where(real, each, torch.zeros_like(each)))
        left = left & ~torch.zeros_like(left).scatter(1, at, real)
    return torch.cat(logs, dim=1)


def improved(minds: Columns, practice: Columns, config: PracticeConfig) -> Columns:
    """Return minds after the steps that a tick's practice gives, by Adam.

    Each agent's loss is the mean over its sequences (its pairs, for DPO): one sequence is all that
    it chose in one room. An agent without practice, or without anything to tell its sequences
    apart, stays exactly as it was.

    Args:
        minds: As `new_minds`, sorted by ``agent_id``.
        practice: Rows sorted by (agent_id, room_id, turn): ``agent_id``, ``room_id``, ``features``
            [n, A·F], ``allowed`` [n, A], ``chosen`` [n, Q], ``group`` (situation) and ``reward``,
            constant over an agent's rows in a room.
        config: The objective.
    """
    import torch

    if not practice.n:
        return minds
    agent = np.searchsorted(minds["agent_id"], practice["agent_id"])
    first = np.ones(practice.n, dtype=bool)
    for name in ("agent_id", "room_id"):
        first[1:] = first[1:] & (practice[name][1:] == practice[name][:-1])
    first[1:] = ~first[1:]
    sequence, starts = np.cumsum(first) - 1, np.flatnonzero(first)
    step = np.arange(practice.n) - starts[sequence]
    owner, reward = agent[starts], practice["reward"][starts]
    pairs = np.stack([owner, practice["group"][starts]], axis=1)
    group = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    counted = owner[preference_pairs(reward, group)[0]] if config.objective == DPO else owner
    told = np.bincount(counted, minlength=minds.n)
    share = torch.from_numpy(1.0 / np.maximum(told, 1)[counted])

    given = practice["features"].reshape(practice.n, -1, minds["weights"].shape[1])
    features, allowed, chosen, rows, at, place = (
        torch.from_numpy(np.array(value))
        for value in (given, practice["allowed"], practice["chosen"], agent, sequence, step)
    )
    shape = (len(starts), int(step.max()) + 1, chosen.shape[1])

    def laid_out(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros(shape, dtype=values.dtype).index_put((at, place), values).flatten(1)

    def log_probs(weights: torch.Tensor) -> torch.Tensor:
        return laid_out(choice_log_probs(weights[rows], features, allowed, chosen))

    state = {name: torch.from_numpy(np.array(minds[name])) for name in minds if name != "agent_id"}
    mask = laid_out((chosen >= 0).double())
    with torch.no_grad():
        old, reference = log_probs(state["weights"]), log_probs(state["reference"])
    moved = torch.from_numpy(told > 0)
    for _ in range(1 if config.objective == REINFORCE else config.epochs):
        weights = state["weights"].clone().requires_grad_()
        losses = loss_of(config, log_probs(weights), old, reference, mask, reward, group)
        if not len(losses):
            return minds
        (losses * share).sum().backward()
        assert weights.grad is not None
        _adam(state, _clipped(weights.grad, config.clip_norm), moved, config.learning_rate)
    return minds.with_(**{name: value.numpy() for name, value in state.items()})


def _clipped(gradient: torch.Tensor, most: float) -> torch.Tensor:
    if most <= 0:
        return gradient
    return gradient * (most / (gradient.norm(dim=1, keepdim=True) + _SMALL)).clamp(max=1.0)


def _adam(
    state: dict[str, torch.Tensor], gradient: torch.Tensor, moved: torch.Tensor, rate: float
) -> None:
    """Take a step of Adam (Kingma & Ba 2015, arXiv 1412.6980) in the rows that moved."""
    first, second = _BETAS
    row = moved[:, None]
    steps = state["steps"] + moved.long()
    mean = state["exp_avg"] * first + gradient * (1 - first)
    square = state["exp_avg_sq"] * second + gradient**2 * (1 - second)
    count = steps.clamp(min=1)[:, None].double()
    down = (square / (1 - second**count)).sqrt() + _EPSILON
    change = rate * (mean / (1 - first**count)) / down
    state["weights"] = state["weights"] - change * row
    for name, value in (("exp_avg", mean), ("exp_avg_sq", square)):
        state[name] = value.where(row, state[name])
    state["steps"] = steps
