"""A judge of the judge–advisor game who gives the advice some weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.human_proxy.presets import PRESETS
from environments.advice.environment import Advice
from environments.advice.simulator import BatchedAdvice
from environments.advice.weight import optimal_weight, revise
from environments.core.errors import UnknownNameError
from experiments.episodes.base import Floats, Ints, Measure, Play, PlayConfig

OPTIMUM, INFORMED = "optimum", "informed"


@dataclass
class AdvisedJudgeConfig(PlayConfig):
    """Configuration of `AdvisedJudge`."""

    name: str = "advised_judge"
    judge: str = "typical_person"
    """A preset of the human proxies, whose weight on advice is taken; ``optimum`` (the weight of
    least squared error w*) or ``informed`` (the posterior mean given all estimates and the prior:
    perfect facilitation)."""


class AdvisedJudge(Play):
    """The judge–advisor game: estimate, hear the advice, revise by a weight.

    The judge states its estimate, hears the mean of the advisors' and states
    (1 - w) initial + w advice. The squared error is given as a share of what it is without advice,
    σ_j²: with one advisor as good as the judge .58 at w = .3, .524 at people's .39, .5 at w*.
    """

    Config = AdvisedJudgeConfig
    source = "Yaniv 2004; weight .39 [.37, .42]: meta-analysis; w*: Bates & Granger 1969"
    environment = "advice"
    measures = (
        Measure(
            "error_ratio",
            "squared error relative to the judge's alone",
            False,
            False,
            ("error_ratio_alone", "error_ratio_advised", "error_ratio_full_information"),
        ),
        Measure("woa", "weight of advice", False, None),
        Measure(
            "right",
            "share of estimates in the right range",
            True,
            True,
            ("no_communication", "full_information"),
        ),
        Measure("improved", "share of estimates that the advice made better", True, True),
    )

    def __init__(self, config: AdvisedJudgeConfig) -> None:
        super().__init__(config)
        allowed = (OPTIMUM, INFORMED, *PRESETS)
        if config.judge not in allowed:
            raise UnknownNameError("judge", config.judge, allowed, "play.judge")

    def episodes(self, environment: Advice, case_id: Ints, replicate: int) -> Mapping[str, Floats]:
        """See `Play.episodes`."""
        law = environment.law
        game = BatchedAdvice(environment)
        game.reset(case_id)
        own = law.estimates(case_id)
        stated = {seat: own[:, [i]] for i, seat in enumerate(game.seats)}
        seen, _, _, _ = game.step(stated)
        told = seen[game.seats[0]]["stated"][:, 1:].mean(axis=1)
        if self.config.judge == INFORMED:
            trust = law.sd**2 / (law.sd**2 + law.pooled_sd**2)
            final = law.mean + trust * (law.pool(own) - law.mean)
        else:
            final = revise(own[:, 0], told, self._weight(environment))
        stated[game.seats[0]] = final[:, None]
        _, reward, _, _ = game.step(stated)
        quantity = environment.seal().reveal_quantity(case_id, "scoring")
        before = (own[:, 0] - quantity) ** 2
        error = -reward[game.seats[0]]
        return {
            "error_ratio": error / environment.config.judge_sd**2,
            "woa": game.weight_of_advice(),
            "right": (law.option(final) == law.option(quantity)).astype(np.float64),
            "improved": (error < before).astype(np.float64),
        }

    def _weight(self, environment: Advice) -> float:
        """Return w; with several advisors of equal, equally correlated errors, of their mean."""
        c = environment.config
        if self.config.judge == OPTIMUM:
            shared = c.correlation * c.advisor_sd**2
            spread = np.sqrt((c.advisor_sd**2 - shared) / c.n_advisors + shared)
            correlation = c.correlation * c.advisor_sd / spread
            return optimal_weight(c.judge_sd, float(spread), float(correlation))
        weight = PRESETS[self.config.judge].advice.weight
        assert weight is not None  # presets are complete
        return weight
