"""The base of every protocol.

A protocol is one file: a typed configuration, seats, straight-line code over a room, and a table
that says who acts at which turn seeing what. Check it with
`coordination.conformance.check_protocol`.

Example:
    >>> from dataclasses import dataclass
    >>> from coordination.messages import Argument, MessageKind
    >>> from coordination.protocols.base import Protocol, ProtocolConfig
    >>> from coordination.protocols.table import TurnRow
    >>> @dataclass
    ... class PropagandaConfig(ProtocolConfig):
    ...     name: str = "propaganda"
    >>> class Propaganda(Protocol):
    ...     '''One argument, then the judge.'''
    ...     Config = PropagandaConfig
    ...     name = "propaganda"
    ...     seats = ("propagandist", "judge")
    ...     def converse(self, room):
    ...         room.assign_stances("propagandist")
    ...         room.speak("propagandist", Argument)
    ...         room.decide("judge")
    ...     def table(self):
    ...         return [
    ...             TurnRow(0, "propagandist", MessageKind.ARGUMENT),
    ...             TurnRow(1, "judge", MessageKind.RULING, sees=((0, "propagandist"),)),
    ...         ]
    >>> from coordination.conformance import check_protocol
    >>> check_protocol(Propaganda)
    []
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from coordination.protocols.table import TurnRow
from coordination.room import Room
from environments.core.errors import ConfigError, UnknownNameError


@dataclass
class ProtocolConfig:
    """Base of every protocol's configuration."""

    name: str = ""


class Protocol(ABC):
    """Base class of every protocol.

    Args:
        config: An instance of the class's own ``Config``.

    Raises:
        ConfigError: For a value that cannot run.
    """

    Config: ClassVar[type[ProtocolConfig]] = ProtocolConfig
    name: ClassVar[str] = ""
    """Registered name."""
    seats: tuple[str, ...] = ()
    """Seats that must be filled, all of them. A configuration may add one to its class's."""
    source: ClassVar[str] = ""
    """Where the protocol comes from."""

    def __init__(self, config: ProtocolConfig) -> None:
        self.config = config

    def check(self, seats: Iterable[str]) -> None:
        """Refuse a team that cannot hold this conversation.

        Args:
            seats: The seats that are filled: names, or a mapping from them. Where a mapping's
                values are `coordination.room.SeatSpec`, what a seat may see is checked too.

        Raises:
            ConfigError: If a seat is missing.
            UnknownNameError: If there is no such seat.
        """
        given = list(seats)
        where = f"protocol {self.name!r}"
        for seat in given:
            if seat not in self.seats:
                raise UnknownNameError("seat", seat, self.seats, where)
        missing = [seat for seat in self.seats if seat not in given]
        if missing:
            raise ConfigError(
                f"{where} needs the seats {', '.join(self.seats)}; "
                f"nobody sits as {' or '.join(missing)} (filled: {', '.join(given) or 'none'})"
            )

    @abstractmethod
    def converse(self, room: Room) -> None:
        """Hold the conversation in every row of a room, to the last decision."""

    @abstractmethod
    def table(self) -> list[TurnRow]:
        """Return who acts at which turn, seeing what, where everybody reaches everybody."""

    def tables_of_children(self) -> list[list[TurnRow]]:
        """Return the table of each child room that every room opens, in the order of opening."""
        return []

    def _at_least_one(self, key: str, value: int) -> int:
        if value < 1:
            raise ConfigError(f"protocol {self.name!r}: {key}={value}, must be 1 or more")
        return value

    def _one_of(self, key: str, value: str, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            raise UnknownNameError(key, value, allowed, f"protocol {self.name!r}")
        return value
