"""Delphi: anonymous rounds of statements, each seeing the last round only."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Label
from coordination.protocols.base import ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.protocols.team import TeamProtocol, vote_privately, vote_turns
from coordination.room import Room
from environments.voting import LINEAR, LOGARITHMIC, MAJORITY, PRODUCT


@dataclass
class DelphiConfig(ProtocolConfig):
    """Configuration of `Delphi`."""

    name: str = "delphi"
    rounds: int = 3
    """Times that everybody states a distribution; the last time is what is pooled."""
    rule: str = LINEAR
    """linear, logarithmic, product or majority; see `environments.voting.pool`."""
    anonymous: bool = True
    """Whether who said what is hidden from the members (the ledger knows)."""


class Delphi(TeamProtocol):
    """Members state distributions in rounds, without meeting; the last round is pooled.

    In each round everybody sees what the others stated in the round before, and nothing older,
    under names that are dealt anew each time. What a member stated itself it remembers.

    Turns (three members, 3 rounds)::

        turn  seat      kind    sees
        0     member_1  label   -
        0     member_2  label   -
        0     member_3  label   -
        1     member_1  label   member_2 0, member_3 0
        1     member_2  label   member_1 0, member_3 0
        1     member_3  label   member_1 0, member_2 0
        2     member_1  ruling  member_2 1, member_3 1
        2     member_2  ruling  member_1 1, member_3 1
        2     member_3  ruling  member_1 1, member_2 1
        3     team      ruling  -

    Its value: with members who move the share w of the way to the mean of the others, the mean of
    all stays what it was and disagreement shrinks each round by the factor 1 - w M / (M - 1).

    Source: Dalkey & Helmer 1963; anonymity, controlled feedback, statistical group response.
    """

    Config = DelphiConfig
    name = "delphi"
    source = "Dalkey & Helmer 1963, Manage. Sci. 9, 458"

    def __init__(self, config: DelphiConfig) -> None:
        super().__init__(config)
        self.rounds = self._at_least_one("rounds", config.rounds)
        self.rule = self._one_of("rule", config.rule, (LINEAR, LOGARITHMIC, PRODUCT, MAJORITY))
        self.anonymous = config.anonymous

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        members = self.member_seats(room.seats)
        room.restrict(memory=1, anonymous=self.anonymous)
        for _ in range(self.rounds - 1):
            with room.simultaneous():
                for seat in members:
                    room.speak(seat, Label)
        vote_privately(room, members, self.rule)

    def turns(self, members: tuple[str, ...]) -> list[TurnRow]:
        """See `TeamProtocol.turns`."""
        rows: list[TurnRow] = []
        before: list[TurnRow] = []
        for turn in range(self.rounds - 1):
            now = []
            for seat in members:
                sees = tuple((row.turn, row.seat) for row in before if row.seat != seat)
                now.append(TurnRow(turn, seat, Label, sees))
            rows, before = rows + now, now
        return rows + vote_turns(self.rounds - 1, members, before)
