"""Direct answer with the source: the upper reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coordination.messages import MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow
from coordination.room import Room, SeatSpec
from environments.base import PUBLIC
from environments.core.errors import ConfigError


@dataclass
class DirectConfig(ProtocolConfig):
    """Configuration of `Direct`."""

    name: str = "direct"


class Direct(Protocol):
    """The judge sees the source itself and decides; nobody speaks.

    The seat's information must be more than public (normally "source"); a room with a judge of
    public information is refused, since that would be `Naive` under a better name.

    Turns::

        turn  seat   kind    sees
        0     judge  ruling  -

    Its value: a Bayesian judge's verdict is exactly the full-information posterior.

    Source: question answering "with article" of Kenton et al. 2024 (arXiv 2407.04622), "expert"
    judge of Khan et al. 2024 (arXiv 2402.06782).
    """

    Config = DirectConfig
    name = "direct"
    seats = ("judge",)
    source = "Kenton et al. 2024, arXiv 2407.04622 (direct QA with article)"

    def check(self, seats: Iterable[str]) -> None:
        """See `Protocol.check`; also refuses a judge that sees the public context only."""
        super().check(seats)
        judge = seats["judge"] if isinstance(seats, Mapping) else None
        if isinstance(judge, SeatSpec):
            self._must_see(judge)

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`.

        Raises:
            ConfigError: If the judge sees the public context only.
        """
        self._must_see(room.seat("judge"))
        room.decide("judge")

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`."""
        return [TurnRow(0, "judge", MessageKind.RULING)]

    def _must_see(self, judge: SeatSpec) -> None:
        if judge.information == PUBLIC:
            raise ConfigError(
                "protocol 'direct': the judge has information 'public', it must see the source "
                "(information: source)"
            )
