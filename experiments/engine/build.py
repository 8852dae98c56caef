"""Building components from a configuration: environment, cohorts, protocols, objectives."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from agents import OBJECTIVES, POLICIES
from agents.learning.objectives import Objective
from coordination import PROTOCOLS
from coordination.cohort import Cohort
from coordination.protocols.base import Protocol
from environments import ENVIRONMENTS
from environments.base import Environment, SplitPlan
from environments.cases import Split
from environments.core.registry import Registry
from experiments.config.schema import ScenarioConfig


def component(registry: Registry, node: dict[str, Any], where: str) -> tuple[type, Any]:
    """Return a component's class and its typed configuration.

    The node has been checked when the scenario was loaded; see `experiments.config.components`.
    """
    cls = registry.get(str(node.get("name", "")), where)
    return cls, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(cls.Config), node))


def build_environment(config: ScenarioConfig) -> Environment:
    """Return the scenario's environment with its splits."""
    cls, settings = component(ENVIRONMENTS, config.environment, "environment")
    sizes = {split: getattr(config.splits, split.value) for split in Split}
    return cls(settings, SplitPlan(sizes))


def build_cohort(config: ScenarioConfig, agent: str, environment: Environment) -> Cohort:
    """Return the cohort of a configured agent.

    Randomness of policies is keyed by agent and room, which carry the replicate; the seed given
    here only separates worlds.
    """
    cls, settings = component(POLICIES, config.agents[agent].policy, f"agents.{agent}.policy")
    seed = int(config.environment.get("world_seed", 0))
    if getattr(cls, "needs_vocabulary", False):
        return cls(settings, seed, vocabulary=tuple(environment.vocabulary()))
    return cls(settings, seed)


def build_protocol(config: ScenarioConfig, conversation: str) -> Protocol:
    """Return the protocol of a configured conversation."""
    node = config.conversations[conversation].protocol
    cls, settings = component(PROTOCOLS, node, f"conversations.{conversation}.protocol")
    return cls(settings)


def build_objective(config: ScenarioConfig, arm: str) -> Objective:
    """Return the objective of an arm."""
    cls, settings = component(OBJECTIVES, config.arms[arm].objective, f"arms.{arm}.objective")
    return cls(settings)


def build_learner(
    config: ScenarioConfig, students: Sequence[int], environment: Environment
) -> SupervisedLearner:
    """Return a learner of some students; see `agents.learning.learner`."""
    raise AssertionError("filled in once the learner's constructor is settled")
