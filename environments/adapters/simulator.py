"""Outside environments as batched simulators: N episodes step together, one row each.

Somebody else's environment is one Python object per episode, so stepping N of them costs N times
one: this gives an outside environment our interface, not our speed.

Example:
    >>> from environments.adapters.gymnasium_episode import GymnasiumEpisode, registered
    >>> make = registered("CartPole-v1", {})
    >>> cart = OutsideSimulator(lambda: GymnasiumEpisode(make), horizon=10)
    >>> seen = cart.reset([5, 6, 7])
    >>> seen, rewards, terminated, truncated = cart.step({"agent": [0, 1, 0]})
    >>> rewards["agent"].tolist(), seen["agent"]["observation"].shape
    ([1.0, 1.0, 1.0], (3, 4))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from environments.adapters.episode import Episode
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import hash_id
from environments.simulator import Observation, Outcome, Simulator

_SEED_BITS = 31

_LEAVES = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)


def episode_seed(seed: int, case_id: int) -> int:
    """Return the seed of a case's episode, in 0 … 2**31 - 1."""
    return int(hash_id(seed, case_id)) >> (63 - _SEED_BITS)


class OutsideSimulator(Simulator):
    """N episodes of an outside environment side by side.

    Every seat of the environment is a seat here. In a round, those whose turn it is act (in a
    turn-based game one seat per episode, not the same in all episodes); other seats' actions are
    ignored. Rewards are the environment's own, paid in the round in which they fall due. An episode
    terminates by the environment's rules; it is truncated when the environment cuts it off or
    ``horizon`` rounds are over. What a seat that is not there observes is zero.

    Observations: the environment's own under ``observation``, or, where it observes a mapping, each
    part under its own name (nested parts joined by a dot); ``action_mask`` [N, A] which actions are
    legal now (`Discrete` actions; all zero for a seat that does not act); ``acts`` [N] whether it
    is the seat's turn; ``round`` [N].

    An episode is a pure function of (seed, case id, actions), as far as the environment honours its
    seed.

    Args:
        make: Makes an `Episode`; one is made for each row, and used again.
        horizon: Rounds until an episode is cut off.
        seed: Keys all episodes.

    Raises:
        ConfigError: If the horizon is not positive, or observations are not made of Box, Discrete,
            MultiBinary, MultiDiscrete, Dict and Tuple.
    """

    name = "outside"

    def __init__(self, make: Callable[[], Episode], horizon: int = 1000, seed: int = 0) -> None:
        if horizon < 1:
            raise ConfigError(f"horizon={horizon}; at least 1 is needed")
        self._make = make
        self._episodes = [make()]
        self._seed, self.horizon = seed, horizon
        first = self._episodes[0]
        self.seats = first.seats
        self._leaves = {
            seat: _leaves(first.observation_space(seat), "", seat) for seat in first.seats
        }
        self._actions = {seat: first.action_space(seat) for seat in first.seats}

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`."""
        own: dict[str, spaces.Space] = dict(self._leaves[seat])
        action = self._actions[seat]
        if isinstance(action, spaces.Discrete):
            own["action_mask"] = spaces.MultiBinary(int(action.n))
        own["acts"] = spaces.Discrete(2)
        own["round"] = spaces.Discrete(self.horizon + 1)
        return spaces.Dict(own)

    def action_space(self, seat: str) -> spaces.Space:
        """Return the environment's action space of the seat."""
        return self._actions[seat]

    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now; see the class."""
        return {
            seat: {
                **{name: frozen(value) for name, value in self._seen[seat].items()},
                "round": frozen(np.full(self.n, self.round, dtype=np.int64)),
            }
            for seat in self.seats
        }

    def render(self) -> str:
        """Return what each seat of the first episode observes."""
        first = self._episodes[0]
        return "\n".join(
            f"{seat}: {first.describe(seat)}"
            for seat in self.seats
            if first.observe(seat) is not None
        )

    def _open(self) -> None:
        while len(self._episodes) < self.n:
            self._episodes.append(self._make())
        self._done = np.zeros(self.n, dtype=bool)
        self._seen = {seat: self._blank(seat) for seat in self.seats}
        for row, case in enumerate(self.case_id.tolist()):
            self._episodes[row].reset(episode_seed(self._seed, case))
            self._note(row)

    def _blank(self, seat: str) -> Observation:
        shapes = self.observation_space(seat).spaces
        return {
            name: np.zeros((self.n, *(space.shape or ())), dtype=space.dtype)
            for name, space in shapes.items()
            if name != "round"
        }

    def _note(self, row: int) -> None:
        """Write down what the seats of an episode observe."""
        episode = self._episodes[row]
        acting = episode.acting()
        for seat, seen in self._seen.items():
            told = episode.observe(seat)
            parts = {} if told is None else _parts(told, "")
            for name in self._leaves[seat]:
                seen[name][row] = parts.get(name, 0)
            seen["acts"][row] = seat in acting
            if "action_mask" in seen:
                seen["action_mask"][row] = episode.legal(seat) if seat in acting else 0

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        self._rewards = {seat: np.zeros(self.n) for seat in self.seats}
        self._check_turns(actions)
        self._seen = {
            seat: {name: value.copy() for name, value in seen.items()}
            for seat, seen in self._seen.items()
        }
        for row in np.flatnonzero(~self._done).tolist():
            episode = self._episodes[row]
            paid = episode.step({seat: actions[seat][row] for seat in episode.acting()})
            for seat, reward in paid.items():
                self._rewards[seat][row] += reward
            self._note(row)

    def _check_turns(self, actions: Mapping[str, NDArray[Any]]) -> None:
        """Raise ConfigError unless every seat whose turn it is has a legal action."""
        for seat, seen in self._seen.items():
            turn = np.flatnonzero((seen["acts"] == 1) & ~self._done)
            if not len(turn):
                continue
            if seat not in actions:
                raise ConfigError(f"no action of {seat!r}, whose turn it is")
            if "action_mask" in seen:
                taken = actions[seat][turn]
                wrong = np.flatnonzero(seen["action_mask"][turn, taken] == 0)
                if len(wrong):
                    row = turn[wrong[0]]
                    allowed = np.flatnonzero(seen["action_mask"][row]).tolist()
                    raise ConfigError(
                        f"action {taken[wrong[0]]} of {seat!r} is not legal in episode {row} "
                        f"(legal: {', '.join(map(str, allowed))})"
                    )

    def _score(self) -> dict[str, NDArray[np.float64]]:
        return {seat: frozen(reward) for seat, reward in self._rewards.items()}

    def _outcome(self) -> Outcome:
        over = np.array([e.over for e in self._episodes[: self.n]], dtype=bool)
        by_rule = np.array([e.terminated for e in self._episodes[: self.n]], dtype=bool)
        ends = ~self._done & (over | (self.round == self.horizon))
        terminated = ends & over & by_rule
        self._done = self._done | ends
        return self._score(), terminated, ends & ~terminated


def _leaves(space: Any, name: str, seat: str) -> dict[str, spaces.Space]:
    """Return the parts of an observation space by name, without their own action mask."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        pairs: Iterable[tuple[Any, Any]] = (
            space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        )
        found: dict[str, spaces.Space] = {}
        for key, part in pairs:
            if key != "action_mask":
                found |= _leaves(part, f"{name}.{key}" if name else str(key), seat)
        return found
    if not isinstance(space, _LEAVES):
        raise ConfigError(
            f"{seat!r} observes {type(space).__name__}; Box, Discrete, MultiBinary, MultiDiscrete, "
            "Dict and Tuple are carried over"
        )
    return {name or "observation": space}


def _parts(value: Any, name: str) -> dict[str, ArrayLike]:
    """Return an observation's parts under the names of `_leaves`."""
    if isinstance(value, Mapping | tuple):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        found: dict[str, ArrayLike] = {}
        for key, part in pairs:
            if key != "action_mask":
                found |= _parts(part, f"{name}.{key}" if name else str(key))
        return found
    return {name or "observation": value}
