"""Typed configuration of ties and teams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MIXED = "mixed"
"""No ties: anybody can meet anybody."""


@dataclass
class TopologyConfig:
    """Who can meet whom. A setting that the topology does not go by (see `USED`) is refused."""

    name: str = MIXED
    """mixed (everybody, no ties), random, ring, grid, small_world, scale_free, communities,
    hierarchy or edge_list."""
    degree: int = 8
    """random, ring, small_world, scale_free, communities: mean ties of an agent; even for rings."""
    rewire: float = 0.1
    """small_world: share of links that lead anywhere."""
    outside: float = 0.1
    """communities: share of links that leave the community."""
    span: int = 4
    """hierarchy: agents below one."""
    file: str = ""
    """edge_list: a CSV or Parquet file with columns source and target (agent ids from 0)."""


USED = {
    MIXED: (),
    "random": ("degree",),
    "ring": ("degree",),
    "grid": (),
    "small_world": ("degree", "rewire"),
    "scale_free": ("degree",),
    "communities": ("degree", "outside"),
    "hierarchy": ("span",),
    "edge_list": ("file",),
}
"""Topology to the settings of `TopologyConfig` that it goes by."""

PLACES = ("anywhere", "community", "other_community", "ties")


@dataclass
class Draw:
    """How a seat is filled that is not the pool's."""

    kind: str = ""
    """Kind of agent that sits there."""
    place: str = "anywhere"
    """anywhere; community or other_community: the first member's own, or any other; ties: one of
    the first member's ties of that kind. Where there is none of the kind, anywhere."""


@dataclass
class TeamConfig:
    """How teams are put together."""

    members: int = 4
    """Seats named ``member_1``, ``member_2`` …, where the protocol takes any number of them."""
    draws: dict[str, Draw] = field(default_factory=dict)
    """Seat to rule. The protocol's other seats are the members'."""
    share: float = 1.0
    """Share of the teams that meet in a tick."""
    topology: dict[str, Any] = field(default_factory=lambda: {"name": "complete"})
    """Who hears whom within a team: one of a conversation's topologies."""
