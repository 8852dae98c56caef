"""Propaganda: one argument, then the judge."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.messages import Argument, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.room import Room


@dataclass
class PropagandaConfig(ProtocolConfig):
    """Configuration of `Propaganda`."""

    name: str = "propaganda"
    stance: str = "assigned"
    """assigned (a coin that does not know the truth says for which option to argue) or open (the
    propagandist argues for its own answer)."""


class Propaganda(Protocol):
    """One speech for one side that nobody questions or answers, then the judge decides.

    Turns::

        turn  seat          kind      sees
        0     propagandist  argument  -
        1     judge         ruling    propagandist 0

    Its value: a Bayesian judge's verdict is its prior plus what one speech quotes, and no room
    holds more than one message.

    Source: "propaganda" of Sudhir et al. 2025 (arXiv 2504.03731).
    """

    Config = PropagandaConfig
    name = "propaganda"
    seats = ("propagandist", "judge")
    source = "Sudhir et al. 2025, arXiv 2504.03731"

    def __init__(self, config: PropagandaConfig) -> None:
        super().__init__(config)
        self.assigned = self._one_of("stance", config.stance, ("assigned", "open")) == "assigned"

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        if self.assigned:
            room.assign_stances("propagandist")
        room.speak("propagandist", Argument)
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        return [
            TurnRow(0, "propagandist", Argument),
            TurnRow(1, "judge", MessageKind.RULING, ((0, "propagandist"),)),
        ]
