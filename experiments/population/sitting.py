"""Where the agents of some seats are found in a stretch of agents.

Most rounds seat nearly everybody, and nobody twice. Then what is done seat by seat is done in the
order of agents instead: columns are read and written from one end to the other, and only narrow
columns are brought from one order into the other.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.population.seated import Seated

Ints = NDArray[np.int64]


class Sitting:
    """See the module's documentation.

    Args:
        seated: N seats of agents of a stretch.
        first: The stretch's first agent.
        n: Its number of agents.
        wide: K - 1 numbers are kept of each topic: of those, [T · (K-1), n] in all, places lead to
            the topic's first, and the others follow n apart.
    """

    def __init__(self, seated: Seated, first: int, n: int, wide: int) -> None:
        self.seated = seated
        self.n = n
        self._topic = np.int64(wide * n)
        self.row: Ints = np.subtract(seated.agent, first, dtype=np.int64)
        """[N] row of each seat's agent."""

    @cached_property
    def sat(self) -> NDArray[np.bool_]:
        """[n] who sits anywhere."""
        return self.by_agent(np.broadcast_to(np.True_, len(self.row)), False)

    @cached_property
    def once(self) -> bool:
        """Whether nobody sits in two seats."""
        return np.count_nonzero(self.sat) == len(self.row)

    @property
    def in_order(self) -> bool:
        """Whether it is faster to read in the order of agents, and there is one."""
        return 2 * len(self.row) >= self.n and self.once

    @cached_property
    def place(self) -> Ints:
        """[N] place of each seat's agent and topic."""
        return self.seated.topic * self._topic + self.row

    @cached_property
    def place_of_agent(self) -> Ints:
        """[n] place of each agent and the topic of its one seat; the first where it has none."""
        place = self.by_agent(self.seated.topic, 0) * self._topic
        place += np.arange(self.n)
        return place

    def by_agent(self, values: NDArray[Any], absent: float) -> NDArray[Any]:
        """Return values by seat, [N], as values by agent, [n]; of nobody's seat, ``absent``."""
        out = np.full(self.n, absent, dtype=values.dtype)
        out[self.row] = values
        return out
