"""Debate: two sides argue before a judge."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Argument, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow, said_by
from coordination.room import Room

SIDES = ("proponent", "opponent")


@dataclass
class DebateConfig(ProtocolConfig):
    """Configuration of `Debate`."""

    name: str = "debate"
    rounds: int = 3
    """Speeches of each side."""
    order: str = "simultaneous"
    """simultaneous (neither sees the other's speech of the current round) or sequential (from the
    second round on the opponent sees the proponent's)."""


class Debate(Protocol):
    """Two sides argue for different options over some rounds, then the judge decides.

    Sides are dealt by a coin that does not know the truth. Of more than two options a pair is
    drawn, the same for every conversation about a case; where the truth is not in it the verdict
    is scored all the same.

    Turns (3 rounds, simultaneous)::

        turn  seat       kind      sees
        0     proponent  argument  -
        0     opponent   argument  -
        1     proponent  argument  opponent 0
        1     opponent   argument  proponent 0
        2     proponent  argument  opponent 0-1
        2     opponent   argument  proponent 0-1
        3     judge      ruling    proponent 0-2, opponent 0-2

    Sequential: the first round is the same; later each side has its own turn, and the opponent
    sees what the proponent has just said. In a star the sides do not hear each other.

    Its value: a Bayesian judge's verdict is its prior plus the quoted evidence of both sides, each
    fact once; where the sides together quote everything, the full-information posterior.

    Source: Irving et al. 2018 (arXiv 1805.00899); rounds, simultaneity and quotes as in Khan et
    al. 2024 (arXiv 2402.06782) and Kenton et al. 2024 (arXiv 2407.04622).
    """

    Config = DebateConfig
    name = "debate"
    seats = (*SIDES, "judge")
    source = "Irving et al. 2018, arXiv 1805.00899; Khan et al. 2024, arXiv 2402.06782"

    def __init__(self, config: DebateConfig) -> None:
        super().__init__(config)
        self.rounds = self._at_least_one("rounds", config.rounds)
        self.order = self._one_of("order", config.order, ("simultaneous", "sequential"))

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        room.assign_stances("proponent", "opponent")
        for number in range(self.rounds):
            if self._together(number):
                with room.simultaneous():
                    room.speak("proponent", Argument)
                    room.speak("opponent", Argument)
            else:
                room.speak("proponent", Argument)
                room.speak("opponent", Argument)
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        rows: list[TurnRow] = []
        turn = 0
        for number in range(self.rounds):
            for seat, other in (SIDES, SIDES[::-1]):
                rows.append(TurnRow(turn, seat, Argument, said_by(rows, other, before=turn)))
                turn += not self._together(number)
            turn += self._together(number)
        sees = said_by(rows, "proponent") + said_by(rows, "opponent")
        return [*rows, TurnRow(turn, "judge", MessageKind.RULING, sees)]

    def _together(self, number: int) -> bool:
        return self.order == "simultaneous" or number == 0
