"""Tables of turns: what a protocol says of itself, in a form that can be checked.

A table lists who acts at which turn and which earlier messages it then sees. `declared` and
`observed` bring a table and a recorded ledger into the same form, so that one test serves every
protocol and configuration; `format_table` is what docstrings show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coordination.channels import reach_of
from coordination.messages import Delivery, Fault, MessageKind
from coordination.seating import HUB
from environments.core.columns import Columns

Act = tuple[int, str]
"""(turn, seat): who acted when."""


@dataclass(frozen=True)
class TurnRow:
    """One act: a message or a ruling."""

    turn: int
    seat: str
    kind: MessageKind
    """What is asked of the seat; `MessageKind.RULING` is a decision, which nobody hears. A pooled
    decision is a ruling of the seat ``team``, which sees nothing but the members' own."""
    sees: tuple[Act, ...] = ()
    """Messages of other seats that it can see, where everybody reaches everybody. What a seat said
    itself it remembers anyway."""


@dataclass(frozen=True)
class Seen:
    """One act with what was visible to it."""

    turn: int
    seat: str
    kind: str
    sees: frozenset[Act]


def said_by(rows: Iterable[TurnRow], *seats: str, before: int | None = None) -> tuple[Act, ...]:
    """Return the messages of some seats in a table, those before a turn if one is given."""
    return tuple(
        (row.turn, row.seat)
        for row in rows
        if row.seat in seats
        and row.kind != MessageKind.RULING
        and (before is None or row.turn < before)
    )


class TableOfTurns:
    """Writes a table down in the order in which the protocol acts.

    Example:
        >>> turns = TableOfTurns()
        >>> turns.act("consultant", MessageKind.ARGUMENT, hears=("judge",))
        >>> turns.act("judge", MessageKind.RULING, hears=("consultant",))
        >>> turns.rows[1].sees
        ((0, 'consultant'),)
    """

    def __init__(self) -> None:
        self.rows: list[TurnRow] = []
        self._turn = 0

    def act(self, seat: str, kind: MessageKind, hears: Sequence[str]) -> None:
        """Add an act with a turn of its own, seeing all that some seats said before."""
        self.together([(seat, kind, hears)])

    def together(self, acts: Iterable[tuple[str, MessageKind, Sequence[str]]]) -> None:
        """Add acts of one turn: (seat, kind, seats that it hears)."""
        turn = self._turn
        for seat, kind, hears in acts:
            self.rows.append(TurnRow(turn, seat, kind, said_by(self.rows, *hears, before=turn)))
        self._turn += 1


def declared(
    rows: Sequence[TurnRow], topology: str, seats: tuple[str, ...], hub: str = HUB
) -> list[Seen]:
    """Return what a table says, under a topology that may let less through."""
    reach = reach_of(topology, seats, hub)
    return sorted(
        (
            Seen(
                row.turn,
                row.seat,
                row.kind.name,
                frozenset(a for a in row.sees if reach[seats.index(a[1]), seats.index(row.seat)]),
            )
            for row in rows
        ),
        key=lambda seen: (seen.turn, seen.seat),
    )


def observed(tables: Mapping[str, Columns], room_id: int, seats: tuple[str, ...]) -> list[Seen]:
    """Return what a ledger's rows say of one room: acts, and what had been delivered to them."""
    messages, deliveries, decisions = (
        tables[name].take(tables[name]["room_id"] == room_id)
        for name in ("messages", "deliveries", "decisions")
    )
    acts = [
        (int(turn), str(seat), MessageKind(int(kind)).name)
        for turn, seat, kind in zip(
            messages["turn"], messages["seat"], messages["kind"], strict=True
        )
    ]
    acts += [
        (int(turn), str(seat), MessageKind.RULING.name)
        for turn, seat, presentation, probe in zip(
            decisions["turn"],
            decisions["seat"],
            decisions["presentation"],
            decisions["probe"],
            strict=True,
        )
        if presentation == -1 and not probe
    ]
    rooms = tables["rooms"]
    memory = int(rooms["memory"][rooms["room_id"] == room_id][0])
    arrived = deliveries.take(deliveries["status"] == Delivery.DELIVERED)
    copies = list(
        zip(
            arrived["turn"].tolist(),
            [seats[code] for code in arrived["sender"].tolist()],
            [seats[code] for code in arrived["recipient"].tolist()],
            arrived["delivered_turn"].tolist(),
            strict=True,
        )
    )
    return sorted(
        (
            Seen(
                turn,
                seat,
                kind,
                frozenset(
                    (t, s)
                    for t, s, to, due in copies
                    if to == seat and due <= turn and (not memory or turn < due + memory)
                ),
            )
            for turn, seat, kind in acts
        ),
        key=lambda seen: (seen.turn, seen.seat),
    )


def faults(tables: Mapping[str, Columns]) -> int:
    """Return the number of faulty messages and decisions."""
    return sum(int((tables[t]["fault"] != Fault.NONE).sum()) for t in ("messages", "decisions"))


def format_table(rows: Sequence[TurnRow]) -> str:
    """Return a table as text: turn, seat, kind and what is seen (``proponent 0-2`` …)."""
    cells = [("turn", "seat", "kind", "sees")]
    for row in rows:
        cells.append((str(row.turn), row.seat, row.kind.name.lower(), _format_acts(row.sees)))
    widths = [max(len(line[i]) for line in cells) for i in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(line[:3], widths, strict=True)), line[3]])
        for line in cells
    )


def _format_acts(acts: tuple[Act, ...]) -> str:
    by_seat: dict[str, list[int]] = {}
    for turn, seat in acts:
        by_seat.setdefault(seat, []).append(turn)
    shown = []
    for seat, turns in by_seat.items():
        turns = sorted(turns)
        run = turns == list(range(turns[0], turns[-1] + 1)) and len(turns) > 1
        shown.append(f"{seat} {turns[0]}-{turns[-1]}" if run else f"{seat} {_listed(turns)}")
    return ", ".join(shown) or "-"


def _listed(turns: list[int]) -> str:
    return "+".join(str(turn) for turn in turns)
