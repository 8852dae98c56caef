"""A decentralized POMDP as arrays.

Oliehoek & Amato, *A Concise Introduction to Decentralized POMDPs* (2016), definition 2.3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.core.columns import frozen
from environments.core.errors import ConfigError

SUM_TOLERANCE = 1e-5
"""How far a probability row may be from 1: files print about six digits."""

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""What a name looks like in a file; names that a file only counts are numbers."""

Names = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DecPOMDP:
    """Agents that act at once on a shared hidden state, each seeing only its own observations.

    A joint action (observation) is numbered in the order of the format: the last agent's runs
    fastest. Here n agents, S states, A joint actions, Z joint observations. Arrays are copied to
    read-only float64.

    Raises:
        ConfigError: If a shape does not fit, a row is no distribution or a number is not finite.
    """

    agents: Names
    """Names of the agents."""
    states: Names
    """Names of the states."""
    actions: tuple[Names, ...]
    """Names of each agent's own actions."""
    observations: tuple[Names, ...]
    """Names of each agent's own observations."""
    discount: float
    """Weight of a reward relative to one a stage earlier, 0 … 1."""
    start: NDArray[np.float64]
    """[S] P(first state)."""
    transition: NDArray[np.float64]
    """[A, S, S'] P(next state | joint action, state)."""
    observation: NDArray[np.float64]
    """[A, S', Z] P(joint observation | joint action, next state)."""
    reward: NDArray[np.float64]
    """[A, S] expected reward, shared by all agents."""

    def __post_init__(self) -> None:
        for field in ("start", "transition", "observation", "reward"):
            value = np.array(getattr(self, field), dtype=np.float64)
            object.__setattr__(self, field, frozen(value))
        self._check()

    def _check(self) -> None:
        n, s, a, z = self.n_agents, self.n_states, self.n_joint_actions, self.n_joint_observations
        if not n or not s or len(self.actions) != n or len(self.observations) != n:
            given = f"{n} agents, {s} states, actions of {len(self.actions)} agents"
            raise ConfigError(f"{given}, observations of {len(self.observations)}; all must fit")
        if not a or not z:
            raise ConfigError("every agent needs at least one action and one observation")
        named = (self.agents, self.states, *self.actions, *self.observations)
        for names in named:
            if len(set(names)) < len(names):
                raise ConfigError(f"a name repeats in {', '.join(names)}")
        if not 0 <= self.discount <= 1:
            raise ConfigError(f"discount={self.discount} is not in 0 … 1")
        shapes = {"start": (s,), "transition": (a, s, s), "observation": (a, s, z)}
        for field, shape in {**shapes, "reward": (a, s)}.items():
            value = getattr(self, field)
            if value.shape != shape:
                raise ConfigError(f"{field} has shape {value.shape}, expected {shape}")
            if not np.isfinite(value).all():
                raise ConfigError(f"{field} has a number that is not finite")
        for field in shapes:
            value = getattr(self, field)
            if value.min() < 0 or np.abs(value.sum(axis=-1) - 1).max() > SUM_TOLERANCE:
                raise ConfigError(f"a row of {field} is not a distribution (≥ 0, sum 1)")

    @property
    def n_agents(self) -> int:
        """Number of agents, n."""
        return len(self.agents)

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return len(self.states)

    @property
    def n_actions(self) -> tuple[int, ...]:
        """Number of each agent's own actions."""
        return tuple(map(len, self.actions))

    @property
    def n_observations(self) -> tuple[int, ...]:
        """Number of each agent's own observations."""
        return tuple(map(len, self.observations))

    @property
    def n_joint_actions(self) -> int:
        """Number of joint actions, A."""
        return int(np.prod(self.n_actions))

    @property
    def n_joint_observations(self) -> int:
        """Number of joint observations, Z."""
        return int(np.prod(self.n_observations))

    def joint_action(self, own: Sequence[ArrayLike]) -> NDArray[np.int64]:
        """Return the number of the joint action that the agents' own actions make.

        Args:
            own: Each agent's own action; arrays broadcast.
        """
        total: Any = 0
        for action, size in zip(own, self.n_actions, strict=True):
            total = total * size + np.asarray(action, dtype=np.int64)
        return np.asarray(total, dtype=np.int64)

    def own_observations(self, joint: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """Return each agent's own observation in a joint observation (of any shape)."""
        parts = np.unravel_index(np.asarray(joint, dtype=np.int64), self.n_observations)
        return tuple(np.asarray(part, dtype=np.int64) for part in parts)

    def describe_joint(self, kind: str, index: int) -> str:
        """Return a joint ``"action"`` or ``"observation"`` as the agents' own names."""
        names = self.actions if kind == "action" else self.observations
        own = np.unravel_index(index, tuple(map(len, names)))
        return " ".join(part[int(i)] for part, i in zip(names, own, strict=True))
