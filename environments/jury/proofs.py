"""Jury: exact accuracies of rules, and simulations that agree with them."""

from __future__ import annotations

from functools import cache

import numpy as np

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.proof import Proof
from environments.jury import rules
from environments.jury.environment import Jury, JuryConfig
from environments.voting import nitzan_paroush_weights

PANEL = (0.9, 0.9, 0.6, 0.6, 0.6)
"""The five members of the published example."""
_CONDORCET = "Condorcet 1785; Σ C(n,k) p^k (1-p)^(n-k) over k > n/2"
_NITZAN_PAROUSH = "Nitzan & Paroush 1982, Int. Econ. Rev. 23, 289"
_CASES = 40_000


def proofs() -> list[Proof]:
    """Return all proofs of the jury."""
    majorities = ((3, 0.648, 3), (5, 0.68256, 5), (11, 0.7535, 4), (25, 0.8462, 4))
    weights = nitzan_paroush_weights(PANEL)
    expert = np.eye(len(PANEL))[0]
    found = [
        Proof(
            f"majority of {n} members right with .6",
            _CONDORCET,
            expected,
            rules.majority_accuracy([0.6] * n),
            0.5 * 10.0**-digits,
        )
        for n, expected, digits in majorities
    ]
    exact = (
        ("weight of a member right with .9, log(.9/.1)", np.log(9.0), weights[0], 1e-12),
        ("weight of a member right with .6, log(.6/.4)", np.log(1.5), weights[2], 1e-12),
        ("expert alone of .9,.9,.6,.6,.6", 0.9, rules.weighted_accuracy(PANEL, expert), 5e-4),
        ("majority of .9,.9,.6,.6,.6", 0.87696, rules.majority_accuracy(PANEL), 5e-6),
        (
            "log-odds weights on .9,.9,.6,.6,.6",
            0.92664,
            rules.weighted_accuracy(PANEL, weights),
            5e-6,
        ),
        ("best use of all signals of .9,.9,.6,.6,.6", 0.92664, rules.optimal_accuracy(PANEL), 5e-6),
    )
    found += [
        Proof(claim, _NITZAN_PAROUSH, float(expected), float(obtained), tolerance)
        for claim, expected, obtained, tolerance in exact
    ]
    found.append(
        Proof(
            "one common cause: a majority is no better than a member",
            "definition (correlation 1)",
            0.6,
            rules.majority_accuracy([0.6] * 5, correlation=1.0),
            1e-12,
        )
    )
    for rule in ("majority", "weighted", "expert"):
        for correlation in (0.0, 0.3):
            expected, obtained, error = _simulated(rule, correlation)
            found.append(
                Proof(
                    f"{_CASES} simulated councils, {rule} vote, correlation {correlation:g}",
                    "exact enumeration; tolerance 4 standard errors",
                    expected,
                    obtained,
                    4 * error,
                )
            )
    return found


@cache
def _simulated(rule: str, correlation: float) -> tuple[float, float, float]:
    """Return exact accuracy, accuracy of simulated councils, and its standard error."""
    config = JuryConfig(accuracy=list(PANEL), rule=rule, correlation=correlation)
    jury = Jury(config, SplitPlan({Split.TEST: _CASES}))
    council = jury.council()
    seen = council.reset(jury.case_ids(Split.TEST, 0))
    votes = {seat: 1 + seen[seat]["assessment"].argmax(axis=1) for seat in council.seats}
    _, reward, _, _ = council.step(votes)
    exact = rules.weighted_accuracy(PANEL, jury.weights, correlation=correlation)
    error = np.sqrt(exact * (1 - exact) / _CASES)
    return exact, float(reward[council.seats[0]].mean()), float(error)
