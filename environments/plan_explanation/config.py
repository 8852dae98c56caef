"""The typed configuration of the plan explanation environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from environments.base import EnvironmentConfig


@dataclass
class PlanExplanationConfig(EnvironmentConfig):
    """Configuration of `PlanExplanation`.

    The default is a single robot that knows all about its model, and a human who holds every fact
    in question for as likely as not and has heard of a quarter of them.
    """

    name: str = "plan_explanation"
    domains: list[str] = field(default_factory=lambda: ["fetch", "rover", "escape_room"])
    """Domains that tasks come from; all variants of all named domains are equally likely."""
    fact_rate: float = 0.5
    """Probability that a fact holds, 0.05 to 0.95: the human's prior, and the law of cases."""
    known: float = 0.25
    """Probability that the human knows of a fact from the start, in [0, 1)."""
    doubt: float = 0.01
    """Probability that a reader gives to having misunderstood an update, 1e-6 to 0.2. It keeps
    likelihoods finite; the updates themselves are always true of the robot's model."""
    explainers: int = 1
    """Robots that share the knowledge: fact d is with explainer d modulo explainers; 1 to 5."""
