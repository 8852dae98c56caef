"""Facilitated vote: an advisor explains, then every member votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coordination.messages import Explanation, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.room import Room


@dataclass
class FacilitatedVoteConfig(ProtocolConfig):
    """Configuration of `FacilitatedVote`."""

    name: str = "facilitated_vote"
    members: int = 4
    """Members beside the advisor, 1 or more."""


class FacilitatedVote(Protocol):
    """The advisor explains to all, then the members vote at once; the team takes the plurality.

    The standard round of a population: one strong agent reaches several weak ones with a single
    message, and nobody votes having seen another's vote.

    Turns::

        turn  seat      kind         sees
        0     advisor   explanation  -
        1     member_1  ruling       advisor 0
        1     member_2  ruling       advisor 0
        1     member_3  ruling       advisor 0
        1     member_4  ruling       advisor 0

    Its value: with members who know nothing and trust fully, all vote as the advisor states; with
    members who trust nobody, the plurality of M independent votes of accuracy p is right with
    Condorcet's probability.

    Raises:
        ConfigError: Without a member.
    """

    Config = FacilitatedVoteConfig
    config: FacilitatedVoteConfig
    name = "facilitated_vote"
    seats: ClassVar[tuple[str, ...]] = ("advisor", "member_1", "member_2", "member_3", "member_4")
    source = "facilitation of Zakershahrak et al. 2024, arXiv 2409.07335; Condorcet 1785"

    def __init__(self, config: FacilitatedVoteConfig) -> None:
        super().__init__(config)
        count = self._at_least_one("members", config.members)
        self.members = tuple(f"member_{i + 1}" for i in range(count))
        self.seats = ("advisor", *self.members)  # type: ignore[misc]

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        room.speak("advisor", Explanation)
        with room.simultaneous():
            for member in self.members:
                room.decide(member)

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        votes = (TurnRow(1, m, MessageKind.RULING, ((0, "advisor"),)) for m in self.members)
        return [TurnRow(0, "advisor", Explanation), *votes]
