"""What a seat may see: asks computed from delivery statuses, for all rooms at once.

Nothing here is stored. A seat hears a message if a copy was delivered to it and is due by the
current turn of the room; it also remembers what it said itself. It knows an item of evidence if it
holds it, or if a message that it heard really carried it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coordination.cohort import Asks, Heard
from coordination.messages import Delivery, Fault, MessageKind
from coordination.rendering import message_text, quote_lines, quoted
from environments.core.columns import frozen
from environments.core.keyed import hash_id

if TYPE_CHECKING:
    from coordination.said import Said
    from coordination.state import RoomState

# Columns that a batch and `Heard` have in common.
_COPIED = ("turn", "agent_id", "stance", "confidence", "stated", "quotes", "verified", "words")


@dataclass(frozen=True)
class Question:
    """What a room wants to ask."""

    seat: str
    intent: MessageKind
    swapped: bool = False
    """Whether options are presented in reverse."""
    probe: bool = False
    given: Said | None = None
    """A draft that the seat is to imagine having heard."""
    without: tuple[MessageKind | str, ...] | None = None
    """Kinds and seats whose messages the seat is to imagine never having heard. Such an ask has the
    id of a real one at the same turn, so that chance is the same whatever is left out."""

    def leaves_out(self, seat: str, kind: MessageKind) -> bool:
        """Say whether a message of another seat is imagined away."""
        left_out = self.without or ()
        return seat in left_out or kind in left_out


def reaching(
    state: RoomState, question: Question, rows: NDArray[np.int64]
) -> list[tuple[Said, NDArray[np.int64], NDArray[np.int64]]]:
    """Return what reaches a seat for a question: batch, its picked entries, their places.

    ``places`` are positions in ``rows``.
    """
    seat, given = question.seat, question.given
    code = state.code(seat)
    place = np.full(state.n, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    found = []
    for said in [*state.said, *([given] if given is not None else [])]:
        if said.sender == code:
            reached = said.fault == Fault.NONE
        elif question.leaves_out(state.names[said.sender], said.kind):
            continue
        else:
            on_time = said.due[:, code] <= state.turn[said.rows]
            reached = (said.status[:, code] == Delivery.DELIVERED) & on_time
        picked = np.flatnonzero(reached & (place[said.rows] >= 0))
        if len(picked):
            found.append((said, picked, place[said.rows[picked]]))
    return found


def known_items(state: RoomState, seat: str, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the items that the seat holds or has been told of, [n, E]."""
    known = state.held(seat)[rows].copy()
    _learn(known, reaching(state, Question(seat, MessageKind.RULING), rows))
    return known


def kinds_heard(
    state: RoomState, seat: str, rows: NDArray[np.int64]
) -> dict[MessageKind, NDArray[np.bool_]]:
    """Return which kinds of messages others have sent to a seat, and in which rows, [n] each."""
    heard: dict[MessageKind, NDArray[np.bool_]] = {}
    code = state.code(seat)
    for said, _, places in reaching(state, Question(seat, MessageKind.RULING), rows):
        if said.sender != code:
            heard.setdefault(said.kind, np.zeros(len(rows), dtype=bool))[places] = True
    return dict(sorted(heard.items()))


def _learn(known: NDArray[np.bool_], found: list) -> None:
    for said, picked, places in found:
        row, slot = np.nonzero(said.real[picked])
        known[places[row], said.quotes[picked][row, slot]] = True


def build_asks(state: RoomState, rows: NDArray[np.int64], question: Question) -> Asks:
    """Return the asks of one seat in some rooms.

    ``Asks.turn`` is that of the first row; rows of other turns are split off by the caller.
    """
    seat, spec = question.seat, state.seats[question.seat]
    found = reaching(state, question, rows)
    known = state.held(seat)[rows].copy()
    _learn(known, found)
    reads = state.crew.reads_text(spec.agent_id[rows])
    cases = state.cases_at(rows)
    return Asks(
        intent=question.intent,
        seat=seat,
        seats=state.names,
        tick=state.place.tick,
        turn=int(state.turn[rows[0]]),
        probe=question.probe,
        verification=state.rules.verification,
        word_limit=state.rules.word_limit,
        ask_id=frozen(_ask_ids(state, rows, question)),
        agent_id=frozen(spec.agent_id[rows]),
        room_id=frozen(state.room_id[rows]),
        case_id=frozen(cases.case_id),
        replicate=frozen(state.replicate[rows]),
        version=frozen(spec.version[rows]),
        stance=frozen(state.stance[seat][rows]),
        option_order=frozen(_order(cases.n_options, cases.width, question.swapped)),
        n_options=frozen(cases.n_options),
        assessment=frozen(state.assessment(seat)[rows]),
        llr=frozen(np.where(known[:, :, None], cases.evidence.llr, 0.0)),
        held=frozen(state.held(seat)[rows]),
        forged_strength=state.environment.forged_strength,
        heard=_heard(state, found, reads),
        text=state.texts.view(rows, known) if reads else None,
    )


