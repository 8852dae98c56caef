"""What came of messages, counted without making tables: for callers with very many rooms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordination.channels import NOT_SENT, settled
from coordination.messages import FREE, Delivery, Fault, MessageKind
from coordination.room import Room
from coordination.views import Question, reaching


def traffic(room: Room) -> dict[str, NDArray[np.int64]]:
    """Return counts for each row of a room, [n] each; children are not counted.

    Returns:
        ``messages``, ``words``, ``sent`` copies and what became of them by the names of `Delivery`,
        in lower case, so that sent is the sum of these; a copy that is due, or
        expires, after the last turn is in flight.
    """
    state = room._state
    names = ("messages", "words", "sent", *(status.name.lower() for status in Delivery))
    counts = {name: np.zeros(state.n, dtype=np.int64) for name in names}
    for said in state.said:
        if said.inherited:
            continue
        here = state.place_of(said.rows)
        turn = state.turn[here]
        counts["messages"][here] += 1
        counts["words"][here] += said.words
        for seat in range(len(state.names)):
            status = settled(said.status[:, seat], said.due[:, seat], turn)
            sent = status != NOT_SENT
            left = np.count_nonzero(sent)
            counts["sent"][here] += sent
            for became in Delivery:
                if not left:
                    break
                hit = status == became
                counts[became.name.lower()][here] += hit
                left -= np.count_nonzero(hit)
    return {name: count[room._rows] for name, count in counts.items()}


def reached(room: Room, speaker: str, seat: str) -> NDArray[np.bool_]:
    """Return in which rows of a room a message of a speaker has been delivered to a seat, [n]."""
    state = room._state
    sender, here = state.code(speaker), state.code(seat)
    heard = np.zeros(state.n, dtype=bool)
    for said in state.said:
        if said.sender == sender:
            rows = state.place_of(said.rows)
            on_time = said.due[:, here] <= state.turn[rows]
            heard[rows] |= (said.status[:, here] == Delivery.DELIVERED) & on_time
    return heard[room._rows]


def last_heard(
    room: Room, speaker: str, seat: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """Return what a seat has last heard from a speaker, as it arrived, in each row of a room.

    Returns:
        [n] whether a message came at all; [n, K] the distribution last heard stated, NaN for none;
        [n] the option last heard argued for, `FREE` for none.
    """
    state = room._state
    sender = state.code(speaker)
    came = np.zeros(room.n, dtype=bool)
    stated = np.full((room.n, state.cases.width), np.nan)
    argued = np.full(room.n, FREE, dtype=np.int64)
    for said, picked, places in reaching(state, Question(seat, MessageKind.RULING), room._rows):
        if said.sender != sender:
            continue
        came[places] = True
        told, side = said.stated[picked], said.stance[picked]
        spoke, took = ~np.isnan(told[:, 0]), side != FREE
        stated[places[spoke]] = told[spoke]
        argued[places[took]] = side[took]
    return came, stated, argued


def spoke(room: Room, seat: str) -> NDArray[np.bool_]:
    """Return in which rows of a room a seat said anything that was no fault, [n]."""
    return _said(room, seat, faulty=False)


def faulty(room: Room, seat: str) -> NDArray[np.bool_]:
    """Return in which rows of a room a message of a seat was faulty, [n]."""
    return _said(room, seat, faulty=True)


def _said(room: Room, seat: str, faulty: bool) -> NDArray[np.bool_]:
    state = room._state
    code = state.code(seat)
    found = np.zeros(state.n, dtype=bool)
    for said in state.said:
        if said.sender == code:
            found[state.place_of(said.rows)] |= (said.fault != Fault.NONE) == faulty
    return found[room._rows]
