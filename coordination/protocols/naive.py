"""The judge alone: what every other protocol is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.room import Room


@dataclass
class NaiveConfig(ProtocolConfig):
    """Configuration of `Naive`."""

    name: str = "naive"


class Naive(Protocol):
    """The judge decides from what it sees itself; nobody speaks.

    Turns::

        turn  seat   kind    sees
        0     judge  ruling  -

    Its value: a Bayesian judge's verdict is exactly its own assessment, whatever the evidence that
    others hold.

    Source: the "naive" or "blind" baseline of Khan et al. 2024 (arXiv 2402.06782) and Kenton et
    al. 2024 (arXiv 2407.04622).
    """

    Config = NaiveConfig
    name = "naive"
    seats = ("judge",)
    source = "Khan et al. 2024, arXiv 2402.06782 (naive baseline)"

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        return [TurnRow(0, "judge", MessageKind.RULING)]
