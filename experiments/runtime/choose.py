"""Choosing a runtime by configuration, without importing Ray unless it is asked for."""

from __future__ import annotations

from environments.core.errors import ConfigError, UnknownNameError
from experiments.config.schema import ScenarioConfig
from experiments.runtime.inprocess import InProcessRuntime
from experiments.runtime.interface import Runtime

NAMES = ("inprocess", "ray")


def open_runtime(config: ScenarioConfig) -> Runtime:
    """Return the runtime that ``config.runtime.name`` selects, connected.

    Raises:
        ConfigError: Unknown name, Ray not installed, no cluster at the address.
    """
    name = config.runtime.name
    if name not in NAMES:
        raise UnknownNameError("runtime", name, NAMES, "runtime.name")
    if name == "inprocess":
        return InProcessRuntime(config.runtime.deadline_s)
    try:
        from experiments.runtime.ray_cluster import RayRuntime
    except ImportError as error:
        raise ConfigError(
            "runtime=ray needs the package ray (pip install ray), or use runtime=inprocess"
        ) from error
    return RayRuntime(config.runtime.ray, config.learner.device)
