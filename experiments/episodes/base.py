"""What every play is: players at an environment's game, and what is measured of an episode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.base import Environment
from environments.core.columns import Columns
from environments.core.errors import ConfigError
from environments.core.keyed import hash_id, name_key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Measure:
    """One number of every episode."""

    name: str
    meaning: str
    """In a few words, as it stands in a sentence: "mean reward"."""
    share: bool = False
    """Whether it is a share or an accuracy, shown in per cent."""
    higher_is_better: bool | None = True
    """None where neither is."""
    references: tuple[str, ...] = ()
    """Names of the environment's reference values that are of this kind: regret is counted against
    each."""


@dataclass
class PlayConfig:
    """Base of every play's configuration."""

    name: str = ""


class Play(ABC):
    """Numeric players at an environment's game.

    What happens in an episode is a pure function of the configuration, the case and the replicate,
    so that results do not depend on how cases are spread over hosts.

    Args:
        config: An instance of the class's own ``Config``.

    Raises:
        ConfigError: For a setting outside the range that it documents.
    """

    Config: ClassVar[type[PlayConfig]] = PlayConfig
    source: ClassVar[str] = ""
    environment: ClassVar[str] = ""
    """Registered name of the environment that it plays (or a class derived from it)."""
    measures: ClassVar[tuple[Measure, ...]] = ()
    """What `episodes` returns; the first is the one that is compared."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def episodes(self, environment: Any, case_id: Ints, replicate: int) -> Mapping[str, Floats]:
        """Play one episode on every case.

        Args:
            environment: The scenario's environment, of the class named by `environment`.
            case_id: [n] cases.
            replicate: The seed of the run; keys the players' own randomness.

        Returns:
            Measure to [n] values, NaN where a measure is undefined in an episode.
        """


def check_range(play: str, key: str, given: float, low: float, high: float) -> None:
    """Raise ConfigError for a setting outside its range."""
    if not low <= given <= high:
        raise ConfigError(f"play.{key}: given {given}, {play} allows {low} to {high}")


@dataclass(frozen=True)
class Place:
    """Where the episodes of one block stand in the ledger."""

    tick: int
    block: int
    split: str
    replicate: int


def episode_rows(
    name: str, play: Play, environment: Environment, case_id: Ints, place: Place
) -> Columns:
    """Play a block of cases and return the rows of the ledger's ``episodes`` table.

    Args:
        name: The scenario's name for these episodes.
        play: Who plays.
        environment: What is played.
        case_id: [n] cases.
        place: Constants of the rows.
    """
    played = play.episodes(environment, case_id, place.replicate)
    key = np.array(name_key(name), dtype=np.uint64)
    episode_id = hash_id(key, place.tick, place.replicate, case_id)
    parts = []
    for position, measure in enumerate(play.measures):
        n = len(case_id)
        parts.append(
            Columns(
                {
                    "tick": np.full(n, place.tick),
                    "block": np.full(n, place.block),
                    "episode_id": episode_id,
                    "position": np.full(n, position),
                    "split": np.full(n, place.split, dtype=object),
                    "episodes": np.full(n, name, dtype=object),
                    "replicate": np.full(n, place.replicate),
                    "case_id": case_id,
                    "measure": np.full(n, measure.name, dtype=object),
                    "value": np.asarray(played[measure.name], dtype=np.float64),
                }
            )
        )
    return Columns.concat(parts)
