"""Impossible episodes, found before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from environments import ENVIRONMENTS
from environments.core.errors import ConfigError, FacilitateError, UnknownNameError
from experiments.config.components import component
from experiments.config.schema import ScenarioConfig
from experiments.episodes import PLAYS


def check_episodes(config: ScenarioConfig) -> None:
    """Check that every play is of the scenario's environment, its settings, and what is compared.

    Raises:
        ConfigError: The first play or comparison that cannot be.
    """
    played, _ = component(ENVIRONMENTS, config.environment, "environment")
    for name, episodes in config.episodes.items():
        where = f"episodes.{name}"
        cls, settings = component(PLAYS, episodes.play, f"{where}.play")
        wanted = cls.environment  # type: ignore[attr-defined]
        if not issubclass(played, ENVIRONMENTS.get(wanted)):
            raise ConfigError(
                f"{where}.play: {episodes.play['name']!r} plays {wanted!r}, the scenario's "
                f"environment is {config.environment['name']!r}"
            )
        try:
            cls(settings)
        except FacilitateError as error:
            raise ConfigError(f"{where}.{error}") from error
    for i, entry in enumerate(config.analysis.episodes):
        _compared(config, f"analysis.episodes[{i}]", entry)


def _compared(config: ScenarioConfig, key: str, entry: Sequence[str]) -> None:
    """Check that two sets of episodes have the measure by which they are compared."""
    if len(entry) not in (2, 3) or entry[0] == entry[1]:
        raise ConfigError(
            f"{key}: given {list(entry)}, expected two different names of episodes and perhaps a "
            "measure, [first, second] or [first, second, measure]"
        )
    for name in entry[:2]:
        _known(key, name, config.episodes, "set of episodes")
    first, second = (
        [m.name for m in component(PLAYS, config.episodes[name].play)[0].measures]  # type: ignore[attr-defined]
        for name in entry[:2]
    )
    measure = entry[2] if len(entry) == 3 else first[0]
    _known(key, measure, first, "measure")
    _known(key, measure, second, "measure")


def _known(key: str, given: str, allowed: Iterable[str], what: str) -> None:
    if given not in allowed:
        raise UnknownNameError(what, given, allowed, key)
