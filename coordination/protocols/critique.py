"""Critique: a proposal, its flaws, and a judge."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Critique, Explanation, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TableOfTurns, TurnRow
from coordination.room import Room


@dataclass
class CritiqueConfig(ProtocolConfig):
    """Configuration of `CritiqueProtocol`."""

    name: str = "critique"
    critic: str = "against"
    """against (the critic must speak against the proposal: it gets another option to argue for) or
    free (it says what it believes, and may support the proposal)."""
    critiques: int = 1
    """Speeches of the critic."""


class CritiqueProtocol(Protocol):
    """The proposer explains its own answer, a critic points at its flaws, the judge decides.

    Unlike in a debate the two do not stand on the same foot: the proposal is the proposer's own
    answer with its distribution, it is not defended, and the critic has read it.

    Turns::

        turn  seat      kind         sees
        0     proposer  explanation  -
        1     critic    critique     proposer 0
        2     judge     ruling       proposer 0, critic 1

    Its value: the only protocol in which the judge hears one stated distribution and the strongest
    quoted evidence against it.

    Source: Saunders et al. 2022 (arXiv 2206.05802); McAleese et al. 2024 (arXiv 2407.00215).
    """

    Config = CritiqueConfig
    name = "critique"
    seats = ("proposer", "critic", "judge")
    source = "Saunders et al. 2022, arXiv 2206.05802"

    def __init__(self, config: CritiqueConfig) -> None:
        super().__init__(config)
        self.against = self._one_of("critic", config.critic, ("against", "free")) == "against"
        self.critiques = self._at_least_one("critiques", config.critiques)

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        room.speak("proposer", Explanation)
        if self.against:
            room.assign_stance("critic", room.rivals(room.argued("proposer")))
        for _ in range(self.critiques):
            room.speak("critic", Critique)
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        turns = TableOfTurns()
        turns.act("proposer", Explanation, ("critic", "judge"))
        for _ in range(self.critiques):
            turns.act("critic", Critique, ("proposer", "judge"))
        turns.act("judge", MessageKind.RULING, ("proposer", "critic"))
        return turns.rows
