"""Rows in groups, and sums of whole numbers by group: exact, so alike in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import is_constant
from experiments.population.world import World

Ints = NDArray[np.int64]

STRIP = 2**16
"""Most agents whose blocks are counted together; a larger block is counted alone. Small blocks
share the cost of a call, and what is worked on stays in a processor's cache."""


@dataclass(frozen=True)
class Groups:
    """N rows in G groups of which none is empty."""

    code: Ints
    """[G] the groups' codes, ascending."""
    size: Ints
    """[G] rows of each."""
    order: NDArray[np.unsignedinteger[Any]]
    """[N] the rows, group by group; in as few bits as hold them."""

    @staticmethod
    def of(code: Ints) -> Groups:
        """Return the groups of rows by a code each, [N], N > 0.

        Codes are small numbers close to one another, so they are counted, not sorted.
        """
        low = int(code.min())
        count = np.bincount(code - low)
        present = np.flatnonzero(count)
        place = (np.cumsum(count > 0) - 1)[code - low].astype(np.min_scalar_type(len(present)))
        order = np.argsort(place, kind="stable")  # a radix sort: places are short numbers
        return Groups(present + low, count[present], order.astype(order_type(len(code))))

    def sums(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, Ints]:
        """Return the sums of each column by group, [G].

        Args:
            columns: [N] whole numbers, which may be stored as real ones; no sum reaches 2**53.
        """
        order = self.order.astype(np.int64)  # to take by other indices is many times as slow
        begin = np.cumsum(self.size) - self.size
        out = {}
        for name, values in columns.items():
            if is_constant(values):
                out[name] = (values[0] * self.size).astype(np.int64)
                continue
            exact = np.float64 if values.dtype.kind == "f" else np.int64
            total = np.add.reduceat(values.take(order), begin, dtype=exact)
            out[name] = total.astype(np.int64, copy=False)
        return out


def order_type(rows: int) -> type[np.unsignedinteger]:
    """Return the type in which `Groups.order` keeps so many rows."""
    return np.uint16 if rows <= 2**16 else np.uint32


@dataclass(frozen=True)
class Strip:
    """Blocks of agents that follow one another and are counted together.

    Its groups are those of one block, community and kind.
    """

    blocks: range
    """The blocks."""
    first: int
    """First agent."""
    stop: int
    """The one after the last."""
    groups: Groups
    """Of the agents, rows from `first` on."""
    block: Ints
    """[G] block of each group."""
    community: Ints
    """[G]"""
    kind: Ints
    """[G]"""

    @staticmethod
    def of(world: World, blocks: range, kind: NDArray[np.integer[Any]]) -> Strip:
        """Return the strip of some blocks; ``kind`` is that of each agent."""
        first, stop = world.agents_of(blocks[0])[0], world.agents_of(blocks[-1])[1]
        ends = world.roster.community_of(np.array([first, stop - 1]))
        communities = world.roster.first_of(np.arange(ends[0] + 1, ends[1] + 1))
        starts = [world.agents_of(block)[0] for block in blocks]
        edge = np.unique(np.concatenate([starts, communities])).astype(np.int64)
        run = np.repeat(np.arange(len(edge)), np.diff([*edge.tolist(), stop]))
        kinds = len(world.kinds)
        groups = Groups.of(run * kinds + kind)
        begin = edge[groups.code // kinds]
        return Strip(
            blocks,
            first,
            stop,
            groups,
            block=begin // world.block,
            community=world.roster.community_of(begin),
            kind=groups.code % kinds,
        )


def strips(world: World, first: int, kind: NDArray[np.integer[Any]]) -> list[Strip]:
    """Cut a stretch of whole blocks into strips.

    Args:
        world: The world.
        first: First agent.
        kind: [n] kinds of the agents from there on.
    """
    begin, end = first // world.block, -(-(first + len(kind)) // world.block)
    together = max(STRIP // world.block, 1)
    out = []
    for start in range(begin, end, together):
        blocks = range(start, min(start + together, end))
        rows = slice(start * world.block - first, world.agents_of(blocks[-1])[1] - first)
        out.append(Strip.of(world, blocks, kind[rows]))
    return out