def presented(state: RoomState, rows: NDArray[np.int64], asks: Asks, swapped: bool) -> Asks:
    """Return the same asks under a presentation order, with ids of their own."""
    return replace(
        asks,
        ask_id=frozen(_ask_ids(state, rows, Question(asks.seat, asks.intent, swapped))),
        option_order=frozen(_order(asks.n_options, state.cases.width, swapped)),
    )


def _ask_ids(state: RoomState, rows: NDArray[np.int64], question: Question) -> NDArray[np.int64]:
    own = question.probe and question.without is None
    number = state.drafts[rows] + 1 if own else np.zeros(len(rows), np.int64)
    code, order = state.code(question.seat), int(question.swapped)
    return hash_id(state.room_id[rows], code, state.turn[rows], order, number)


def _order(n_options: NDArray[np.int64], width: int, swapped: bool) -> NDArray[np.int64]:
    """Return the presentation order: the environment's own, or its reverse; padding stays last."""
    own = np.broadcast_to(np.arange(width), (len(n_options), width))
    if not swapped:
        return own
    return np.where(own < n_options[:, None], n_options[:, None] - 1 - own, own)


def _heard(state: RoomState, found: list, reads: bool) -> Heard:
    """Put batches together, sorted by (row, turn, sender)."""
    width, quotes = state.cases.width, state.rules.max_quotes
    empty = {
        "stated": np.empty((0, width)),
        "quotes": np.empty((0, quotes), np.int64),
        "verified": np.empty((0, quotes), bool),
        "confidence": np.empty(0),
    }
    parts: dict[str, list[NDArray]] = {name: [empty.get(name, _NONE)] for name in _COPIED}
    row, sender, kind, text = [_NONE], [_NONE], [_NONE], [np.empty(0, object)]
    for said, picked, places in found:
        for name in _COPIED:
            parts[name].append(getattr(said, name)[picked])
        row.append(places)
        sender.append(np.full(len(picked), said.sender))
        kind.append(np.full(len(picked), int(said.kind)))
        text.append(_texts(state, said, picked) if reads else np.full(len(picked), "", object))
    columns = {name: np.concatenate(values) for name, values in parts.items()}
    columns |= {
        "row": np.concatenate(row),
        "sender": np.concatenate(sender),
        "kind": np.concatenate(kind),
        "text": np.concatenate(text),
    }
    if len(found) > 1:
        last = int(columns["turn"].max(initial=0)) + 1
        place = (columns["row"] * last + columns["turn"]) * len(state.names) + columns["sender"]
        order = np.argsort(place, kind="stable")
        columns = {name: value[order] for name, value in columns.items()}
    return Heard(**{name: frozen(value) for name, value in columns.items()})


_NONE = np.empty(0, dtype=np.int64)


def _texts(state: RoomState, said: Said, picked: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return messages as text. Verified quotes are left to the reader, which marks them.

    What a numeric speaker quotes without a mark is part of its text; free speech holds its own
    quotes anyway.
    """
    texts = np.empty(len(picked), dtype=object)
    for j, i in enumerate(picked.tolist()):
        room = int(said.rows[i])
        options, evidence = state.texts.options(room), state.texts.evidence(room)
        lines = [
            message_text(
                kind=int(said.kind),
                stance=int(said.stance[i]),
                confidence=float(said.confidence[i]),
                stated=said.stated[i],
                text=said.text[i],
                options=options,
            )
        ]
        if said.text[i] is None:
            unmarked = ~said.verified[i]
            quotes = quoted(
                said.quotes[i][unmarked], np.zeros(int(unmarked.sum()), bool), options, evidence
            )
            lines += quote_lines(quotes, state.rules.verification)
        texts[j] = "\n".join(lines)
    return texts
