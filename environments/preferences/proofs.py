"""Numbers of reward modelling beside those that this code obtains."""

from __future__ import annotations

import numpy as np

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.proof import Proof
from environments.preferences.environment import Preferences, PreferencesConfig
from environments.preferences.law import A
from environments.preferences.reward import (
    FittedReward,
    bradley_terry,
    fit_reward,
    label_probability,
    weight_correlation,
)

_PAIRS = 20_000
_SIGMAS = 4.5


def recover(
    config: PreferencesConfig, pairs: int = _PAIRS
) -> tuple[FittedReward, np.ndarray, float]:
    """Infer a world's hidden reward from one annotator's labels of its cases.

    Args:
        config: The world; it has one annotator.
        pairs: How many pairs are labelled.

    Returns:
        The fit, the principal's weights times the annotator's rationality, and the share of labels
        that name the better item.
    """
    world = Preferences(config, SplitPlan({Split.TEACHING: pairs}))
    cases = world.deal(world.case_ids(Split.TEACHING, 0))
    label = world.preferred(cases)[:, 0]
    fitted = fit_reward(world.differences(cases), label == A)
    truth = world.seal()
    right = float((truth.reveal(cases.case_id, "proof") == label).mean())
    return fitted, truth.reveal_weights("proof") * config.rationality_high, right


def proofs() -> list[Proof]:
    """Return the proofs of preferences."""
    label = "Bradley & Terry 1952; Christiano et al. 2017, eq. 1: P(A≻B) = σ(β·ΔR)"
    sigma = float(label_probability(1.0))
    found = [
        Proof("σ(1)", label, 0.7311, sigma, 5e-5),
        Proof("P(A≻B) + P(B≻A) at ΔR=1", label, 1.0, sigma + float(label_probability(-1.0)), 1e-12),
        Proof(
            "P(A≻B) at ΔR=1 with mistakes ε=.1",
            "B-Pref: labels flipped with probability ε",
            0.9 * 0.7310585786 + 0.1 * 0.2689414214,
            float(label_probability(1.0, 1.0, 0.1)),
            1e-9,
        ),
    ]
    strengths = bradley_terry([0, 0, 0, 1], [1, 1, 1, 0], 2, ridge=0.0).weights
    gap = float(strengths[0] - strengths[1])
    closed = "maximum likelihood of 3 wins in 4: logit(3/4) = log 3"
    found.append(Proof("strength gap after 3 wins in 4", closed, np.log(3), gap, 1e-6))
    config = PreferencesConfig(n_annotators=1, rationality_low=1.0, rationality_high=1.0)
    fitted, weights, right = recover(config)
    known = f"{_PAIRS} labels of a known reward"
    agreement = float(weight_correlation(fitted.weights, weights))
    found.append(Proof("correlation with the known reward", known, 1.0, agreement, 0.01))
    worst = float((np.abs(fitted.weights - weights) / fitted.errors).max())
    found.append(Proof("largest error of a weight, in standard errors", known, 0.0, worst, _SIGMAS))
    world = Preferences(config, SplitPlan({}))
    stated = world.reference_values()["no_communication"].value
    error = 0.5 / np.sqrt(_PAIRS) * np.sqrt(2)
    found.append(
        Proof("share of labels that are right", "mean of σ(β·|ΔR|)", stated, right, _SIGMAS * error)
    )
    return found
