"""The base of protocols in which a team of any size decides by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from numpy.typing import ArrayLike

from coordination.messages import TEAM, MessageKind
from coordination.protocols.base import Protocol
from coordination.protocols.table import TurnRow, said_by
from coordination.room import Room


class TeamProtocol(Protocol):
    """A protocol without a judge: seats named ``member``, ``member_1`` … decide together.

    The decision is made by `Room.pool` and is that of the pseudo seat ``team``. Subclasses say in
    `turns` what members do, for any number of them; `table` shows a team of three.
    """

    outcome: ClassVar[str] = TEAM
    members: ClassVar[str] = "member"
    least_members: ClassVar[int] = 2

    @abstractmethod
    def turns(self, members: tuple[str, ...]) -> list[TurnRow]:
        """Return the table of turns of a team, the pooled decision included."""

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        return self.table_for(self.example())

    def table_for(self, seats: Iterable[str]) -> list[TurnRow]:
        """See `Protocol.table_for`."""
        return self.turns(self.member_seats(seats))


def vote_privately(
    room: Room, members: tuple[str, ...], rule: str, weights: ArrayLike | None = None
) -> None:
    """Let everybody decide in the same turn, unheard by the others, and pool what they decide."""
    with room.simultaneous():
        for seat in members:
            room.decide(seat)
    room.pool(members, rule, weights)


def vote_turns(turn: int, members: Iterable[str], rows: Sequence[TurnRow] = ()) -> list[TurnRow]:
    """Return the rows of a private vote of all members and of the pooled decision after it.

    Args:
        turn: When they vote.
        members: The members.
        rows: What was said before; everybody sees all that others said.
    """
    speakers = tuple(dict.fromkeys(row.seat for row in rows))
    votes = []
    for seat in members:
        sees = tuple(act for other in speakers if other != seat for act in said_by(rows, other))
        votes.append(TurnRow(turn, seat, MessageKind.RULING, sees))
    return [*votes, TurnRow(turn + 1, TEAM, MessageKind.RULING)]
