"""Nested oversight: a live chain in which every level oversees the next, more capable one."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Answer, Argument, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.room import Room


@dataclass
class NestedOversightConfig(ProtocolConfig):
    """Configuration of `NestedOversight`."""

    name: str = "nested_oversight"
    levels: int = 2
    """Levels above the judge, n; the judge is level 0."""


class NestedOversight(Protocol):
    """Level i judges level i + 1, where an honest player reports and an adversary contradicts it.

    Seats: the judge (level 0), and at every level i = 1 … n a ``guard_i`` (honest) and an
    ``adversary_i``. The room of level i opens the room of level i + 1 about the same case, and what
    guard i + 1 ruled there is the report that level i hears; guard n, at the top, reports what it
    knows. Adversary i + 1 hears the report and argues against it; then the overseer of level i
    (the judge at level 0, guard i above) rules. The judge's verdict is the chain's.

    Turns (n = 2; the root, where guard 1 brings its ruling home)::

        turn  seat         kind      sees
        0     guard_1      answer    -
        1     adversary_1  argument  guard_1 0
        2     judge        ruling    guard_1 0, adversary_1 1

    The rooms of the other levels run the same turns with guard_i + 1, adversary_i + 1 and guard_i.

    Its value: if a player that finds a false report supports it (a lie that has come through needs
    no second one), the verdict is right exactly if every overseer wins its game, so for independent
    games P(right) = Π_i P(overseer i beats adversary i + 1), i = 0 … n - 1.

    Source: Engels et al. 2025, "Scaling Laws for Scalable Oversight" (arXiv 2504.18530).
    """

    Config = NestedOversightConfig
    name = "nested_oversight"
    seats: tuple[str, ...] = ("guard_1", "adversary_1", "guard_2", "adversary_2", "judge")
    source = "Engels et al. 2025, arXiv 2504.18530"

    def __init__(self, config: NestedOversightConfig) -> None:
        super().__init__(config)
        self.levels = self._at_least_one("levels", config.levels)
        players = [f"{role}_{i + 1}" for i in range(self.levels) for role in ("guard", "adversary")]
        self.seats = (*players, "judge")

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        self._oversee(room, 0)

    def _oversee(self, room: Room, level: int) -> None:
        overseer, guard, adversary = self._players(level)
        if level + 1 < self.levels:
            above = room.open(room.cases)
            self._oversee(above, level + 1)
            room.absorb(above, guard, to=(overseer, adversary))
        else:
            room.speak(guard, Answer, to=(overseer, adversary))
        room.speak(adversary, Argument, to=(overseer,))
        room.decide(overseer)

    def _players(self, level: int) -> tuple[str, str, str]:
        """Return the overseer of a level, and the honest player and the adversary of the next."""
        overseer = "judge" if level == 0 else f"guard_{level}"
        return overseer, f"guard_{level + 1}", f"adversary_{level + 1}"

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        return self._rows(0)

    def tables_below(self) -> list[list[TurnRow]]:
        """See `Protocol.tables_below`: one for every further level."""
        return [self._rows(level) for level in range(1, self.levels)]

    def _rows(self, level: int) -> list[TurnRow]:
        overseer, guard, adversary = self._players(level)
        return [
            TurnRow(0, guard, Answer),
            TurnRow(1, adversary, Argument, ((0, guard),)),
            TurnRow(2, overseer, MessageKind.RULING, ((0, guard), (1, adversary))),
        ]
