"""Whether asynchronous learning can keep its promises, found before anything starts."""

from __future__ import annotations

from environments.core.errors import ConfigError
from experiments.config.schema import ScenarioConfig


def check_async(config: ScenarioConfig) -> None:
    """Check the staleness bound, the versions kept and the capacity against the schedule.

    Raises:
        ConfigError: The first that cannot be met.
    """
    learner = config.learner
    stale = learner.max_staleness
    if stale < 1:
        raise ConfigError(
            f"learner.max_staleness: given {stale}; with learner.mode=async conversations go on "
            "while students are trained, so samples are a version old (allowed: 1 or more, or "
            "learner.mode=sync)"
        )
    if learner.keep_versions < stale + 1:
        raise ConfigError(
            f"learner.keep_versions: given {learner.keep_versions}, but with "
            f"learner.max_staleness={stale} waiting samples come from up to {stale + 1} versions "
            f"(allowed: {stale + 1} or more)"
        )
    cases = -(-config.splits.teaching // config.schedule.ticks)
    samples = cases * config.seeds * len(config.arms)
    if learner.capacity and learner.capacity < samples:
        raise ConfigError(
            f"learner.capacity: given {learner.capacity}, but one tick's conversations give "
            f"{samples} samples ({cases} cases, {config.seeds} seeds, {len(config.arms)} arms; "
            f"allowed: 0 or at least {samples})"
        )
