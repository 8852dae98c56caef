"""Configuration of the chess puzzles: which pairs, and what each information group sees."""

from __future__ import annotations

from dataclasses import dataclass, field

from environments.base import PUBLIC, SOURCE, EnvironmentConfig, SplitPlan
from environments.cases import Split
from environments.chess_puzzles.puzzles import DEPTHS
from environments.core.errors import ConfigError

PAIRS = ("random", "matched", "all")
MIN_CALIBRATION = 100
"""Fewest cases on which the evidence can be calibrated."""


@dataclass
class Level:
    """What one information group can see of the engine."""

    depth: int = 6
    """Deepest search on view: 1, 2, 3, 4, 6, 8 or 12. 12 chose the options: an oracle."""
    sigma: float = 0.0
    """Standard deviation of each agent's own misreading of a score, in centipawns."""
    surface: bool = True
    """Whether the belief also weighs what a move looks like (mate, check, capture, promotion)."""


def _levels() -> dict[str, Level]:
    return {
        "weak_expert": Level(depth=2, sigma=400.0),
        "expert": Level(depth=6, sigma=200.0),
        "strong_expert": Level(depth=8, sigma=100.0),
    }


@dataclass
class ChessPuzzlesConfig(EnvironmentConfig):
    """Configuration of `ChessPuzzles`."""

    name: str = "chess_puzzles"
    pairs: str = "random"
    """random (the answer and a random distractor), matched (a distractor that looks exactly like
    the answer, so that the surface tells nothing) or all (two to four options)."""
    levels: dict[str, Level] = field(default_factory=_levels)
    """Information groups between ``public`` and ``source``, from name to what they see."""
    min_rating: int = 0
    """Puzzles below this Lichess rating are left out."""
    max_rating: int = 4000
    """Puzzles above this Lichess rating are left out."""


def check_config(config: ChessPuzzlesConfig, plan: SplitPlan) -> None:
    """Raise ConfigError for the first field that cannot be."""
    if config.pairs not in PAIRS:
        raise ConfigError(f"environment.pairs={config.pairs!r} (allowed: {', '.join(PAIRS)})")
    if not config.levels:
        raise ConfigError("environment.levels is empty; name at least one information group")
    for name, level in config.levels.items():
        where = f"environment.levels.{name}"
        if name in (PUBLIC, SOURCE):
            raise ConfigError(f"{where}: this name is taken; choose another")
        if level.depth not in DEPTHS:
            raise ConfigError(f"{where}.depth={level.depth} (allowed: {DEPTHS})")
        if not 0 <= level.sigma <= 10_000:
            raise ConfigError(f"{where}.sigma={level.sigma} is not in 0 … 10000")
    if config.min_rating > config.max_rating:
        raise ConfigError(
            f"environment.min_rating={config.min_rating} is above max_rating={config.max_rating}"
        )
    size = plan.sizes.get(Split.CALIBRATION, 0)
    if size < MIN_CALIBRATION:
        raise ConfigError(
            f"splits.calibration={size} is too few for chess_puzzles: "
            f"its evidence is calibrated on at least {MIN_CALIBRATION} cases"
        )
