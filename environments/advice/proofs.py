"""Numbers of the judge–advisor literature beside those that this code obtains."""

from __future__ import annotations

import numpy as np

from environments.advice.environment import Advice, AdviceConfig
from environments.advice.simulator import BatchedAdvice
from environments.advice.weight import (
    PEOPLE_WEIGHT,
    error_ratio,
    optimal_weight,
    revise,
    taken_advice,
)
from environments.base import SplitPlan
from environments.cases import Split
from environments.core.proof import Proof

_GAMES = 100_000
_SIGMAS = 4.5

Played = tuple[float, float, float]
"""Mean squared error relative to the judge alone, its standard error, mean weight taken."""


def play(weight: float, config: AdviceConfig, games: int = _GAMES) -> Played:
    """Play games in which the judge gives one advisor's statement a fixed weight.

    Args:
        weight: The weight w.
        config: The world; it has one advisor.
        games: How many games.
    """
    world = Advice(config, SplitPlan({Split.TEST: games}))
    game = BatchedAdvice(world)
    ids = world.case_ids(Split.TEST, 0)
    own = game.reset(ids)["judge"]["estimates"][:, 0]
    seen, *_ = game.step({})
    final = revise(own, seen["judge"]["stated"][:, 1], weight)
    _, rewards, *_ = game.step({"judge": final[:, None]})
    ratio = -rewards["judge"] / config.judge_sd**2
    taken = taken_advice(game.initial, game.advice, game.final)
    return float(ratio.mean()), float(ratio.std() / np.sqrt(games)), taken.mean


def proofs() -> list[Proof]:
    """Return the proofs of judge–advisor estimation."""
    equal = AdviceConfig(n_advisors=1)
    source = "Yaniv 2004; squared error of (1-w)·own + w·advice, equal independent errors"
    found = [
        Proof(f"error ratio at w={w}", source, expected, error_ratio(w, 60, 60), 5e-4)
        for w, expected in ((0.3, 0.58), (0.39, 0.524), (0.5, 0.5))
    ]
    for w, expected in ((0.3, 0.58), (0.39, 0.5242), (0.5, 0.5)):
        ratio, error, _ = play(w, equal)
        claim = f"error ratio at w={w}, {_GAMES} simulated games"
        found.append(Proof(claim, source, expected, ratio, _SIGMAS * error))
    excess = error_ratio(PEOPLE_WEIGHT, 60, 60) - error_ratio(optimal_weight(60, 60, 0.0), 60, 60)
    found.append(
        Proof(
            "people's w=.39 against the best w=.5: squared error too much",
            "WOA .39 [.37, .42] of people; equal independent errors",
            0.0242,
            excess,
            5e-5,
        )
    )
    taken = play(PEOPLE_WEIGHT, equal, 2_000)[2]
    found.append(
        Proof("recovered mean WOA of a w=.39 judge", "definition of WOA", 0.39, taken, 1e-9)
    )
    bates = "Bates & Granger 1969, eq. 2"
    found.append(Proof("w* of equal errors", bates, 0.5, optimal_weight(60, 60, 0.3), 1e-12))
    unequal = AdviceConfig(n_advisors=1, judge_sd=80.0, advisor_sd=50.0, correlation=0.4)
    best = optimal_weight(80, 50, 0.4)
    found.append(Proof("w* at σj=80, σa=50, ρ=.4", bates, 4800 / 5700, best, 1e-12))
    ratio, error, _ = play(best, unequal)
    expected = (1 - 0.4**2) * 50**2 / (80**2 + 50**2 - 2 * 0.4 * 80 * 50)
    claim = f"error ratio at w*, σj=80, σa=50, ρ=.4, {_GAMES} simulated games"
    found.append(Proof(claim, bates, expected, ratio, _SIGMAS * error))
    return found
