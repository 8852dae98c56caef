"""Mediated discussion: a facilitator asks between the rounds and sums up, then all vote."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Argument, Explanation, MessageKind, Question
from coordination.protocols.base import ProtocolConfig
from coordination.protocols.table import TurnRow, said_by
from coordination.protocols.team import TeamProtocol, vote_privately, vote_turns
from coordination.room import Room
from environments.voting import LINEAR, LOGARITHMIC, MAJORITY, PRODUCT

FACILITATOR = "facilitator"


@dataclass
class MediatedConfig(ProtocolConfig):
    """Configuration of `Mediated`."""

    name: str = "mediated"
    rounds: int = 2
    """Rounds in which all members speak."""
    questions: bool = True
    """Whether the facilitator asks before every round but the first."""
    summary: bool = True
    """Whether it sums up before the vote."""
    rule: str = MAJORITY
    """majority, linear, logarithmic or product; see `environments.voting.pool`."""


class Mediated(TeamProtocol):
    """Members discuss in rounds that a facilitator steers, then vote privately.

    The facilitator does not vote. Without questions and summary it is present and silent: a plain
    discussion of the same length, to compare with.

    Turns (three members, 2 rounds)::

        turn  seat         kind         sees
        0     member_1     argument     -
        0     member_2     argument     -
        0     member_3     argument     -
        1     facilitator  question     member_1 0, member_2 0, member_3 0
        2     member_1     argument     facilitator 1, member_2 0, member_3 0
        2     member_2     argument     facilitator 1, member_1 0, member_3 0
        2     member_3     argument     facilitator 1, member_1 0, member_2 0
        3     facilitator  explanation  member_1 0+2, member_2 0+2, member_3 0+2
        4     member_1     ruling       member_2 0+2, member_3 0+2, facilitator 1+3
        4     member_2     ruling       member_1 0+2, member_3 0+2, facilitator 1+3
        4     member_3     ruling       member_1 0+2, member_2 0+2, facilitator 1+3
        5     team         ruling       -

    Its value: a team that pools everything decides as the full-information posterior does; where
    members discount what speaks against their first preference entirely, decisions stay those of a
    silent vote however much the facilitator makes them share.

    Source: an LLM facilitator in hidden-profile teams, Alsobay et al. 2025.
    """

    Config = MediatedConfig
    name = "mediated"
    seats = (FACILITATOR,)
    source = "Alsobay et al. 2025 (LLM facilitation of hidden-profile teams)"

    def __init__(self, config: MediatedConfig) -> None:
        super().__init__(config)
        self.rounds = self._at_least_one("rounds", config.rounds)
        self.rule = self._one_of("rule", config.rule, (MAJORITY, LINEAR, LOGARITHMIC, PRODUCT))
        self.questions, self.summary = config.questions, config.summary

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        members = self.member_seats(room.seats)
        for number in range(self.rounds):
            if number and self.questions:
                room.speak(FACILITATOR, Question)
            with room.simultaneous():
                for seat in members:
                    room.speak(seat, Argument)
        if self.summary:
            room.speak(FACILITATOR, Explanation)
        vote_privately(room, members, self.rule)

    def turns(self, members: tuple[str, ...]) -> list[TurnRow]:
        """See `TeamProtocol.turns`."""
        rows: list[TurnRow] = []
        turn = 0

        def add(seats: tuple[str, ...], kind: MessageKind) -> None:
            nonlocal turn
            for seat in seats:
                others = (o for o in (FACILITATOR, *members) if o != seat)
                sees = (act for other in others for act in said_by(rows, other, before=turn))
                rows.append(TurnRow(turn, seat, kind, tuple(sees)))
            turn += 1

        for number in range(self.rounds):
            if number and self.questions:
                add((FACILITATOR,), Question)
            add(members, Argument)
        if self.summary:
            add((FACILITATOR,), Explanation)
        return rows + vote_turns(turn, members, rows)
