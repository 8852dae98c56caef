"""The ledger as metrics need it: one verdict a room, one cost a room.

Everything here is a join of ledger tables on their keys; nothing depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coordination.ledger.family import root_rooms
from coordination.messages import TEAM, Delivery, Fault, MessageKind
from environments.core.columns import Columns
from environments.core.errors import DataError

COMBINED = -1
"""Presentation code of the verdict over all orders asked; the row that counts."""
ARGUING = [int(MessageKind.ARGUMENT), int(MessageKind.CRITIQUE), int(MessageKind.REBUTTAL)]
"""Kinds of messages that take a side."""
NOT_ASKED = -2
"""Choice under a presentation that was not asked for."""

NEEDED: dict[str, tuple[str, ...]] = {
    "rooms": (
        "room_id", "split", "conversation", "protocol", "replicate", "case_id", "parent_room",
        "turns", "outcome", "depth",
    ),
    "messages": (
        "room_id", "turn", "sender", "seat", "kind", "stance", "stated", "words", "tokens", "sent",
        "fault", "quotes", "verified",
    ),
    "deliveries": ("room_id", "turn", "sender", "recipient", "status", "words", "altered"),
    "decisions": (
        "room_id", "tick", "split", "conversation", "replicate", "case_id", "turn", "sender",
        "seat", "agent_id", "presentation", "choice", "probs", "tokens", "probe", "condition",
        "fault",
    ),
    "scores": (
        "room_id", "turn", "sender", "presentation", "truth", "correct", "p_true", "log_score",
        "brier",
    ),
    "labels": (
        "student", "arm", "replicate", "case_id", "room_id", "weight", "correct", "tick",
    ),
    "episodes": ("split", "episodes", "replicate", "case_id", "measure", "value"),
}  # fmt: skip
"""Table to the columns that the analysis reads."""


def verdicts(tables: Mapping[str, Columns]) -> Columns:
    """Return the decision that counts of every root room, with its score.

    It is the last combined decision of the room's outcome: a seat (as a rule the judge), or
    ``team`` where the decisions of members are pooled. Hypothetical decisions, those of other seats
    (see `seat_decisions`) and child rooms are left out.

    Returns:
        As `seat_decisions`, one row a room, sorted by ``room_id``.

    Raises:
        DataError: If a decision has no score.
    """
    every = seat_decisions(tables)
    return every.take(every["seat"] == every["outcome"])


def seat_decisions(tables: Mapping[str, Columns]) -> Columns:
    """Return the last combined decision of every seat of every root room, with its score.

    Members of a team, as well as the team, have one each.

    Returns:
        Columns of the decisions table without ``presentation``, ``probe`` and ``condition``, those
        of the scores table, ``protocol`` and ``outcome`` of the room, and ``as_shown`` and
        ``swapped``: the choices under the room's own and the swapped order of options, `NOT_ASKED`
        where there is none. Sorted by ``room_id``, then ``sender``.

    Raises:
        DataError: If a decision has no score.
    """
    decisions = tables["decisions"]
    decisions = decisions.take(~decisions["probe"].astype(bool))
    combined = decisions.take(decisions["presentation"] == COMBINED)
    combined = combined.sort_by("room_id", "sender", "turn")
    last = np.ones(combined.n, dtype=bool)
    last[:-1] = (combined["room_id"][1:] != combined["room_id"][:-1]) | (
        combined["sender"][1:] != combined["sender"][:-1]
    )
    combined = combined.take(last)
    rooms = tables["rooms"].sort_by("room_id")
    place = _find(rooms, combined, ("room_id",), "rooms")
    root = rooms["parent_room"][place] == -1
    of_room = {name: rooms[name][place] for name in ("protocol", "outcome")}
    combined = combined.with_(**of_room).take(root)
    scores = tables["scores"].take(tables["scores"]["presentation"] == COMBINED)
    scores = scores.sort_by("room_id", "turn", "sender")
    at = _find(scores, combined, ("room_id", "turn", "sender"), "scores")
    names = ("truth", "correct", "p_true", "log_score", "brier")
    kept = [n for n in combined if n not in ("presentation", "probe", "condition")]
    return combined.select(kept).with_(
        **{name: scores[name][at] for name in names},
        as_shown=_choices(decisions, combined, 0),
        swapped=_choices(decisions, combined, 1),
    )


def with_costs(tables: Mapping[str, Columns], verdict: Columns) -> Columns:
    """Return rows of `verdicts` with what their rooms cost.

    Returns:
        ``verdict`` with ``words`` and ``messages`` of the room, ``turns`` that it took,
        ``heard_words`` delivered to the seat that decided (to anybody, where the team did: each
        copy counts) in ``heard`` copies of sound messages, ``rulings`` made by that seat, and
        ``tokens`` now those of the whole room: read and written by language models (0 for numeric
        agents). All but ``turns`` include the rooms opened below the room, about its sub-claims.
    """
    ruled = _rulings(tables)
    deciding = row_of(verdict, _conversation_of(tables, ruled["room_id"]))
    known = deciding >= 0
    decider = known & (ruled["seat"] == verdict["seat"][np.maximum(deciding, 0)])
    messages = tables["messages"]
    row = row_of(verdict, _conversation_of(tables, messages["room_id"]))
    mine = row >= 0
    spoken = messages["fault"][mine] == Fault.NONE
    heard, heard_words = _heard(tables, verdict)
    return verdict.with_(
        words=_total(row[mine], messages["words"][mine], verdict.n),
        messages=np.bincount(row[mine][spoken], minlength=verdict.n),
        heard=heard,
        heard_words=heard_words,
        turns=_turns(tables, verdict),
        rulings=np.bincount(deciding[decider], minlength=verdict.n),
        tokens=_total(deciding[known], ruled["tokens"][known], verdict.n)
        + _total(row[mine], messages["tokens"][mine], verdict.n),
    )


def arguing_sides(tables: Mapping[str, Columns], verdict: Columns) -> Columns:
    """Return the options that were argued for in the rooms of ``verdict``.

    A side is the stance of a seat's last argument, critique or rebuttal; other seats take no side.

    Returns:
        ``row`` (position in ``verdict``), ``sender`` and ``side``, sorted by the first two.
    """
    messages = tables["messages"]
    argues = np.isin(messages["kind"], ARGUING)
    argues &= (messages["stance"] >= 0) & (messages["fault"] == Fault.NONE)
    spoken = messages.take(argues).sort_by("room_id", "sender", "turn")
    row = row_of(verdict, spoken["room_id"])
    last = np.ones(spoken.n, dtype=bool)
    last[:-1] = (spoken["room_id"][1:] != spoken["room_id"][:-1]) | (
        spoken["sender"][1:] != spoken["sender"][:-1]
    )
    keep = last & (row >= 0)
    sides = Columns({"row": row, "sender": spoken["sender"], "side": spoken["stance"]})
    return sides.take(keep).sort_by("row", "sender")


def faults(tables: Mapping[str, Columns], verdict: Columns) -> dict[str, int]:
    """Return how many messages and verdicts of these rooms failed, by kind of fault.

    Keys are ``message.<fault>``, ``verdict.<fault>`` and ``verdict.inconclusive``; where a team
    decides also ``ballot.<fault>`` and ``ballot.abstained``, of its members. Zero counts are left
    out.
    """
    ruled = _rulings(tables)
    room = row_of(verdict, ruled["room_id"])
    ballot = (room >= 0) & (ruled["seat"] != TEAM)
    if verdict.n:
        ballot &= (verdict["seat"] == TEAM)[np.maximum(room, 0)]
    ballots = ruled.take(ballot)
    messages = tables["messages"]
    mine = row_of(verdict, messages["room_id"]) >= 0
    found: dict[str, int] = {}
    for kind, codes in (
        ("message", messages["fault"][mine]),
        ("ballot", ballots["fault"]),
        ("verdict", verdict["fault"]),
    ):
        for fault in Fault:
            count = int((codes == fault).sum())
            if fault != Fault.NONE and count:
                found[f"{kind}.{fault.name.lower()}"] = count
    for name, rows in (("ballot.abstained", ballots), ("verdict.inconclusive", verdict)):
        undecided = int(((rows["choice"] < 0) & (rows["fault"] == Fault.NONE)).sum())
        found |= {name: undecided} if undecided else {}
    return found


def _rulings(tables: Mapping[str, Columns]) -> Columns:
    """Return all combined decisions that were really made."""
    decisions = tables["decisions"]
    real = ~decisions["probe"].astype(bool) & (decisions["presentation"] == COMBINED)
    return decisions.take(real)


def _conversation_of(
    tables: Mapping[str, Columns], room_id: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the root room of rooms that were opened about sub-claims, other rooms as they are.

    Forks of a conversation are conversations of their own: they are held to compare.
    """
    rooms = tables["rooms"]
    below = rooms["depth"] > 0
    if not below.any():
        return room_id
    order = np.argsort(rooms["room_id"], kind="stable")
    ids = rooms["room_id"][order]
    belongs = np.where(below, root_rooms(rooms), rooms["room_id"])[order]
    place = np.minimum(np.searchsorted(ids, room_id), len(ids) - 1)
    return np.where(ids[place] == room_id, belongs[place], room_id)


