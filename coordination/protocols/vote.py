"""Vote: everybody decides alone, a rule makes one decision of it."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.protocols.base import ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.protocols.team import TeamProtocol, vote_privately, vote_turns
from coordination.room import Room
from environments.voting import LINEAR, LOGARITHMIC, MAJORITY, PRODUCT


@dataclass
class VoteConfig(ProtocolConfig):
    """Configuration of `Vote`."""

    name: str = "vote"
    rule: str = MAJORITY
    """majority (most votes), or a pool of the members' distributions: linear, logarithmic or
    product; see `environments.voting.pool`."""


class Vote(TeamProtocol):
    """Members decide privately at the same time; nobody speaks.

    Turns (three members)::

        turn  seat      kind    sees
        0     member_1  ruling  -
        0     member_2  ruling  -
        0     member_3  ruling  -
        1     team      ruling  -

    Its value: with n independent members who are right with probability p, the majority is right
    with Σ_{k>n/2} C(n,k) p^k (1-p)^(n-k), ties by a fair coin: .68256 for five at .6.

    Source: Condorcet 1785; pools of distributions: Stone 1961, Genest & Zidek 1986.
    """

    Config = VoteConfig
    name = "vote"
    source = "Condorcet 1785; opinion pools: Genest & Zidek 1986, Statist. Sci. 1, 114"

    def __init__(self, config: VoteConfig) -> None:
        super().__init__(config)
        rules = (MAJORITY, LINEAR, LOGARITHMIC, PRODUCT)
        self.rule = self._one_of("rule", config.rule, rules)

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        vote_privately(room, self.member_seats(room.seats), self.rule)

    def turns(self, members: tuple[str, ...]) -> list[TurnRow]:
        """See `TeamProtocol.turns`."""
        return vote_turns(0, members)
