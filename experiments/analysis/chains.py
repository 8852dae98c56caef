"""What theory says of a nested-oversight conversation whose players have known ratings."""

from __future__ import annotations

from dataclasses import replace

from agents import POLICIES
from agents.policies.contest import Contestant, elo_expectation
from coordination import PROTOCOLS
from coordination.protocols.nested_oversight import NestedOversight
from experiments.analysis.conversations import ConversationResult
from experiments.analysis.estimate import Estimate
from experiments.config.components import component
from experiments.config.schema import ScenarioConfig

PREDICTED = "predicted_success"
"""Metric: what theory says of ``judge_accuracy``."""


def predicted_success(config: ScenarioConfig, conversation: str) -> float | None:
    """Return the probability that a chain's verdict is right, if its links are independent games.

    P(right) = Π_i P(overseer i beats adversary i + 1), i = 0 … n - 1, where the judge is overseer 0
    and guard i overseer i (Engels et al. 2025, arXiv 2504.18530): with players whose ratings are
    known (`agents.policies.contest.Contestant`) and a top guard who knows the truth.

    Args:
        config: The scenario.
        conversation: Name of one of its conversations.

    Returns:
        The product; None for another protocol or for players without known ratings.
    """
    held = config.conversations[conversation]
    cls, settings = component(PROTOCOLS, held.protocol)
    if cls is not NestedOversight:
        return None
    levels = int(settings.levels)
    product = 1.0
    for level in range(levels):
        overseer = _rating(config, held.seats["judge" if level == 0 else f"guard_{level}"], "guard")
        adversary = _rating(config, held.seats[f"adversary_{level + 1}"], "adversary")
        if overseer is None or adversary is None:
            return None
        product *= elo_expectation(overseer, adversary)
    return product


def add_predictions(
    results: list[ConversationResult], config: ScenarioConfig
) -> list[ConversationResult]:
    """Return results with `PREDICTED` where theory has something to say, unchanged elsewhere."""
    found = []
    for one in results:
        product = predicted_success(config, one.name)
        if product is not None:
            theory = {PREDICTED: Estimate.exact(product, one.rooms, "the product of the links")}
            one = replace(one, metrics={**one.metrics, **theory})
        found.append(one)
    return found


def agrees(result: ConversationResult) -> bool | None:
    """Return whether the prediction lies in the live chain's interval; None where unknown."""
    measured, theory = result.metrics["judge_accuracy"], result.metrics[PREDICTED].value
    if measured.low is None or measured.high is None or theory is None:
        return None
    return measured.low <= theory <= measured.high


def _rating(config: ScenarioConfig, agent: str, role: str) -> float | None:
    cls, settings = component(POLICIES, config.agents[agent].policy)
    if not issubclass(cls, Contestant):
        return None
    return cls(settings, 0).rating(role)
