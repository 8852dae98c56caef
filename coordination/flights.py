"""What is in flight in a room: asks whose answers nobody may read yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import ProtocolError


@dataclass(frozen=True)
class Flight:
    """One thing that a protocol does in a turn, between asking and landing."""

    seat: str
    rows: NDArray[np.int64]
    land: Callable[[], Any]
    """Waits for the answers and enters them in the state; does not end the turn."""


def rows_of(flights: Sequence[Flight]) -> NDArray[np.int64]:
    """Return the rooms of some flights, each once, ascending."""
    first = flights[0].rows
    if all(np.array_equal(first, other.rows) for other in flights[1:]):
        return first
    return np.unique(np.concatenate([flight.rows for flight in flights]))


@dataclass
class Flights:
    """What is in flight in a state."""

    open: bool = False
    """Whether a simultaneous block is being filled."""
    waiting: list[Flight] = field(default_factory=list)

    def add(self, flight: Flight) -> None:
        """Take a flight into the simultaneous block.

        Raises:
            ProtocolError: If the seat already acts in one of these rooms in this turn.
        """
        for other in self.waiting:
            if other.seat == flight.seat and len(np.intersect1d(other.rows, flight.rows)):
                raise ProtocolError(
                    f"seat {flight.seat!r} acts twice in one turn of a simultaneous block"
                )
        self.waiting.append(flight)
