"""Whether a population fits into this machine, before anything is allocated or written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import psutil

from agents import POLICIES
from coordination.population.config import MIXED
from coordination.population.edge_list import count_links
from environments.base import Environment
from environments.core.errors import ConfigError
from experiments.config.components import component
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
    """Return the bytes that all shards' agents, their ties and adapters and a round need together.

    Raises:
        ConfigError: If adapters target no module of their model.
        DataError: If an edge list cannot be read.
    """
    population = config.population
    odds = 4 * (environment.max_options - 1)
    world = World(config)
    trust = 8 * len(world.speaking_roles)
    counted = np.dtype(order_type(max(world.block, STRIP))).itemsize
    agent = odds * (environment.n_topics + 1) + trust + 8 + 20 + 2 + counted
    if population.topology.name != MIXED:
        agent += _ROW
    working = WORKING * population.team.share
    ties = n_ties(config) * (_TIE + _LINK / 2)
    return math.ceil(population.size * (agent + working) + ties) + bytes_of_adapters(
        config, environment
    )


def bytes_of_adapters(config: ScenarioConfig, environment: Environment) -> int:
    """Return the bytes of all adapters, trained ones, in the stores of all shards; an upper bound.

    Those of a model that would have to be downloaded first are not known yet, and count nothing.

    Raises:
        ConfigError: If adapters target no module of their model.
    """
    population, shards = config.population, config.runtime.shards
    total = 0
    for name, kind in population.kinds.items():
        if not kind.adapter.rank:
            continue
        from agents.adapters.store import room_for
        from agents.language_model.loading import adapter_bytes

        _, settings = component(POLICIES, kind.policy, f"population.kinds.{name}.policy")
        where, words = f"population.kinds.{name}.adapter", environment.vocabulary()
        each = adapter_bytes(settings.model, kind.adapter, words, where)
        total += each * shards * room_for(math.ceil(n_adapters(config, name) / shards))
    return total


def n_adapters(config: ScenarioConfig, kind: str) -> int:
    """Return the adapters of a kind; an upper bound where several agents of a block share one."""
    population = config.population
    agents = math.ceil(population.size * population.kinds[kind].fraction)
    sharing = population.kinds[kind].adapter.agents
    blocks = min(population.blocks, population.size)
    return min(agents, blocks + (agents // sharing if sharing else 0)) if sharing != 1 else agents


def settings_of_adapters(config: ScenarioConfig) -> str:
    """Return the settings that say how much the adapters of all kinds take; '' without any."""
    kinds = config.population.kinds
    return ", ".join(
        f"population.kinds.{name}.adapter.rank and .agents"
        for name, kind in kinds.items()
        if kind.adapter.rank
    )


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
    if adapters := bytes_of_adapters(config, environment):
        asked += f" with {adapters / _GIB:.1f} GiB of adapters"
        fewer += f", smaller or shared adapters ({settings_of_adapters(config)})"
    raise ConfigError(
        f"{where}: {asked} need about {needed / _GIB:.1f} GiB while they run, this machine has "
        f"{there / _GIB:.1f} GiB free: take {fewer}, or more nodes (runtime.ray.address)"
    )