def _turns(tables: Mapping[str, Columns], verdict: Columns) -> NDArray[np.int64]:
    rooms = tables["rooms"].sort_by("room_id")
    return rooms["turns"][_find(rooms, verdict, ("room_id",), "rooms")]


def _heard(
    tables: Mapping[str, Columns], verdict: Columns
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the copies, and the words, that reached who decided in each room."""
    deliveries, messages = tables["deliveries"], tables["messages"]
    row = row_of(verdict, _conversation_of(tables, deliveries["room_id"]))
    if not verdict.n or not deliveries.n:
        none = np.zeros(verdict.n, dtype=np.int64)
        return none, none
    to_decider = (row >= 0) & (deliveries["status"] == Delivery.DELIVERED)
    at = np.maximum(row, 0)
    decider = deliveries["recipient"] == verdict["sender"][at]
    to_decider &= decider | (verdict["seat"] == TEAM)[at]
    reached = deliveries.take(to_decider)
    keys = ("room_id", "turn", "sender")
    ordered = messages.sort_by(*keys)
    place = _find(ordered, reached, keys, "messages")
    words = np.where(reached["altered"] == 0, ordered["words"][place], reached["words"])
    mine, sound = row[to_decider], ordered["fault"][place] == Fault.NONE
    return np.bincount(mine[sound], minlength=verdict.n), _total(mine, words, verdict.n)


def _choices(decisions: Columns, combined: Columns, presentation: int) -> NDArray[np.int64]:
    single = decisions.take(decisions["presentation"] == presentation)
    keys = ("room_id", "turn", "sender")
    single = single.sort_by(*keys)
    at = _locate(single, combined, keys)
    choice = np.full(combined.n, NOT_ASKED, dtype=np.int64)
    choice[at >= 0] = single["choice"][at[at >= 0]]
    return choice


def _total(row: NDArray[np.int64], amount: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.bincount(row, weights=amount, minlength=n).astype(np.int64)


def row_of(verdict: Columns, room_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each room's position in ``verdict`` (sorted by room), -1 where it is not there."""
    if not verdict.n:
        return np.full(len(room_id), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(verdict["room_id"], room_id), verdict.n - 1)
    return np.where(verdict["room_id"][place] == room_id, place, -1)


def _locate(table: Columns, rows: Columns, keys: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the position in ``table`` (sorted by ``keys``) of each row's keys, -1 if absent."""
    if not table.n:
        return np.full(rows.n, -1, dtype=np.int64)
    both = [np.concatenate([table[key], rows[key]]) for key in keys]
    is_query = np.repeat([0, 1], [table.n, rows.n])
    order = np.lexsort([is_query, *reversed(both)])
    newest = np.maximum.accumulate(np.where(order < table.n, order, -1))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = newest
    place = place[table.n :]
    same = place >= 0
    for key in keys:
        same &= table[key][np.maximum(place, 0)] == rows[key]
    return np.where(same, place, -1)


def _find(table: Columns, rows: Columns, keys: tuple[str, ...], name: str) -> NDArray[np.int64]:
    place = _locate(table, rows, keys)
    lost = np.flatnonzero(place < 0)
    if len(lost):
        key = ", ".join(f"{k}={int(rows[k][lost[0]])}" for k in keys)
        raise DataError(f"table {name}: {len(lost)} rows that others refer to are missing ({key})")
    return place
