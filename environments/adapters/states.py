"""States of an outside environment, reached by keyed random play, and what its actions are worth.

A state is a seed and the moves played since: it is reached again by replaying them. An action is
worth what the deciding seat earns on average when the action is taken and everybody plays on at
random. That is a definition (it says nothing of the best way to play on), and an estimate with a
stated number of rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.adapters.episode import Episode
from environments.adapters.simulator import episode_seed
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed

ATTEMPTS = 64
"""States tried for a case before the environment counts as one without decisions."""


@dataclass(frozen=True)
class State:
    """A state in which a seat must decide."""

    case_id: int
    attempt: int
    seed: int
    moves: tuple[dict[str, Any], ...]
    """Actions of the acting seats, step by step, since the start."""
    seat: str
    """Who decides."""
    options: tuple[int, ...]
    """Legal actions in the order shown, at most K of them."""


class Explorer:
    """Finds states and tries actions in them.

    Args:
        episode: The environment; it is reset over and over.
        seat: Who decides; any seat if empty.
        max_moves: Steps of random play before a state, at most.
        max_options: K; of more legal actions K are drawn by key.
        horizon: Steps of a rollout, at most.
        seed: Keys everything.

    Raises:
        ConfigError: If there is no such seat or it has other actions than `Discrete`.
    """

    def __init__(
        self,
        episode: Episode,
        seat: str,
        max_moves: int,
        max_options: int,
        horizon: int,
        seed: int,
    ) -> None:
        if seat and seat not in episode.seats:
            allowed = ", ".join(episode.seats)
            raise ConfigError(f"environment.seat={seat!r} (allowed: {allowed})")
        self.episode, self.seats = episode, (seat,) if seat else episode.seats
        self.most_actions = 0
        """Actions of the deciding seat that has most of them."""
        for one in self.seats:
            space = episode.action_space(one)
            if not isinstance(space, spaces.Discrete):
                raise ConfigError(f"seat {one!r} has continuous actions; a choice needs options")
            self.most_actions = max(self.most_actions, int(space.n))
        self._max_moves, self._max_options = max_moves, max_options
        self._horizon, self._seed = horizon, seed
        self._draw = {name: Keyed(seed, f"outside.{name}") for name in ("moves", "play", "order")}
        self.fresh_chance = True
        """Whether rollouts draw chance anew; otherwise it is fixed by the case's seed."""

    def state(self, case_id: int, attempt: int) -> State | None:
        """Return the state of a case's attempt, None if nobody has two options there."""
        start = int(self._draw["moves"].bits(case_id, attempt) >> np.uint64(2))
        seed = episode_seed(self._seed, start)
        wanted = int(self._draw["moves"].integers(self._max_moves + 1, case_id, attempt, 1))
        self.episode.reset(seed)
        luck = self._draw["play"].uniform(case_id, attempt, shape=(wanted + 1, self._width))
        moves: list[dict[str, Any]] = []
        for step in range(wanted):
            if self.episode.over:
                return None
            moves.append(self._random(luck[step]))
            self.episode.step(moves[-1])
        for seat in self.episode.acting():
            if seat in self.seats:
                actions = np.flatnonzero(self.episode.legal(seat))
                if len(actions) >= 2:
                    order = self._draw["order"].permutation(len(actions), case_id, attempt)
                    shown = actions[order][: self._max_options].tolist()
                    return State(case_id, attempt, seed, tuple(moves), seat, tuple(shown))
        return None

    def values(self, state: State, rollouts: int, stream: str) -> NDArray[np.float64]:
        """Return what each option is worth, [k]: mean return of the deciding seat.

        All options meet the same draws (common random numbers).

        Args:
            state: The state.
            rollouts: How many are averaged.
            stream: Names the draws.
        """
        draw = Keyed(self._seed, f"outside.rollout/{stream}")
        key = (state.case_id, state.attempt)
        seeds = (draw.bits(*key, shape=(rollouts,)) >> np.uint64(33)).astype(np.int64)
        luck = draw.uniform(*key, 1, shape=(rollouts, self._horizon, self._width))
        total = np.zeros((len(state.options), rollouts))
        for place, option in enumerate(state.options):
            for rollout in range(rollouts):
                total[place, rollout] = self._rollout(
                    state, option, int(seeds[rollout]), luck[rollout]
                )
        return total.mean(axis=1)

    def at(self, state: State) -> Episode:
        """Return the environment in this state; valid until it is used again."""
        self.episode.replay(state.seed, state.moves)
        return self.episode

    def _rollout(self, state: State, option: int, seed: int, luck: NDArray[np.float64]) -> float:
        episode = self.at(state)
        self.fresh_chance &= episode.reseed(seed)
        first = {**self._random(luck[0]), state.seat: option}
        earned = episode.step(first).get(state.seat, 0.0)
        for step in range(1, self._horizon):
            if episode.over:
                break
            earned += episode.step(self._random(luck[step])).get(state.seat, 0.0)
        return earned

    @property
    def _width(self) -> int:
        """Uniform draws that one step needs, at most."""
        sizes = []
        for seat in self.episode.seats:
            space = self.episode.action_space(seat)
            sizes.append(1 if isinstance(space, spaces.Discrete) else int(np.prod(space.shape)))
        return sum(sizes)

    def _random(self, luck: NDArray[np.float64]) -> dict[str, Any]:
        """Return a random legal action of every acting seat."""
        actions: dict[str, Any] = {}
        used = 0
        for seat in self.episode.acting():
            space = self.episode.action_space(seat)
            if isinstance(space, spaces.Discrete):
                legal = np.flatnonzero(self.episode.legal(seat))
                actions[seat] = int(legal[int(luck[used] * len(legal))])
                used += 1
            else:
                size = int(np.prod(space.shape))
                share = luck[used : used + size].reshape(space.shape)
                low, high = np.maximum(space.low, -1e3), np.minimum(space.high, 1e3)
                actions[seat] = low + share * (high - low)
                used += size
        return actions
