"""Independent tasks: one interface, run in this process or as Ray tasks.

A sweep's cells need no host that lives on: each is a function call with a result. An error of one
task is a value, so that the others go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from environments.core.errors import ConfigError, FacilitateError
from experiments.config.schema import RuntimeConfig


@dataclass(frozen=True)
class Finished:
    """What became of a task."""

    index: int
    """Position among the jobs."""
    result: Any
    error: str = ""
    """One line; '' if it went well."""
    trace: str = ""
    """Traceback of an error that the framework did not raise on purpose."""


class TaskPool(Protocol):
    """Runs a function on many jobs."""

    @property
    def workers(self) -> int:
        """Tasks that run at once."""
        ...

    def run(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Finished]:
        """Yield each job's outcome when it is there, in any order.

        Args:
            function: A function of a module (it may be pickled by name).
            jobs: Its arguments, picklable.
        """
        ...

    def close(self) -> None:
        """Stop everything that this pool started."""
        ...


def attempt(function: Callable[[Any], Any], index: int, job: Any) -> Finished:
    """Run one job; an error becomes a value."""
    try:
        return Finished(index, function(job))
    except FacilitateError as error:
        return Finished(index, None, str(error))
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Finished(index, None, told, traceback.format_exc())


class InProcessPool:
    """One job after another in this process."""

    workers = 1

    def run(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Finished]:
        """See `TaskPool.run`."""
        for index, job in enumerate(jobs):
            yield attempt(function, index, job)

    def close(self) -> None:
        """Nothing was started."""


def open_pool(config: RuntimeConfig) -> TaskPool:
    """Return the pool that ``config.name`` selects; Ray is imported only if it is asked for.

    Raises:
        ConfigError: Ray is not installed, there is no cluster at the address, or no room for a
            task in it.
    """
    if config.name == "inprocess":
        return InProcessPool()
    try:
        from experiments.runtime.ray_tasks import RayPool
    except ImportError as error:
        raise ConfigError(
            "runtime=ray needs the package ray (pip install ray), or use runtime=inprocess"
        ) from error
    return RayPool(config)
