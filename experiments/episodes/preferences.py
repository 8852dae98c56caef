"""A learner that infers a principal's reward from the choices of noisy human proxies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from environments.core.keyed import Keyed
from environments.preferences.environment import Preferences
from environments.preferences.inference import posterior_mode
from environments.preferences.law import A, B
from environments.preferences.reward import label_probability
from environments.preferences.simulator import MODEL, PRINCIPAL, BatchedPreferences
from experiments.episodes.base import Floats, Ints, Measure, Play, PlayConfig, check_range


@dataclass
class RewardLearnerConfig(PlayConfig):
    """Configuration of `RewardLearner`."""

    name: str = "reward_learner"
    queries: int = 40
    """Pairs that the person compares, 1 to 1000."""
    beta: float = 1.0
    """β of the person who compares, 0 (at random) to 100."""
    mistake: float = 0.0
    """ε: probability that the person says the opposite, 0 to .5."""
    assumed_beta: float = 1.0
    """β in the learner's likelihood; it knows of no mistakes."""


class RewardLearner(Play):
    """Reward modelling: a noisy person compares pairs, a Bayesian learner states what it values.

    The person says that A is better with probability (1 - ε) σ(β ΔR) + ε (1 - σ(β ΔR)); the learner
    takes the mode of its posterior under a normal prior of the principal's scale. Its weights then
    choose in held-out pairs: regret is what that costs the principal, alignment the correlation of
    the inferred with the principal's weights.
    """

    Config = RewardLearnerConfig
    source = "Christiano et al. 2017, arXiv 1706.03741; β and ε: B-Pref, arXiv 2111.03026"
    environment = "preferences"
    measures = (
        Measure(
            "regret",
            "regret under the principal's reward",
            False,
            False,
            ("regret_untaught", "regret_informed"),
        ),
        Measure("alignment", "correlation of inferred with true reward weights", False, True),
        Measure("labels_right", "share of comparisons that name the better item", True, None),
    )

    def __init__(self, config: RewardLearnerConfig) -> None:
        super().__init__(config)
        check_range(config.name, "queries", config.queries, 1, 1000)
        check_range(config.name, "beta", config.beta, 0, 100)
        check_range(config.name, "mistake", config.mistake, 0, 0.5)
        check_range(config.name, "assumed_beta", config.assumed_beta, 0.01, 100)

    def episodes(
        self, environment: Preferences, case_id: Ints, replicate: int
    ) -> Mapping[str, Floats]:
        """See `Play.episodes`."""
        config, c = self.config, environment.config
        game = BatchedPreferences(environment, config.queries)
        seen = game.reset(case_id)
        # The same person meets the same chance whatever the settings: arms differ by them alone.
        lots = Keyed(replicate, "reward_learner.person")
        right = np.zeros(game.n)
        for number in range(config.queries):
            gap = seen[PRINCIPAL]["gap"][:, 0]
            first = label_probability(gap, config.beta, config.mistake)
            choice = np.where(lots.uniform(case_id, number) < first, A, B)
            right += choice == environment.law.better(gap)
            seen, _, _, _ = game.step({PRINCIPAL: choice})
        inferred = posterior_mode(
            game.differences,
            game.labels,
            config.assumed_beta,
            c.reward_scale / np.sqrt(c.n_features),
        )
        _, reward, _, _ = game.step({MODEL: inferred})
        return {
            "regret": -reward[MODEL],
            "alignment": game.alignment(),
            "labels_right": right / config.queries,
        }
