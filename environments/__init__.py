"""What is decided: cases with sealed truth, evidence and options.

Built-in environments are imported when first asked for by name.
"""

from environments.core.registry import Registry

ENVIRONMENTS = Registry(
    "environment",
    {
        "reading": "environments.reading.world:Reading",
        "reading_file": "environments.reading.file:ReadingFile",
        "chess_puzzles": "environments.chess_puzzles.environment:ChessPuzzles",
        "chess_mates": "environments.chess_mates.environment:ChessMates",
        "hidden_profile": "environments.hidden_profile.environment:HiddenProfile",
        "hidden_profile_file": "environments.hidden_profile.file:HiddenProfileFile",
        "dec_tiger": "environments.dec_tiger.environment:DecTiger",
        "jury": "environments.jury.environment:Jury",
        "cues": "environments.cues:Cues",
        "advice": "environments.advice.environment:Advice",
        "preferences": "environments.preferences.environment:Preferences",
        "preferences_file": "environments.preferences.file:PreferencesFile",
        "opinion_network": "environments.opinion_network.environment:OpinionNetwork",
        "diagnosis": "environments.diagnosis.environment:Diagnosis",
        "computation_tree": "environments.computation_tree.environment:ComputationTree",
        "plan_explanation": "environments.plan_explanation.environment:PlanExplanation",
        "gymnasium": "environments.adapters.decision:GymnasiumDecision",
        "pettingzoo": "environments.adapters.decision:PettingZooDecision",
        "openspiel": "environments.adapters.decision:OpenSpielDecision",
    },
)
