"""Ledger rows for tests: every column filled, keyed by what identifies a row."""

from __future__ import annotations

import numpy as np

from coordination.ledger.schema import TABLES
from environments.core.columns import Columns
from environments.core.keyed import Keyed

WIDTH = 3
TEXTS = np.array(["judge", "", None, "ünïcode ☂", "opponent"], dtype=object)


def make_rows(table: str, room: np.ndarray, tick: int, block: np.ndarray) -> Columns:
    """Rows whose values depend on (table, tick, room) alone."""
    draw = Keyed(tick, table)
    out: dict[str, np.ndarray] = {}
    for i, (column, kind) in enumerate(TABLES[table].columns.items()):
        shape = (WIDTH,) if kind.endswith("vector") else ()
        if kind == "text":
            out[column] = TEXTS[draw.integers(len(TEXTS), room, i)]
        elif kind.startswith("int"):
            out[column] = draw.integers(1000, room, i, shape=shape)
        elif kind.startswith("bool"):
            out[column] = draw.uniform(room, i, shape=shape) < 0.5
        else:
            value = draw.normal(room, i, shape=shape)
            out[column] = np.where(value > 1.5, np.nan, value)
    out["tick"] = np.full(len(room), tick)
    out["block"] = block
    out[TABLES[table].keys[0]] = room  # makes the keys unique
    return Columns(out)


def make_tick(tick: int, rooms: int = 24, block: int = 4) -> dict[str, Columns]:
    """All tables of a tick: ``rooms`` rows each, in blocks of ``block``."""
    room = np.arange(rooms, dtype=np.int64) + 1000 * tick
    return {table: make_rows(table, room, tick, np.arange(rooms) // block) for table in TABLES}


def of_blocks(tables: dict[str, Columns], blocks: list[int]) -> dict[str, Columns]:
    """The rows of some blocks."""
    return {name: rows.take(np.isin(rows["block"], blocks)) for name, rows in tables.items()}
