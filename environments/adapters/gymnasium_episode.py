"""Gymnasium: any single-agent environment as an `Episode` with one seat.

Source: Towers et al. 2024, Gymnasium (arXiv 2407.17032).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.adapters.episode import (
    Actions,
    Episode,
    outside_action,
    playable,
    reseed_generator,
)
from environments.core.errors import ConfigError

AGENT = "agent"
"""The only seat."""


class GymnasiumEpisode(Episode):
    """A Gymnasium environment; its only seat is called ``agent``.

    An ``action_mask`` in the environment's infos is honoured.

    Args:
        make: Returns a new environment.

    Raises:
        ConfigError: If actions are neither `Discrete` nor `Box`.
    """

    seats = (AGENT,)

    def __init__(self, make: Callable[[], gymnasium.Env]) -> None:
        self._env = make()
        self._action_space = playable(self._env.action_space, str(self._env))
        self.over = self.terminated = True

    def observation_space(self, seat: str) -> spaces.Space:
        """Return the environment's observation space."""
        return self._env.observation_space

    def action_space(self, seat: str) -> spaces.Discrete | spaces.Box:
        """Return the environment's action space, a `Discrete` one moved to start at 0."""
        return self._action_space

    def reset(self, seed: int) -> None:
        """Start again."""
        self._seen, self._info = self._env.reset(seed=seed)
        self.over = self.terminated = False

    def reseed(self, seed: int) -> bool:
        """Replace ``np_random``, where the environment has one."""
        return reseed_generator(self._env, seed)

    def acting(self) -> tuple[str, ...]:
        """Return the seat until the episode is over."""
        return () if self.over else self.seats

    def legal(self, seat: str) -> NDArray[np.bool_]:
        """Return ``infos["action_mask"]``, or that all actions are legal."""
        mask = self._info.get("action_mask")
        if mask is None:
            assert isinstance(self._action_space, spaces.Discrete)
            return np.ones(int(self._action_space.n), dtype=bool)
        return np.asarray(mask, dtype=bool)

    def observe(self, seat: str) -> Any:
        """Return the last observation."""
        return self._seen

    def step(self, actions: Actions) -> dict[str, float]:
        """Play one step."""
        action = outside_action(self._env.action_space, actions[AGENT])
        self._seen, reward, terminated, truncated, self._info = self._env.step(action)
        self.terminated = bool(terminated)
        self.over = bool(terminated or truncated)
        return {AGENT: float(reward)}


def registered(env_id: str, settings: Mapping[str, Any]) -> Callable[[], gymnasium.Env]:
    """Return a maker of one of Gymnasium's registered environments.

    An id cannot name a module to import: only environments that are already registered are made.

    Args:
        env_id: E.g. ``CartPole-v1``.
        settings: Keyword arguments of the environment.

    Raises:
        ConfigError: For an id that is not registered, or settings that the environment refuses.
    """
    if env_id not in gymnasium.registry:
        raise ConfigError(
            f"environment.id={env_id!r} is not registered with Gymnasium "
            "(a module that registers it can be imported with --import)"
        )

    def make() -> gymnasium.Env:
        try:
            return gymnasium.make(env_id, disable_env_checker=True, **settings)
        except (TypeError, ValueError, gymnasium.error.Error, ImportError) as error:
            raise ConfigError(f"environment.id={env_id!r} cannot be made: {error}") from error

    return make
