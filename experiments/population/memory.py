"""Whether a population fits into this machine, before anything is allocated or written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import psutil

from coordination.population.config import MIXED
from coordination.population.edge_list import count_links
from environments.base import Environment
from environments.core.errors import ConfigError
from experiments.config.schema import ScenarioConfig
from experiments.population.groups import STRIP, order_type
from experiments.population.world import World

WORKING = 100
"""Bytes an agent that sits in a team needs beside its state while a round runs: seats, columns lent
and changed. Measured: 188 resident at ten million agents when the state was some 90."""

_ROW = 8
"""Where an agent's ties begin."""
_TIE = 12
_LINK = 16
"""Two ids of 64 bits, of which ties are built; half as many links as ties."""
_TIES_OF = {MIXED: 0, "grid": 4, "hierarchy": 2}
"""Ties an agent where the topology leaves no choice."""
_GIB = 2**30


def bytes_needed(config: ScenarioConfig, environment: Environment) -> int:
    """Return the bytes that the agents of all shards, their ties and a round need together."""
    population = config.population
    odds = 4 * (environment.max_options - 1)
    world = World(config)
    trust = 8 * len(world.speaking_roles)
    counted = np.dtype(order_type(max(world.block, STRIP))).itemsize
    agent = odds * (environment.n_topics + 1) + trust + 8 + 20 + 2 + counted
    if population.topology.name != MIXED:
        agent += _ROW
    working = WORKING * population.team.share
    return math.ceil(population.size * (agent + working) + n_ties(config) * (_TIE + _LINK / 2))


def n_ties(config: ScenarioConfig) -> int:
    """Return the ties of all agents, each counted from both of its ends; an upper bound.

    Raises:
        DataError: If an edge list cannot be read.
    """
    topology = config.population.topology
    if topology.file:
        return 2 * count_links(topology.file)
    return config.population.size * _TIES_OF.get(topology.name, topology.degree)


def bytes_available(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that are free on this machine, or fewer where a control group bounds it.

    Args:
        root: Where control groups are mounted (version 2, or version 1 below ``memory``).
    """
    free = int(psutil.virtual_memory().available)
    for limit, used, cached, folder in (
        ("memory.max", "memory.current", "inactive_file", root),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", root / "memory"),
    ):
        try:
            bound = int((folder / limit).read_text())
            taken = int((folder / used).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
        free = min(free, max(bound - taken + int(stat.get(cached, 0)), 0))
    return free


def check_memory(config: ScenarioConfig, environment: Environment) -> None:
    """Refuse a population that this machine's memory cannot hold.

    Raises:
        ConfigError: Saying what is asked for and what there is.
        DataError: If an edge list cannot be read.
    """
    needed, there = bytes_needed(config, environment), bytes_available()
    if needed <= there:
        return
    size, file = config.population.size, config.population.topology.file
    where = "population.topology.file" if file else "population.size"
    asked = f"{size} agents" + (f" and the {n_ties(config)} ties of {file}" if file else "")
    fewer = "fewer ties or agents"
    if not file:
        fewer = f"fewer agents (at most about {size * there // needed} here)"
    raise ConfigError(
        f"{where}: {asked} need about {needed / _GIB:.1f} GiB while they run, this machine has "
        f"{there / _GIB:.1f} GiB free: take {fewer}, or more nodes (runtime.ray.address)"
    )
