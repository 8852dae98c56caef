"""The adapters of a stretch of agents: created, lent, saved; of kinds that have them.

An adapter lives with its agent. For a round it is lent, as it was at the start of the tick, to the
shards in whose rooms the agent sits; after the round it is taught at home (see
`experiments.population.lessons`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from environments.core.columns import Columns
from experiments.population.world import World

if TYPE_CHECKING:
    from agents.language_model.members import Members

Ints = NDArray[np.int64]

_GROUP = "adapters."


def adapters_of(world: World, agent: Ints, kind: Ints) -> Ints:
    """Return the adapter of each agent of a canonical block, -1 where it has none.

    An adapter has the number of the first agent that has it; ``adapter.agents`` of a kind, by the
    order of their ids, share one.
    """
    adapter = np.full(len(agent), -1, dtype=np.int64)
    for code in np.flatnonzero(world.adapts).tolist():
        mine = np.flatnonzero(kind == code)
        sharing = world.config.population.kinds[world.kinds[code]].adapter.agents or len(mine)
        if len(mine):
            adapter[mine] = agent[mine][np.arange(len(mine)) // sharing * sharing]
    return adapter


class Adapters:
    """See the module's documentation.

    Args:
        world: The world; some kind has adapters.
        first: First agent.
        kind: [n] kinds of the agents from there on.
        adapter: [n] each agent's adapter; see `adapters_of`.
    """

    def __init__(
        self,
        world: World,
        first: int,
        kind: NDArray[np.integer[Any]],
        adapter: NDArray[np.integer[Any]],
    ) -> None:
        self._world = world
        self._first = first
        self._kind = kind
        self._adapter = adapter
        for code, members in self.members().items():
            members.create(np.unique(adapter[kind == code]).astype(np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of weights and moments."""
        return sum(members.nbytes for members in self.members().values())

    def members(self) -> dict[int, Members]:
        """Return the cohorts with adapters, by kind."""
        codes = np.flatnonzero(self._world.adapts).tolist()
        return {code: self._world.members(code) for code in codes}

    def _block(self, block: int, code: int) -> Ints:
        """Return the adapters of a kind in a block."""
        first, stop = self._world.agents_of(block)
        rows = slice(first - self._first, stop - self._first)
        return np.unique(self._adapter[rows][self._kind[rows] == code]).astype(np.int64)

    # -- a round ---------------------------------------------------------------------------

    def lend(self, agent: NDArray[np.integer[Any]]) -> dict[int, Columns]:
        """Return the adapters of those of some agents who have one, each once.

        Args:
            agent: Agents of this stretch; may repeat.

        Returns:
            Kind to ``agent`` [m] and ``weights`` [m, width].
        """
        lent = {}
        row = agent - self._first
        kind, adapter = self._kind[row], self._adapter[row]
        for code, members in self.members().items():
            mine = np.unique(adapter[kind == code]).astype(np.int64)
            if len(mine):
                lent[code] = Columns({"agent": mine, "weights": members.weights(mine)})
        return lent

    @contextmanager
    def hosting(self, lent: Sequence[Mapping[int, Columns]]) -> Iterator[None]:
        """Have the adapters that other shards lent, inside."""
        parts = [(code, guests) for one in lent for code, guests in one.items()]
        try:
            for code, guests in parts:
                self._world.members(code).host(guests["agent"], guests["weights"])
            yield
        finally:
            for code, guests in parts:
                self._world.members(code).forget(guests["agent"])

    # -- saving ----------------------------------------------------------------------------

    def block_groups(self, block: int) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the adapters of a block for a snapshot, a group for each kind that it has."""
        groups = {}
        for code, members in self.members().items():
            agents = self._block(block, code)
            if len(agents):
                groups[f"{_GROUP}{self._world.kinds[code]}"] = members.state(agents)
        return groups

    def restore_block(self, groups: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        """Take a block's adapters from a snapshot."""
        for name, state in groups.items():
            if name.startswith(_GROUP):
                code = self._world.kinds.index(name.removeprefix(_GROUP))
                self._world.members(code).restore(state)

    def digest(self, block: int) -> bytes:
        """Return the BLAKE3 of a block's weights and moments, as little-endian bytes."""
        state = blake3()
        for name, columns in self.block_groups(block).items():
            for key, column in columns.items():
                state.update(f"{name}.{key}:{column.shape};".encode())
                state.update(np.ascontiguousarray(column, column.dtype.newbyteorder("<")).tobytes())
        return state.digest()
