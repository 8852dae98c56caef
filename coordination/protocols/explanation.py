"""Explanation: an adviser says what it answers and why."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Explanation, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.room import Room


@dataclass
class ExplanationConfig(ProtocolConfig):
    """Configuration of `ExplanationProtocol`."""

    name: str = "explanation"


class ExplanationProtocol(Protocol):
    """The advisor explains its own answer and states a distribution, then the judge decides.

    The stated distribution (`Room.stated`) is what the facilitation function Φ teaches: what the
    strong agent says, never what it privately believes.

    Turns::

        turn  seat     kind         sees
        0     advisor  explanation  -
        1     judge    ruling       advisor 0

    Its value: the only one of these protocols in which a distribution is stated to the judge; an
    honest Bayesian advisor's is exactly the full-information posterior.

    Source: the facilitation function of Zakershahrak et al. 2024, "Explanation, Debate, Align"
    (arXiv 2409.07335).
    """

    Config = ExplanationConfig
    name = "explanation"
    seats = ("advisor", "judge")
    source = "Zakershahrak et al. 2024, arXiv 2409.07335"

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        room.speak("advisor", Explanation)
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        return [
            TurnRow(0, "advisor", Explanation),
            TurnRow(1, "judge", MessageKind.RULING, ((0, "advisor"),)),
        ]
