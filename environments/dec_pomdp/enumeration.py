"""The optimum without communication by enumeration: slow, short, independent of `solve`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import ConfigError
from environments.dec_pomdp.games import all_rules
from environments.dec_pomdp.model import DecPOMDP
from environments.dec_pomdp.policies import MAX_CELLS


def enumerate_optimum(model: DecPOMDP, horizon: int) -> float:
    """Return the optimum without communication, comparing every joint policy with every other.

    Values V[q_1, …, q_n, s] of all joint policy trees are computed from those one stage shorter.
    In Dec-Tiger an agent has 3, 27, 2187 and 14.3 million trees for 1 to 4 stages, so that it ends
    at 3.

    Raises:
        ConfigError: If the horizon is not positive or has too many joint policies.
    """
    if horizon < 1:
        raise ConfigError(f"horizon={horizon}; at least 1 is needed")
    sizes = list(zip(model.n_actions, model.n_observations, strict=True))
    trees = [1] * model.n_agents
    value = np.zeros((*trees, model.n_states))
    for left in range(horizon - 1, -1, -1):
        weight = model.start[:, None] if left == 0 else np.eye(model.n_states)
        grown = [a * count**z for (a, z), count in zip(sizes, trees, strict=True)]
        cells = math.prod(map(float, grown)) * weight.shape[1]
        if cells > MAX_CELLS:
            per_agent = ", ".join(f"{n:.3g}" for n in grown)
            raise ConfigError(f"horizon={horizon} has too many policies ({per_agent} an agent)")
        value = _longer(model, value, weight)
        trees = grown
    return float(value.max())


def _longer(
    model: DecPOMDP, value: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the values of all trees one stage longer.

    Args:
        model: The model.
        value: [Q_1, …, Q_n, S] values of the subtrees.
        weight: [S, W] states to sum over (the start distribution), or the identity.

    Returns:
        [A_1 Q_1^Z_1, …, A_n Q_n^Z_n, W].
    """
    counts = value.shape[:-1]
    pairs = zip(counts, model.n_observations, strict=True)
    subtrees = [all_rules(count, z) for count, z in pairs]  # agent to [trees, Z_i]
    blocks = np.empty(model.n_actions, dtype=object)
    for action in range(model.n_joint_actions):
        total = np.broadcast_to(
            model.reward[action] @ weight, (*map(len, subtrees), weight.shape[1])
        )
        for seen in range(model.n_joint_observations):
            step = model.transition[action] * model.observation[action, :, seen]
            later = value @ (step.T @ weight)
            own = np.unravel_index(seen, model.n_observations)
            after = np.ix_(*(tree[:, int(z)] for tree, z in zip(subtrees, own, strict=True)))
            total = total + model.discount * later[after]
        blocks[np.unravel_index(action, model.n_actions)] = total
    return _join(blocks)


def _join(blocks: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the blocks of joint actions as one table, each agent's actions leading its axis."""
    nested: list[NDArray[np.float64]] = list(blocks.ravel())
    for axis in range(blocks.ndim - 1, -1, -1):
        size = blocks.shape[axis]
        nested = [
            np.concatenate(nested[i : i + size], axis=axis) for i in range(0, len(nested), size)
        ]
    return nested[0]
