"""Channels: what becomes of a message on its way to each seat.

Every message is *sent* to the seats that it addresses and that the topology lets it reach, and each
of these copies ends in exactly one `Delivery` status, so that always::

    sent = delivered + in flight + over budget + dropped + expired

Budgets, delay and loss are further channels: subclass `Channel` and let `deliver` return other
statuses or later turns. Rooms and the ledger already treat a copy that is due after the last turn
as in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.messages import Delivery
from coordination.seating import RoomRules
from environments.core.errors import ConfigError, UnknownNameError

NOT_SENT = -1
"""Status of a seat that a message does not address or cannot reach (no delivery row)."""


@dataclass(frozen=True)
class Posted:
    """Messages of one seat, one row a room, as a channel sees them."""

    room_id: NDArray[np.int64]
    turn: NDArray[np.int64]
    sender: int
    """Seat code."""
    to: NDArray[np.bool_]
    """[S] seats that are addressed."""
    words: NDArray[np.int64]
    faulty: NDArray[np.bool_]
    """[n] rows in which nothing was said: nothing is sent."""


@dataclass(frozen=True)
class Routed:
    """What became of posted messages, for each of S seats."""

    status: NDArray[np.int64]
    """[n, S] `Delivery` codes; `NOT_SENT` where there is no copy."""
    due: NDArray[np.int64]
    """[n, S] the first turn whose asks may show the message; -1 where it never arrives."""


def complete(seats: tuple[str, ...], hub: str) -> NDArray[np.bool_]:
    """Everybody hears everybody else. Returns [S, S]: sender by recipient."""
    return ~np.eye(len(seats), dtype=bool)


def star(seats: tuple[str, ...], hub: str) -> NDArray[np.bool_]:
    """The hub hears all and all hear the hub; the others do not hear each other.

    Raises:
        ConfigError: If no seat is the hub.
    """
    if hub not in seats:
        raise ConfigError(f"topology 'star' needs the seat {hub!r}; seats are {', '.join(seats)}")
    middle = seats.index(hub)
    reach = np.zeros((len(seats), len(seats)), dtype=bool)
    reach[middle, :] = reach[:, middle] = True
    reach[middle, middle] = False
    return reach


TOPOLOGIES: dict[str, Callable[[tuple[str, ...], str], NDArray[np.bool_]]] = {
    "complete": complete,
    "star": star,
}
"""Name to a function from (seats, hub) to who reaches whom, [S, S] sender by recipient."""


def reach_of(topology: str, seats: tuple[str, ...], hub: str) -> NDArray[np.bool_]:
    """Return who reaches whom under a named topology, [S, S] sender by recipient.

    Raises:
        UnknownNameError: If there is no such topology.
        ConfigError: If a star has no hub among its seats.
    """
    if topology not in TOPOLOGIES:
        raise UnknownNameError("topology", topology, TOPOLOGIES, "topology")
    return TOPOLOGIES[topology](seats, hub)


class Channel:
    """Delivers everything that the topology allows, in time for the next turn.

    Args:
        rules: Names the topology.
        seats: The seats of the room; a seat's code is its position.
    """

    def __init__(self, rules: RoomRules, seats: tuple[str, ...]) -> None:
        self.reach = reach_of(rules.topology, seats, rules.hub)

    def deliver(self, posted: Posted) -> Routed:
        """Return what becomes of each message for each seat; a pure function of its argument."""
        copies = (self.reach[posted.sender] & posted.to)[None, :] & ~posted.faulty[:, None]
        status = np.where(copies, int(Delivery.DELIVERED), NOT_SENT)
        due = np.where(copies, posted.turn[:, None] + 1, -1)
        return Routed(status, due)
