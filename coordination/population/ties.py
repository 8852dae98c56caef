"""Ties: who knows whom, as compressed rows, generated at once and keyed.

Every generator returns links (pairs of ids); `ties_of` makes them mutual, drops loops and repeats
and sorts. No generator loops over agents: a million agents with eight ties each take about a
second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coordination.population.config import MIXED, USED, TopologyConfig
from coordination.population.edge_list import read_edge_list
from coordination.population.roster import Roster
from environments.core.columns import frozen
from environments.core.errors import ConfigError, UnknownNameError
from environments.core.keyed import Keyed

Ints = NDArray[np.int64]
Links = tuple[Ints, Ints]
"""Two arrays of agent ids: the ends of each link."""


@dataclass(frozen=True)
class Ties:
    """Compressed rows: the ties of agent ``first + i`` are ``other[start[i]:start[i + 1]]``."""

    first: int
    """Id of the first row's agent."""
    start: Ints
    """[N + 1]"""
    other: Ints
    """[T] ids, ascending within a row."""
    loops: int = 0
    """Links of agents with themselves, among all that were given; they are no ties."""
    repeats: int = 0
    """Links between two who were linked already, in whatever direction."""

    @property
    def n(self) -> int:
        """Number of ties, each counted from the side of its row."""
        return len(self.other)

    def degree(self, agent_id: Ints) -> Ints:
        """Return how many ties each agent has; the agents are of these rows."""
        row = agent_id - self.first
        return self.start[row + 1] - self.start[row]

    def pick(self, agent_id: Ints, place: Ints) -> Ints:
        """Return the tie at a place of each agent's row."""
        return self.other[self.start[agent_id - self.first] + place]

    def find(self, agent_id: Ints, other: Ints) -> Ints:
        """Return the position in `other` of the tie of each agent to another; -1 for none.

        A bisection in all rows at once.
        """
        row = agent_id - self.first
        low, stop = self.start[row].copy(), self.start[row + 1]
        high = stop.copy()
        while (low < high).any():
            middle = (low + high) // 2
            open_ = low < high
            below = open_ & (self.other[np.where(open_, middle, 0)] < other)
            low = np.where(below, middle + 1, low)
            high = np.where(open_ & ~below, middle, high)
        inside = low < stop
        hit = inside & (self.other[np.where(inside, low, 0)] == other) if self.n else inside
        return np.where(hit, low, -1)

    def rows(self, first: int, stop: int) -> Ties:
        """Return the rows of a stretch of agents, as a copy of their own."""
        low, high = first - self.first, stop - self.first
        begin, end = int(self.start[low]), int(self.start[high])
        return Ties(
            first,
            frozen(self.start[low : high + 1] - begin),
            frozen(self.other[begin:end].copy()),
            self.loops,
            self.repeats,
        )


