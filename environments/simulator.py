"""Batched simulators: N episodes of a team decision side by side, and the same one at a time.

A `Simulator` steps N episodes at once on arrays. `SimulatorParallelEnv` plays one of them behind
PettingZoo's ``ParallelEnv``; it is the same implementation with N = 1, so a policy trained on one
meets exactly the other. All episodes of a simulator have at most `Simulator.horizon` rounds::

    reset(case ids) --> every seat observes --> every seat acts at once --> … --> rewards, end

What seats do is the simulator's own: disclose evidence (`environments.team`,
`environments.council`), estimate, label, state an opinion, or play somebody else's environment
(`environments.adapters`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray
from pettingzoo import ParallelEnv

from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.truth import SealedTruth

Observation = dict[str, NDArray[Any]]
"""What a seat observes: name to array with N rows."""

Outcome = tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_], NDArray[np.bool_]]
"""Rewards [N] of every seat, ``terminated`` [N] and ``truncated`` [N]."""

Step = tuple[
    dict[str, Observation], dict[str, NDArray[np.float64]], NDArray[np.bool_], NDArray[np.bool_]
]
"""Observations of every seat, and an `Outcome`."""


class Simulator(ABC):
    """N episodes side by side.

    A subclass sets `seats` and `horizon`, and implements the spaces and the four hooks ``_open``,
    ``observe``, ``_play`` and ``_score``; where episodes end at different times or are paid before
    the end, it overrides ``_outcome`` instead of ``_score``.
    """

    name: ClassVar[str] = ""
    """Name of the PettingZoo environment."""
    seats: tuple[str, ...]
    """Who plays, in a fixed order."""
    horizon: int
    """Rounds of every episode, at most."""
    truth: SealedTruth
    """Sealed truth that rewards are computed with, where there is one; its account counts them."""

    case_id: NDArray[np.int64]
    """[N] cases of the present episodes."""
    round: int = -1
    """Rounds played; -1 before the first `reset`."""

    @property
    def n(self) -> int:
        """Number of episodes, N."""
        return len(self.case_id)

    @abstractmethod
    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of a seat's observation."""

    @abstractmethod
    def action_space(self, seat: str) -> spaces.Space:
        """Return the space of one row of a seat's actions (Box or Discrete)."""

    @abstractmethod
    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now, with N rows."""

    @abstractmethod
    def render(self) -> str:
        """Return the first episode as text, as far as every seat may see it."""

    @abstractmethod
    def _open(self) -> None:
        """Set up the episodes of ``case_id``."""

    @abstractmethod
    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        """Play one round; actions have N rows and were checked."""

    @abstractmethod
    def _score(self) -> dict[str, NDArray[np.float64]]:
        """Return the rewards [N] of every seat; final ones, unless `_outcome` says otherwise."""

    def _outcome(self) -> Outcome:
        """Return what the round just played brought: all episodes are paid and end with the last.

        Returns:
            Rewards [N] of every seat, ``terminated`` [N] and ``truncated`` [N].
        """
        last = self.round == self.horizon
        rewards = self._score() if last else {seat: np.zeros(self.n) for seat in self.seats}
        return rewards, np.full(self.n, last), np.zeros(self.n, dtype=bool)

    def reset(self, case_id: ArrayLike) -> dict[str, Observation]:
        """Open an episode for each case and return what every seat observes.

        Args:
            case_id: [N] cases; ids may repeat.
        """
        self.case_id = frozen(np.asarray(case_id, dtype=np.int64))
        self.round = 0
        self._open()
        return self.observe()

    def step(self, actions: Mapping[str, ArrayLike]) -> Step:
        """Play one round in every episode.

        Args:
            actions: Seat to actions with N rows, each in the seat's space; numbers beyond a Box
                are clipped to it. A seat that is left out keeps what it stated before, unless the
                simulator says otherwise.

        Returns:
            Observations, rewards, ``terminated`` and ``truncated``, true only in the round in which
            an episode ends. Unless the simulator says otherwise, rewards are zero before the last
            round, and all episodes terminate in it.

        Raises:
            ConfigError: Before `reset`, after the end, for an unknown seat, a wrong shape, a
                number that is not finite or a choice that does not exist.
        """
        if not 0 <= self.round < self.horizon:
            state = "has not begun" if self.round < 0 else f"ended after {self.horizon} rounds"
            raise ConfigError(f"the episode {state}; call reset")
        self._play({seat: self._checked(seat, action) for seat, action in actions.items()})
        self.round += 1
        return self.observe(), *self._outcome()

    def _checked(self, seat: str, action: ArrayLike) -> NDArray[Any]:
        if seat not in self.seats:
            raise ConfigError(f"unknown seat {seat!r} (allowed: {', '.join(self.seats)})")
        space, array = self.action_space(seat), np.asarray(action)
        if isinstance(space, spaces.Discrete):
            if array.shape != (self.n,) or array.dtype.kind not in "iu":
                raise ConfigError(f"actions of {seat!r} must be {self.n} integers")
            if ((array < 0) | (array >= space.n)).any():
                raise ConfigError(f"actions of {seat!r} must be in 0 … {int(space.n) - 1}")
            return array.astype(np.int64)
        if not isinstance(space, spaces.Box):
            raise TypeError(f"{type(self).__name__} has actions in {space}; Box or Discrete only")
        shape = (self.n, *space.shape)
        if array.shape != shape or array.dtype.kind not in "iuf":
            raise ConfigError(f"actions of {seat!r} must be numbers of shape {shape}")
        if not np.isfinite(array).all():
            raise ConfigError(f"actions of {seat!r} must be finite numbers")
        return np.clip(array.astype(np.float64), space.low, space.high)


class SimulatorParallelEnv(ParallelEnv):
    """One episode at a time of a simulator, behind PettingZoo's ``ParallelEnv``.

    The case of an episode is a keyed draw from ``case_id`` by (seed, episode number); ``reset``
    with a seed starts again at episode 0. ``reset(options={"case_id": …})`` plays a given case.

    Args:
        simulator: The simulator; it belongs to this environment from now on.
        case_id: [C] cases to draw from, at least one.
        render_mode: None, or ``ansi`` to have `render` return text.

    Raises:
        ConfigError: If there is no case to draw from.
    """

    def __init__(
        self, simulator: Simulator, case_id: ArrayLike, render_mode: str | None = None
    ) -> None:
        self.simulator = simulator
        self._ids = np.asarray(case_id, dtype=np.int64)
        if not len(self._ids):
            raise ConfigError("no cases to draw from; plan some for the split")
        self.metadata = {
            "name": f"facilitate_{simulator.name}_v0",
            "render_modes": ["ansi"],
            "is_parallelizable": True,
        }
        self.render_mode = render_mode
        self.possible_agents = list(simulator.seats)
        self.agents: list[str] = []
        self.observation_spaces = {s: simulator.observation_space(s) for s in simulator.seats}
        self.action_spaces = {s: simulator.action_space(s) for s in simulator.seats}
        self._seed, self._episode = 0, 0

    def observation_space(self, agent: str) -> spaces.Space:
        """Return a seat's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space:
        """Return a seat's action space, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, dict], dict[str, dict]]:
        """Start an episode and return observations and infos (``case_id``) of every seat."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        case = (options or {}).get("case_id")
        if case is None:
            draw = Keyed(self._seed, "simulator.case").integers(len(self._ids), self._episode)
            case = self._ids[int(draw)]
            self._episode += 1
        observations = self.simulator.reset([case])
        self.agents = list(self.possible_agents)
        return self._one(observations), self._infos()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, dict], dict[str, float], dict[str, bool], dict[str, bool], dict]:
        """Play one round; see `Simulator.step`."""
        moves = {seat: np.asarray(action)[None] for seat, action in actions.items()}
        observations, rewards, terminated, truncated = self.simulator.step(moves)
        agents = self.agents
        if terminated[0] or truncated[0]:
            self.agents = []
        return (
            self._one(observations),
            {seat: float(rewards[seat][0]) for seat in agents},
            dict.fromkeys(agents, bool(terminated[0])),
            dict.fromkeys(agents, bool(truncated[0])),
            self._infos(),
        )

    def render(self) -> str | None:
        """Return the episode as text (mode ``ansi``), else None."""
        return self.simulator.render() if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Release nothing; there is nothing to release."""

    def _one(self, observations: dict[str, Observation]) -> dict[str, dict]:
        return {
            seat: {name: value[0] for name, value in observation.items()}
            for seat, observation in observations.items()
        }

    def _infos(self) -> dict[str, dict]:
        case = int(self.simulator.case_id[0])
        return {seat: {"case_id": case} for seat in self.possible_agents}
