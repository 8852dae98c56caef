"""Building what is cheap to build, before a run directory exists or a cluster is started.

`experiments.config.validate` checks what can be seen in the text of a configuration. Here the
environment is built (so a missing data file, a malformed line or a split larger than the data is
found), and every policy that needs no language model; of language models it is checked that they
are where the configuration says, and of endpoints that they answer. Then their fit is checked.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from agents import POLICIES
from agents.adapters.peft_format import check_start
from agents.language_model.config import LanguageModelConfig
from agents.language_model.loading import check_targets
from coordination.population.edge_list import dropped, read_edge_list
from coordination.population.ties import ties_of
from environments import ENVIRONMENTS
from environments.base import Environment, SplitPlan
from environments.cases import Split
from environments.core.errors import ConfigError, FacilitateError
from experiments.config.components import component
from experiments.config.schema import ScenarioConfig
from experiments.population.memory import check_memory


def _patience(config: ScenarioConfig, settings: object, where: str) -> None:
    """Check that a policy that waits gives up before its host is taken for lost."""
    patience, deadline = getattr(settings, "patience_s", 0.0), config.runtime.deadline_s
    if patience and patience >= deadline:
        raise ConfigError(
            f"{where}.patience_s: got {patience}, allowed: less than runtime.deadline_s "
            f"({deadline}), after which the host counts as lost"
        )


def _silent(line: str) -> None:
    """Hear nothing."""


def preflight(config: ScenarioConfig, say: Callable[[str], None] = _silent) -> Environment:
    """Build the environment and the numeric policies of a validated scenario.

    Args:
        config: The scenario.
        say: Hears in one line what is odd about its data, though it can run.

    Returns:
        The environment.

    Raises:
        ConfigError: A component refuses its configuration, a policy that weighs numeric
            evidence meets an environment that has none, or a population needs more memory than
            this machine has (on an existing Ray cluster the memory is elsewhere).
        DataError: A malformed data file, with its line.
    """
    cls, settings = component(ENVIRONMENTS, config.environment, "environment")
    sizes = {split: getattr(config.splits, split.value) for split in Split}
    environment = cls(settings, SplitPlan(sizes))
    remote = config.runtime.ray.address or os.environ.get("RAY_ADDRESS")
    if config.population.size and not (config.runtime.name == "ray" and remote):
        check_memory(config, environment)
    if file := config.population.topology.file:
        ties = ties_of(config.population.size, read_edge_list(file, config.population.size))
        if told := dropped(file, ties.loops, ties.repeats):
            say(f"note: {told}")
    for name, kind in config.population.kinds.items():
        _, kind_settings = component(POLICIES, kind.policy, f"population.kinds.{name}.policy")
        if isinstance(kind_settings, LanguageModelConfig):
            check_targets(kind_settings.model, kind.adapter, f"population.kinds.{name}.adapter")
    for name, agent in config.agents.items():
        where = f"agents.{name}.policy"
        policy, policy_settings = component(POLICIES, agent.policy, where)
        if hasattr(policy, "preflight"):
            policy.preflight(policy_settings, where)
        _patience(config, policy_settings, where)
        if name == config.learner.student and not hasattr(policy, "install"):
            raise ConfigError(
                f"{where}: {agent.policy['name']!r} cannot learn, but learner.student is {name!r} "
                "(allowed: language_model)"
            )
        if name == config.learner.student:
            check_start(config.learner.adapter, policy_settings.model.path)
            check_targets(policy_settings.model, config.learner.adapter, "learner.adapter")
        elif isinstance(policy_settings, LanguageModelConfig):
            check_targets(policy_settings.model, policy_settings.adapter, f"{where}.adapter")
        if getattr(policy, "reads_text", False):
            continue
        if not environment.numeric and getattr(policy, "needs_numeric", True):
            raise ConfigError(
                f"{where}: {agent.policy['name']!r} weighs numeric evidence, which the environment "
                f"{config.environment['name']!r} does not have here (use a policy that reads text, "
                "such as language_model)"
            )
        try:
            policy(policy_settings, 0)
        except FacilitateError as error:
            raise ConfigError(f"{where}: {error}") from error
    return environment
