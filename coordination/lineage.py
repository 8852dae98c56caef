"""Child rooms: opening them, forking, and bringing their verdicts home."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from coordination.channels import NOT_SENT
from coordination.messages import FREE, INCONCLUSIVE, Fault, MessageKind
from coordination.said import Said
from coordination.seating import SeatSpec, Verdict
from coordination.speech import clean_speech
from coordination.state import Ancestry, RoomState
from environments.base import NO_QUOTE
from environments.cases import Cases
from environments.core.errors import ProtocolError
from environments.core.keyed import hash_id


def occurrence(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each entry occurred before it, e.g. [5, 3, 5, 5] -> [0, 0, 1, 2]."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    first = np.searchsorted(ordered, ordered, side="left")
    count = np.empty(len(rows), dtype=np.int64)
    count[order] = np.arange(len(rows)) - first
    return count


def _descend(
    state: RoomState, rows: NDArray[np.int64], deeper: int
) -> tuple[Ancestry, NDArray[np.int64]]:
    """Number new children of some rooms; return their ancestry and ids."""
    index = state.children_opened[rows] + occurrence(rows)
    np.add.at(state.children_opened, rows, 1)
    parent = state.room_id[rows]
    ancestry = Ancestry(parent, index, state.ancestry.depth[rows] + deeper, rows)
    return ancestry, hash_id(parent, index)


def open_children(
    state: RoomState,
    rows: NDArray[np.int64],
    claims: Cases,
    seats: Mapping[str, SeatSpec] | None,
    protocol: str | None,
) -> RoomState:
    """Open rooms about claims; ``rows`` [C] are their parents. See `Room.open`."""
    if claims.n != len(rows):
        raise ProtocolError(f"open(): {claims.n} claims for {len(rows)} parents")
    if seats is None:
        seats = {name: spec.take(rows) for name, spec in state.seats.items()}
    ancestry, room_id = _descend(state, rows, deeper=1)
    name = protocol or state.place.protocol
    return state.bear(claims, rows, seats, room_id, ancestry, name)


def fork(state: RoomState, rows: NDArray[np.int64]) -> RoomState:
    """Open continuations of rooms; ``rows`` may repeat. See `Room.fork`."""
    seats = {name: spec.take(rows) for name, spec in state.seats.items()}
    ancestry, room_id = _descend(state, rows, deeper=0)
    cases = state.cases.take(rows)
    child = state.bear(cases, rows, seats, room_id, ancestry, state.place.protocol)
    for name in ("turn", "memory", "anonymous"):
        getattr(child, name)[:] = getattr(state, name)[rows]
    for seat, stance in state.stance.items():
        child.stance[seat][:] = stance[rows]
    for said in state.said:
        place = np.full(state.n, -1, dtype=np.int64)
        place[said.rows] = np.arange(len(said.rows))
        heirs = np.flatnonzero(place[rows] >= 0)
        child.said.append(said.take(place[rows[heirs]], rows=heirs, inherited=True))
    return child


def check_twin(
    state: RoomState, rows: NDArray[np.int64], twin: RoomState, twin_rows: NDArray[np.int64]
) -> None:
    """Refuse rooms that are not one fork of each of these, in their order.

    Raises:
        ProtocolError: If they are not.
    """
    parents = twin.ancestry.parent_row[twin_rows]
    if twin.parent is not state or not np.array_equal(parents, rows):
        raise ProtocolError("combine(): give one fork of each row, as fork(1) returns them")


def verdict_messages(
    state: RoomState,
    kids: RoomState,
    kid_rows: NDArray[np.int64],
    seat: str,
    verdict: Verdict,
) -> Iterator[Said]:
    """Yield the children's verdicts as messages of a seat of the parents, a child at a time.

    The state's turns must be advanced between two of them.
    """
    if kids.parent is not state:
        raise ProtocolError("absorb(): these rooms are not children of this one")
    parent = kids.ancestry.parent_row[kid_rows]
    wave = occurrence(parent)
    for number in range(int(wave.max(initial=-1)) + 1):
        now = np.flatnonzero(wave == number)
        now = now[np.argsort(parent[now], kind="stable")]
        rows, kid = parent[now], kid_rows[now]
        part = Verdict(verdict.probs[now], verdict.choice[now], verdict.fault[now], _NO_ID)
        spec = kids.seats[seat].take(kid)
        yield _answer(state, rows, seat, spec, part, _claims(state, kids, rows, kid, part.choice))


def remembered(
    state: RoomState, rows: NDArray[np.int64], seat: str, probs: NDArray[np.float64]
) -> Said:
    """Return answers of a seat that it was not asked for; see `Room.remember`."""
    known = ~np.isnan(probs).any(axis=1)
    choice = np.where(known, np.nan_to_num(probs).argmax(axis=1), INCONCLUSIVE)
    fault = np.where(known, int(Fault.NONE), int(Fault.MISSING))
    verdict = Verdict(probs, choice, fault, _NO_ID)
    silent = np.full(len(rows), None, dtype=object)
    return _answer(state, rows, seat, state.seats[seat].take(rows), verdict, silent)


_NO_ID = np.empty(0, dtype=np.int64)


def _claims(
    state: RoomState,
    kids: RoomState,
    rows: NDArray[np.int64],
    kid: NDArray[np.int64],
    choice: NDArray[np.int64],
) -> NDArray[np.object_]:
    """Return children's verdicts as text where they are about another case than the parent's.

    Where the case is the same (forks), None: such an answer is rendered like any other.
    """
    text = np.full(len(rows), None, dtype=object)
    cleaned: dict[tuple[str, str], str] = {}
    other = (kids.cases.case_id[kid] != state.cases.case_id[rows]) & (choice >= 0)
    for i in np.flatnonzero(other).tolist():
        said = kids.texts.context(int(kid[i])), kids.texts.options(int(kid[i]))[int(choice[i])]
        if said not in cleaned:
            cleaned[said] = clean_speech(f"{said[0]} My answer is {said[1]}.")
        text[i] = cleaned[said]
    return text


def _answer(
    state: RoomState,
    rows: NDArray[np.int64],
    seat: str,
    spec: SeatSpec,
    verdict: Verdict,
    text: NDArray[np.object_],
) -> Said:
    n, quotes, seats = len(rows), state.rules.max_quotes, len(state.seats)
    choice, fault = verdict.choice, verdict.fault
    fault = np.where((fault == Fault.NONE) & (choice < 0), int(Fault.UNPARSABLE), fault)
    silent = fault != Fault.NONE
    stated = np.where(silent[:, None], np.nan, verdict.probs)
    return Said(
        sender=state.code(seat),
        kind=MessageKind.ANSWER,
        rows=rows,
        turn=state.turn[rows],
        agent_id=spec.agent_id,
        version=spec.version,
        adapter=spec.adapter,
        stance=np.where(silent, FREE, choice),
        confidence=stated.max(axis=1),
        stated=stated,
        quotes=np.full((n, quotes), NO_QUOTE, dtype=np.int64),
        verified=np.zeros((n, quotes), dtype=bool),
        real=np.zeros((n, quotes), dtype=bool),
        words=np.array([len(t.split()) if t else 0 for t in text.tolist()], dtype=np.int64),
        tokens=np.zeros(n, dtype=np.int64),
        text=text,
        fault=fault,
        status=np.full((n, seats), NOT_SENT),
        due=np.full((n, seats), -1),
    )
