"""Occupancy: what a planner knows of the state and of all private histories, losslessly merged.

Two own histories of an agent that leave the same belief about the state and the others' histories
can be treated as one without losing value (Oliehoek, Whiteson & Spaan 2009, "Lossless clustering of
histories in decentralized POMDPs", AAMAS, theorem 1). In Dec-Tiger this leaves the difference
between what was heard left and right, instead of all 2 ** t sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.dec_pomdp.belief_tree import TINY, BeliefTree
from environments.dec_pomdp.model import DecPOMDP
from environments.dec_pomdp.policies import append_observations, step_forward

_DECIMALS = 9
"""Histories whose beliefs agree to so many decimals count as equivalent."""


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Joint distribution of the state and of every agent's cluster of own histories."""

    stage: int
    prob: NDArray[np.float64]
    """[S, C_1, …, C_n]."""
    belief: NDArray[np.int64]
    """[C_1, …, C_n] the joint belief in the belief tree, -1 where impossible."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of clusters of each agent."""
        return self.belief.shape

    def key(self) -> tuple:
        """Return what equal occupancies have in common."""
        rounded = np.round(self.prob, _DECIMALS) + 0.0
        return (self.stage, self.sizes, rounded.tobytes())


def first_occupancy(model: DecPOMDP) -> Occupancy:
    """Return the occupancy before anything was observed: one cluster for each agent."""
    ones = (1,) * model.n_agents
    return Occupancy(0, model.start.reshape(-1, *ones), np.zeros(ones, dtype=np.int64))


def joint_rule(model: DecPOMDP, rule: tuple[NDArray[np.int64], ...]) -> NDArray[np.int64]:
    """Return the joint action in each joint cluster, shape [C_1 ⋯ C_n]."""
    return model.joint_action(np.ix_(*rule)).ravel()


def advance(
    model: DecPOMDP, tree: BeliefTree, at: Occupancy, rule: tuple[NDArray[np.int64], ...]
) -> tuple[Occupancy, tuple[NDArray[np.int64], ...]]:
    """Return the occupancy after one stage.

    Args:
        model: The model.
        tree: Its joint beliefs.
        at: Where the team is.
        rule: Each agent's own action in each of its clusters.

    Returns:
        The next occupancy, and for each agent [C_i, Z_i] the cluster that follows a cluster and
        an observation.
    """
    action, sizes = joint_rule(model, rule), model.n_observations
    joint = step_forward(model, at.prob.reshape(model.n_states, -1), action)
    prob = append_observations(joint, at.sizes, sizes)
    before = at.belief.ravel()
    follow = tree.follow[at.stage][before, action]
    follow = np.where(before[:, None] >= 0, follow, -1)
    belief = append_observations(follow[None], at.sizes, sizes)[0]
    maps = [np.arange(c * z) for c, z in zip(at.sizes, sizes, strict=True)]
    while True:
        # Merging one agent's histories can make another's equivalent: repeat until nothing merges.
        before_sizes = belief.shape
        for agent in range(len(sizes)):
            group = _equivalent(prob, 1 + agent)
            prob = _merge(prob, 1 + agent, group, np.add)
            belief = _merge(belief, agent, group, np.maximum)
            maps[agent] = group[maps[agent]]
        if belief.shape == before_sizes:
            break
    shaped = tuple(own.reshape(c, z) for own, c, z in zip(maps, at.sizes, sizes, strict=True))
    return Occupancy(at.stage + 1, prob, belief), shaped


def _equivalent(prob: NDArray[np.float64], axis: int) -> NDArray[np.int64]:
    """Return the group of each of an agent's histories; impossible ones join group 0."""
    rows = np.moveaxis(prob, axis, 0).reshape(prob.shape[axis], -1)
    weight = rows.sum(axis=1)
    there = weight > TINY
    group = np.zeros(len(rows), dtype=np.int64)
    known = np.round(rows[there] / weight[there][:, None], _DECIMALS) + 0.0
    group[there] = np.unique(known, axis=0, return_inverse=True)[1].ravel()
    return group


def _merge(table: NDArray, axis: int, group: NDArray[np.int64], how: np.ufunc) -> NDArray:
    rows = np.moveaxis(table, axis, 0)
    empty = 0 if how is np.add else -1
    merged = np.full((int(group.max()) + 1, *rows.shape[1:]), empty, dtype=table.dtype)
    how.at(merged, group, rows)
    return np.moveaxis(merged, 0, axis)
