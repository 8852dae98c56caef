"""Ray actors for peers of benchmarks: what one would write by hand, one actor for each agent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import ray

from experiments.config.schema import RayConfig
from experiments.runtime.ray_cluster import RayRuntime


@contextmanager
def peer_actors(cls: type, count: int) -> Iterator[tuple[list[Any], Callable[[list[Any]], Any]]]:
    """Start actors of a class in a local cluster, and stop both at the end.

    Args:
        cls: Made without arguments; one process each.
        count: Number of actors.

    Yields:
        The actors, all up and answering, and ``ray.get``.
    """
    # Ray prints warnings about many workers where a benchmark prints its JSON.
    with redirect_stdout(sys.stderr):
        yield from _started(cls, count)


def _started(cls: type, count: int) -> Iterator[tuple[list[Any], Callable[[list[Any]], Any]]]:
    runtime = RayRuntime(RayConfig(), "cpu")
    try:
        # No CPU is reserved: on a small machine all of them run all the same.
        remote: Any = ray.remote(num_cpus=0)(cls)
        actors = [remote.remote() for _ in range(count)]
        ray.get([actor.__ray_ready__.remote() for actor in actors])
        yield actors, ray.get
    finally:
        runtime.close()
