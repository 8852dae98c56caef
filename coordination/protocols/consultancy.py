"""Consultancy: one adviser talks to the judge."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Argument, MessageKind, Question
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow, said_by
from coordination.room import Room


@dataclass
class ConsultancyConfig(ProtocolConfig):
    """Configuration of `Consultancy`."""

    name: str = "consultancy"
    rounds: int = 3
    """Speeches of the consultant."""
    stance: str = "assigned"
    """assigned (a coin that does not know the truth says for which option to argue: with two
    options the right one half of the time) or open (the consultant argues for its own answer)."""
    questions: bool = False
    """Whether the judge asks a question before every round but the first."""


class Consultancy(Protocol):
    """One consultant argues over some rounds, then the judge decides.

    Turns (3 rounds, without questions)::

        turn  seat        kind      sees
        0     consultant  argument  -
        1     consultant  argument  -
        2     consultant  argument  -
        3     judge       ruling    consultant 0-2

    With questions the judge speaks between two rounds, having seen what was said so far, and the
    consultant sees the question.

    Its value: a judge who believes whatever it is told is right with the frequency of the coin
    (one half), and its agent score difference is 0; a Bayesian judge's verdict is its prior plus
    the quoted evidence of one side.

    Source: Michael et al. 2023 (arXiv 2311.08702); "open" is open consultancy of Kenton et al.
    2024 (arXiv 2407.04622).
    """

    Config = ConsultancyConfig
    name = "consultancy"
    seats = ("consultant", "judge")
    source = "Michael et al. 2023, arXiv 2311.08702; Kenton et al. 2024, arXiv 2407.04622"

    def __init__(self, config: ConsultancyConfig) -> None:
        super().__init__(config)
        self.rounds = self._at_least_one("rounds", config.rounds)
        self.assigned = self._one_of("stance", config.stance, ("assigned", "open")) == "assigned"
        self.questions = config.questions

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        if self.assigned:
            room.assign_stances("consultant")
        for number in range(self.rounds):
            if self.questions and number > 0:
                room.speak("judge", Question)
            room.speak("consultant", Argument)
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        rows: list[TurnRow] = []

        def act(seat: str, kind: MessageKind, other: str) -> None:
            rows.append(TurnRow(len(rows), seat, kind, said_by(rows, other)))

        for number in range(self.rounds):
            if self.questions and number > 0:
                act("judge", Question, "consultant")
            act("consultant", Argument, "judge")
        act("judge", MessageKind.RULING, "consultant")
        return rows
