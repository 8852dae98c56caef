"""Facilitated vote: an advisor explains, then every member votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coordination.messages import Explanation
from coordination.protocols.base import ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.protocols.team import TeamProtocol, vote_privately, vote_turns
from coordination.room import Room
from environments.voting import MAJORITY


@dataclass
class FacilitatedVoteConfig(ProtocolConfig):
    """Configuration of `FacilitatedVote`."""

    name: str = "facilitated_vote"


class FacilitatedVote(TeamProtocol):
    """The advisor explains to all, then the members vote at once; the team takes the majority.

    The standard round of a population: one strong agent reaches several weak ones with a single
    message, and nobody votes having seen another's vote. The advisor does not vote.

    Turns (three members)::

        turn  seat      kind         sees
        0     advisor   explanation  -
        1     member_1  ruling       advisor 0
        1     member_2  ruling       advisor 0
        1     member_3  ruling       advisor 0
        2     team      ruling       -

    Its value: members who know nothing and trust fully all vote as the advisor states, so the team
    is as accurate as one honest advisor; members who trust nobody are Condorcet's independent
    voters.

    Source: facilitation of Zakershahrak et al. 2024 (arXiv 2409.07335); Condorcet 1785.
    """

    Config = FacilitatedVoteConfig
    name = "facilitated_vote"
    seats = ("advisor",)
    least_members: ClassVar[int] = 1
    source = "facilitation of Zakershahrak et al. 2024, arXiv 2409.07335; Condorcet 1785"

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        room.speak("advisor", Explanation)
        vote_privately(room, self.member_seats(room.seats), MAJORITY)

    def turns(self, members: tuple[str, ...]) -> list[TurnRow]:
        """See `TeamProtocol.turns`."""
        advice = [TurnRow(0, "advisor", Explanation)]
        return [*advice, *vote_turns(1, members, advice)]
