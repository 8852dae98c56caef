"""A few conversations to read: chosen by a keyed draw that knows no outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coordination.rendering import Turn, transcript
from environments.base import Environment
from environments.cases import Split
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from experiments.analysis.ledger_view import verdicts
from experiments.config.schema import ScenarioConfig
from experiments.runs.directory import RunDirectory

ROOMS_EACH = 2
"""Rooms shown of every conversation."""


@dataclass(frozen=True)
class ShownOption:
    """An option of the case."""

    text: str
    right: bool


@dataclass(frozen=True)
class ShownQuote:
    """A quote in a speech."""

    text: str
    verified: bool


@dataclass(frozen=True)
class ShownTurn:
    """One entry of a transcript."""

    speaker: str
    kind: str
    text: str
    quotes: tuple[ShownQuote, ...]
    stance: str
    """Text of the option argued for; '' for none."""
    note: str

    @property
    def ruling(self) -> bool:
        """Whether this is a decision."""
        return self.kind == "ruling"


@dataclass(frozen=True)
class ShownRoom:
    """One conversation, as text; nothing in it is trusted."""

    title: str
    context: str
    options: tuple[ShownOption, ...]
    evidence: tuple[str, ...]
    turns: tuple[ShownTurn, ...]
    marked: bool
    """Whether quotes were marked at all in this room."""
    outcome: str


def shown_rooms(
    run: RunDirectory, config: ScenarioConfig, environment: Environment
) -> list[ShownRoom]:
    """Return `ROOMS_EACH` rooms of every conversation, on teaching cases where there are any.

    Which rooms is drawn by their ids and the seed alone, so no good or bad one is picked.

    Args:
        run: The run directory.
        config: Its scenario.
        environment: Renders the cases.
    """
    columns = (
        *("room_id", "tick", "conversation", "split", "replicate", "case_id", "parent_room"),
        *("protocol", "outcome"),
    )
    rooms = run.read("rooms", columns=columns)
    rooms = rooms.take(rooms["parent_room"] == -1)
    chosen = []
    for name in config.conversations:
        mine = rooms.take(rooms["conversation"] == name)
        teaching = mine["split"] == Split.TEACHING.value
        mine = mine.take(teaching) if teaching.any() else mine
        lots = Keyed(config.seed, "report.rooms").bits(mine["room_id"])
        for place in np.argsort(lots, kind="stable")[:ROOMS_EACH].tolist():
            chosen.append(mine.take([place]))
    # One reading of every table for all rooms: a table is decoded whole, however few rows it gives.
    ids = [int(room["room_id"][0]) for room in chosen]
    ticks = sorted({int(room["tick"][0]) for room in chosen})
    tables = {name: run.read(name, ticks=ticks, where={"room_id": ids}) for name in _TABLES}
    return [_room(tables, environment, config, room) for room in chosen]


_TABLES = ("messages", "decisions", "deliveries", "scores")
"""Tables that a room is shown from."""


def _room(
    tables: Mapping[str, Columns],
    environment: Environment,
    config: ScenarioConfig,
    room: Columns,
) -> ShownRoom:
    name, case_id = str(room["conversation"][0]), room["case_id"]
    messages, decisions, deliveries, scores = (
        tables[table].take(tables[table]["room_id"] == room["room_id"][0]) for table in _TABLES
    )
    case = environment.deal(case_id)
    options = environment.render_options(case)[0]
    truth = int(scores["truth"][0]) if scores.n else -1
    seats = tuple(config.conversations[name].seats)
    turns = transcript(environment, case, messages, decisions, deliveries, seats)
    rows = {"rooms": room, "decisions": decisions, "scores": scores}
    last = verdicts(rows)
    return ShownRoom(
        title=f"{name}, case {int(case_id[0])}, seed {int(room['replicate'][0])}, "
        f"tick {int(room['tick'][0])} ({room['split'][0]})",
        context=environment.render_context(case)[0],
        options=tuple(ShownOption(text, k == truth) for k, text in enumerate(options)),
        evidence=tuple(item for item in environment.render_evidence(case)[0] if item),
        turns=tuple(_turn(turn, options) for turn in turns),
        marked=config.conversations[name].verification,
        outcome=_outcome(last, str(room["outcome"][0])),
    )


def _turn(turn: Turn, options: list[str]) -> ShownTurn:
    stance = options[turn.stance] if 0 <= turn.stance < len(options) else ""
    return ShownTurn(
        turn.speaker,
        turn.kind,
        turn.text,
        tuple(ShownQuote(text, verified) for text, verified in turn.quotes),
        stance,
        turn.note,
    )


def _outcome(last: Columns, seat: str) -> str:
    if not last.n:
        return "No verdict was recorded."
    right = "right" if last["correct"][-1] == 1 else "wrong"
    p_true = float(last["p_true"][-1])
    stated = "" if np.isnan(p_true) else f"; it gave the right option {100 * p_true:.0f} %"
    return f"The {seat} was {right}{stated}."
