"""One episode of an outside environment, whatever library it is from.

An `Episode` is an object that is reset and stepped; the modules beside this one wrap PettingZoo's
two kinds, Gymnasium's and OpenSpiel's. What our simulator and our environment need of an outside
world is exactly this interface, so a further library takes one further class.

Life cycle::

    reset(seed) --> acting(), legal(seat), observe(seat) --> step(actions) --> … --> over
                        ^                                        |
                        +----------------------------------------+
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.core.errors import ConfigError

Actions = Mapping[str, Any]
"""Seat to action: an int for `Discrete`, an array for `Box`."""


class Episode(ABC):
    """One episode of an outside environment; a pure function of its seed and the actions.

    That holds as far as the environment itself honours its seed; the conformance check finds those
    that do not.
    """

    seats: tuple[str, ...]
    """Who can play, in a fixed order; not all need to be there all the time."""
    over: bool
    """Whether nobody plays any more."""
    terminated: bool
    """Whether it is over by the environment's own rules (otherwise it was cut off)."""

    @abstractmethod
    def observation_space(self, seat: str) -> spaces.Space:
        """Return the space of a seat's observations."""

    @abstractmethod
    def action_space(self, seat: str) -> spaces.Discrete | spaces.Box:
        """Return the space of a seat's actions; `Discrete` ones start at 0."""

    @abstractmethod
    def reset(self, seed: int) -> None:
        """Start again with a seed in 0 … 2**31 - 1."""

    @abstractmethod
    def reseed(self, seed: int) -> bool:
        """Draw all chance from now on by another seed; return whether the environment lets us."""

    @abstractmethod
    def acting(self) -> tuple[str, ...]:
        """Return who acts now."""

    @abstractmethod
    def legal(self, seat: str) -> NDArray[np.bool_]:
        """Return which actions an acting seat has, [A]; `Discrete` action spaces only."""

    @abstractmethod
    def observe(self, seat: str) -> Any:
        """Return what a seat observes, in its space; None for a seat that is not there."""

    @abstractmethod
    def step(self, actions: Actions) -> dict[str, float]:
        """Let the acting seats act and return the rewards of this step.

        Args:
            actions: One action for every acting seat.
        """

    def describe_action(self, seat: str, action: int) -> str:
        """Return an action as text."""
        return f"action {action}"

    def describe(self, seat: str) -> str:
        """Return what a seat observes as text."""
        return " ".join(str(self.observe(seat)).split())

    def replay(self, seed: int, moves: Sequence[Actions]) -> None:
        """Start again and repeat moves."""
        self.reset(seed)
        for actions in moves:
            self.step(actions)


def playable(space: Any, where: str) -> spaces.Discrete | spaces.Box:
    """Return an action space with a `Discrete` one moved to start at 0.

    Raises:
        ConfigError: For other kinds of action spaces.
    """
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, spaces.Box):
        return space
    raise ConfigError(f"{where} has actions in {space}; only Discrete and Box are played here")


def outside_action(space: Any, action: Any) -> Any:
    """Return an action of `playable` as the environment itself takes it."""
    if isinstance(space, spaces.Discrete):
        return int(action) + int(space.start)
    return np.asarray(action, dtype=space.dtype)


def reseed_generator(environment: Any, seed: int) -> bool:
    """Give an environment a new random generator, where it keeps it as Gymnasium does."""
    inner = getattr(environment, "unwrapped", environment)
    if not isinstance(getattr(inner, "np_random", None), np.random.Generator):
        return False
    inner.np_random = np.random.default_rng(seed)
    return True
