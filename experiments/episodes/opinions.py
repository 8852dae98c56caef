"""Members who listen to their network round by round, some of whom may be dishonest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from environments.core.errors import ConfigError
from environments.opinion_network.environment import OpinionNetwork
from environments.opinion_network.simulator import BatchedOpinions
from experiments.episodes.base import Floats, Ints, Measure, Play, PlayConfig, check_range

PRESENT, FIRST = "present", "first"


@dataclass
class OpinionsConfig(PlayConfig):
    """Configuration of `Opinions`."""

    name: str = "opinions"
    rounds: int = 30
    """Times that members hear their neighbours and revise, 1 to 1000."""
    susceptibility: float = 1.0
    """Friedkin and Johnsen's a of honest members, 0 to 1; 1 is DeGroot's model, below it they
    hold on to their first impression."""
    dishonest: int = 0
    """Members, the first ones, that know all first impressions and always state the opposite of
    what these say; at most all but one."""
    push: float = 3.0
    """How large an opinion the dishonest state, in units of the hidden quantity, 0 to 10."""
    trim: int = 0
    """Resilient listening: how many of the highest and of the lowest statements, among those
    beyond its own, every honest member leaves out, 0 to 32 (W-MSR)."""
    facilitator: float = 0.0
    """Weight that honest members give to the median of all statements, which a facilitator
    announces every round, 0 (there is none) to 1."""
    announces: str = PRESENT
    """Median of which statements: ``present`` (of the round before) or ``first`` (it keeps the
    first round in view)."""


class Opinions(Play):
    """An opinion network with a stubborn dishonest minority, resilient listening and a facilitator.

    Every round an honest member states (1 - g) (a Σ_j w_ij x_j + (1 - a) x_i(0)) + g m, where m is
    the median that the facilitator announces: DeGroot's (a = 1) or Friedkin and Johnsen's rule,
    with a facilitator of weight g. With ``trim`` F the sum runs over what is left after up to
    F statements above its own and up to F below it are dropped, weights scaled to sum to 1 (LeBlanc
    et al. 2013): F or fewer liars among its neighbours then cannot pull it beyond the honest.

    All measures are means over honest members.
    """

    Config = OpinionsConfig
    source = "DeGroot 1974; Friedkin & Johnsen 1990; W-MSR: LeBlanc et al. 2013, IEEE JSAC 31"
    environment = "opinion_network"
    measures = (
        Measure(
            "right",
            "share of honest members right about the sign",
            True,
            True,
            ("no_communication", "full_information"),
        ),
        Measure("distance", "distance of opinions from the truth", False, False),
        Measure("spread", "standard deviation of opinions among honest members", False, None),
        Measure("moved", "how far the dishonest moved the honest members' mean", False, None),
    )

    def __init__(self, config: OpinionsConfig) -> None:
        super().__init__(config)
        for key, low, high in (
            ("rounds", 1, 1000),
            ("susceptibility", 0, 1),
            ("dishonest", 0, 63),
            ("push", 0, 10),
            ("trim", 0, 32),
            ("facilitator", 0, 1),
        ):
            check_range(config.name, key, getattr(config, key), low, high)
        if config.announces not in (PRESENT, FIRST):
            raise ConfigError(
                f"play.announces: given {config.announces!r}, allowed: {PRESENT}, {FIRST}"
            )

    def episodes(
        self, environment: OpinionNetwork, case_id: Ints, replicate: int
    ) -> Mapping[str, Floats]:
        """See `Play.episodes`."""
        liars = self.config.dishonest
        check_range(self.config.name, "dishonest", liars, 0, environment.config.n_members - 1)
        final, right = self._played(environment, case_id, lying=True)
        # Had the same members, as stubborn, stated their own first impressions:
        sincere, _ = self._played(environment, case_id, lying=False)
        mean = final.mean(axis=1)
        sign = np.where(environment.seal().reveal(case_id, "scoring") == 0, 1.0, -1.0)
        truth = environment.config.signal * sign
        return {
            "right": right,
            "distance": np.abs(final - truth[:, None]).mean(axis=1),
            "spread": final.std(axis=1),
            "moved": np.abs(mean - sincere.mean(axis=1)),
        }

    def _played(
        self, environment: OpinionNetwork, case_id: Ints, lying: bool
    ) -> tuple[Floats, Floats]:
        """Return honest members' last opinions [n, H], and the share of them that is right [n]."""
        config, liars = self.config, self.config.dishonest
        game = BatchedOpinions(environment, config.rounds)
        game.reset(case_id)
        first = environment.impressions(case_id)
        fixed = first[:, :liars]
        if lying and liars:
            against = -np.sign(first.mean(axis=1)) * config.push * environment.config.signal
            fixed = np.repeat(against[:, None], liars, axis=1)
        opening = np.concatenate([fixed, first[:, liars:]], axis=1)
        stated = opening
        reward: Mapping[str, Floats] = {}
        for number in range(config.rounds + 1):
            if number:
                shown = game.opinions if config.announces == PRESENT else opening
                middle = np.median(shown, axis=1)[:, None]
                revised = self._revised(environment, game.opinions, first, middle)
                stated = np.concatenate([fixed, revised[:, liars:]], axis=1)
            _, reward, _, _ = game.step({s: stated[:, [i]] for i, s in enumerate(game.seats)})
        right = np.stack([reward[seat] for seat in game.seats[liars:]], axis=1)
        return game.opinions[:, liars:], right.mean(axis=1)

    def _revised(
        self, environment: OpinionNetwork, x: Floats, first: Floats, middle: Floats
    ) -> Floats:
        config = self.config
        listened = environment.weights.step(x) if not config.trim else self._trimmed(environment, x)
        revised = config.susceptibility * listened + (1 - config.susceptibility) * first
        return (1 - config.facilitator) * revised + config.facilitator * middle

    def _trimmed(self, environment: OpinionNetwork, x: Floats) -> Floats:
        """Return the weighted mean of what is left of each member's neighbourhood, [n, M]."""
        network, most = environment.weights, self.config.trim
        heard = x[:, network.heard]  # [n, M, S]
        counts = np.broadcast_to(network.weight > 0, heard.shape)
        beyond = heard - x[:, :, None]
        keep = counts.copy()
        for side in (1.0, -1.0):
            # How many statements on this side lie farther from one's own; ties go by position.
            far = np.where(counts & (side * beyond > 0), side * beyond, 0.0)
            farther = np.zeros(far.shape, dtype=np.int64)
            for other in range(far.shape[2]):
                one = far[:, :, [other]]
                farther += (one > far) | ((one == far) & (other < np.arange(far.shape[2])))
            keep &= ~((far > 0) & (farther < most))
        weight = np.where(keep, network.weight, 0.0)
        total = weight.sum(axis=2)
        mean = (weight * heard).sum(axis=2) / np.where(total > 0, total, 1.0)
        return np.where(total > 0, mean, x)