def ties_of(n: int, links: Links) -> Ties:
    """Return mutual ties from links, without loops and repeats.

    Args:
        n: Agents.
        links: Any pairs.
    """
    a, b = links
    keep = a != b
    a, b = a[keep], b[keep]
    ends = (np.concatenate([a, b]), np.concatenate([b, a]))
    matrix = sparse.coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n, n)).tocsr()
    matrix.sum_duplicates()  # also sorts each row
    start, other = (frozen(ids.astype(np.int64)) for ids in (matrix.indptr, matrix.indices))
    return Ties(0, start, other, len(keep) - len(a), len(a) - len(other) // 2)


def build_ties(config: TopologyConfig, roster: Roster, seed: int) -> Ties | None:
    """Return everybody's ties, or None where the topology has none.

    Raises:
        UnknownNameError: For an unknown topology.
        ConfigError: If a number is outside its range.
        DataError: For a malformed edge list; names file and line.
    """
    if config.name == MIXED:
        return None
    check_topology(config, roster.size)
    if config.name == "edge_list":
        return ties_of(roster.size, read_edge_list(config.file, roster.size))
    draw = Keyed(seed, f"population.ties.{config.name}")
    return ties_of(roster.size, GENERATORS[config.name](config, roster, draw))


def check_topology(config: TopologyConfig, size: int) -> None:
    """Refuse what no topology can be; errors as `build_ties`."""
    where = "population.topology"
    if config.name not in USED:
        raise UnknownNameError("topology", config.name, USED, f"{where}.name")
    for key, usual in vars(TopologyConfig()).items():
        given = getattr(config, key)
        if key not in ("name", *USED[config.name]) and given != usual:
            users = ", ".join(name for name, keys in USED.items() if key in keys)
            raise ConfigError(
                f"{where}.{key}: given {given!r}, which the topology {config.name!r} does not go "
                f"by; leave it out, or choose one that does ({users})"
            )
    if "degree" in USED[config.name] and not 1 <= config.degree < max(size, 2):
        raise ConfigError(f"{where}.degree: given {config.degree}, allowed: 1 to {size - 1}")
    if config.name in ("ring", "small_world") and config.degree % 2:
        raise ConfigError(f"{where}.degree: given {config.degree}, {config.name} needs an even one")
    for key in ("rewire", "outside"):
        value = getattr(config, key)
        if not 0 <= value <= 1:
            raise ConfigError(f"{where}.{key}: given {value:g}, allowed: 0 to 1")
    if config.span < 1:
        raise ConfigError(f"{where}.span: given {config.span}, allowed: 1 or more")
    if config.name == "edge_list" and not config.file:
        raise ConfigError(f"{where}.file: an edge_list is read from a file, none is given")


# -- generators -------------------------------------------------------------------------------


def _random(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """Every pair alike (Gilbert 1959, with a fixed number of draws)."""
    link = np.arange(roster.size * config.degree // 2)
    return draw.integers(roster.size, link, 0), draw.integers(roster.size, link, 1)


def _ring(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """Each knows its ``degree`` nearest on a circle of ids."""
    agent = np.arange(roster.size)
    steps = range(1, config.degree // 2 + 1)
    ahead = [(agent + step) % roster.size for step in steps]
    return np.tile(agent, len(ahead)), np.concatenate(ahead)


def _grid(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """Neighbours in rows of about √n, four each inside; the last row may be short."""
    agent = np.arange(roster.size)
    wide = int(np.ceil(np.sqrt(roster.size)))
    right = agent[(agent % wide != wide - 1) & (agent + 1 < roster.size)]
    below = agent[agent + wide < roster.size]
    return np.concatenate([right, below]), np.concatenate([right + 1, below + wide])


def _small_world(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """A ring, some of whose links lead anywhere (Watts & Strogatz 1998)."""
    a, b = _ring(config, roster, draw)
    link = np.arange(len(a))
    anywhere = draw.uniform(link, 0) < config.rewire
    return a, np.where(anywhere, draw.integers(roster.size, link, 1), b)


def _scale_free(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """Preferential attachment (Barabási & Albert 1999), each new agent with degree/2 links.

    Link e of agent v picks a place among the ends of all earlier links, and takes over whoever
    stands there. A place is an agent's own end, known at once, or a picked one, found by following
    the pick; all are followed together (Sanders & Schulz 2016, Inf. Process. Lett. 116, 489).
    """
    each = max(config.degree // 2, 1)
    link = np.arange(roster.size * each)
    owner = link // each
    # Place 2e is the owner's end of link e, place 2e + 1 the picked end.
    place = draw.integers(2 * link + 1, link)
    while True:
        odd = place % 2 == 1
        if not odd.any():
            return owner, owner[place // 2]
        place = np.where(odd, place[place // 2], place)


def _communities(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """Anybody of one's own community, or with probability ``outside`` of all (block model)."""
    link = np.arange(roster.size * max(config.degree // 2, 1))
    agent = link % roster.size
    community = roster.community_of(agent)
    near = roster.first_of(community) + draw.integers(roster.size_of(community), link, 0)
    far = draw.integers(roster.size, link, 1)
    return agent, np.where(draw.uniform(link, 2) < config.outside, far, near)


def _hierarchy(config: TopologyConfig, roster: Roster, draw: Keyed) -> Links:
    """A tree of ``span`` below each; those below the same one know each other."""
    agent = np.arange(1, roster.size)
    parent = (agent - 1) // config.span
    pairs = [(agent, parent)]
    for step in range(1, config.span):
        other = agent + step
        same = (other < roster.size) & ((other - 1) // config.span == parent)
        pairs.append((agent[same], other[same]))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


GENERATORS: dict[str, Callable[[TopologyConfig, Roster, Keyed], Links]] = {
    "random": _random,
    "ring": _ring,
    "grid": _grid,
    "small_world": _small_world,
    "scale_free": _scale_free,
    "communities": _communities,
    "hierarchy": _hierarchy,
}
"""Name to generator of links."""
