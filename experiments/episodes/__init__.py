"""Games that a scenario plays on its cases, beside or instead of conversations.

Where a decision is a sequence (Dec-Tiger), a number (advice), a reward function (preferences) or an
opinion that spreads, the environment's own simulator says what happens. A `Play` seats numeric
players at it; the engine plays it block by block, keeps what came out in the ledger's ``episodes``
table, and the report gives every measure with its interval beside the environment's references.
"""

from environments.core.registry import Registry

PLAYS = Registry(
    "play",
    {
        "advised_judge": "experiments.episodes.advice:AdvisedJudge",
        "explained_plan": "experiments.episodes.explanation:ExplainedPlan",
        "opinions": "experiments.episodes.opinions:Opinions",
        "reward_learner": "experiments.episodes.preferences:RewardLearner",
        "tiger_optimum": "experiments.episodes.tiger:TigerOptimum",
        "tiger_pair": "experiments.episodes.tiger:TigerPair",
    },
)
