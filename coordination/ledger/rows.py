"""Canonical rows: checked against the schema, in one column order, with one dtype a kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from coordination.ledger.schema import TABLES, Kind, Table
from environments.core.columns import Columns, same_text
from environments.core.errors import DataError

_KINDS: dict[Kind, tuple[str, int, Any]] = {
    "int": ("iu", 1, np.int64),
    "float": ("f", 1, np.float64),
    "bool": ("b", 1, np.bool_),
    "text": ("OU", 1, object),
    "int_vector": ("iu", 2, np.int64),
    "float_vector": ("f", 2, np.float64),
    "bool_vector": ("b", 2, np.bool_),
}
"""Kind of column to (numpy kinds accepted, axes, dtype kept)."""


def table_schema(name: str) -> Table:
    """Return a table of the ledger by name.

    Raises:
        DataError: If the ledger has no such table.
    """
    if name not in TABLES:
        raise DataError(f"unknown ledger table {name!r} (allowed: {', '.join(sorted(TABLES))})")
    return TABLES[name]


def conform(name: str, rows: Columns, where: str = "", older: bool = False) -> Columns:
    """Return the rows with the schema's columns, in its order and with one dtype a kind.

    Args:
        name: Table of the ledger.
        rows: R rows in any order.
        where: File or part they come from, for errors.
        older: Whether they may be of an older format: columns added since may be missing, and stay
            so (a digest covers what was written).

    Raises:
        DataError: If a column is missing, not in the schema, or of another kind.
    """
    schema = table_schema(name)
    columns = schema.columns
    if older:
        columns = {c: k for c, k in columns.items() if c in rows or c not in schema.added}
    missing = [column for column in columns if column not in rows]
    extra = [column for column in rows if column not in columns]
    if missing or extra:
        said = [f"missing column {c!r}" for c in missing] + [f"unknown column {c!r}" for c in extra]
        allowed = ", ".join(columns)
        raise DataError(f"table {name}: {'; '.join(said)} (its columns are {allowed})", where)
    return Columns({c: _as_kind(name, c, kind, rows[c], where) for c, kind in columns.items()})


def _as_kind(table: str, column: str, kind: Kind, value: np.ndarray, where: str) -> np.ndarray:
    accepted, axes, dtype = _KINDS[kind]
    if value.dtype.kind not in accepted or value.ndim != axes:
        given = f"{value.dtype.name} with {value.ndim} axes"
        raise DataError(f"table {table}: column {column!r} must be {kind}, got {given}", where)
    if kind == "text":
        try:
            pa.array(value[:1] if same_text(value) else value, type=pa.large_string())
        except (pa.ArrowException, UnicodeEncodeError) as error:
            raise DataError(
                f"table {table}: column {column!r} must be text (str or None): {error}", where
            ) from error
    elif value.dtype.kind == "u" and value.size and value.max() > np.iinfo(np.int64).max:
        raise DataError(f"table {table}: column {column!r} exceeds 63-bit integers", where)
    return value.astype(dtype, copy=False)


def empty_rows(name: str, columns: tuple[str, ...]) -> Columns:
    """Return no rows of a table: the columns with their dtypes, vectors of width 0."""
    schema = table_schema(name).columns
    out = {}
    for column in columns:
        _, axes, dtype = _KINDS[schema[column]]
        out[column] = np.empty((0,) * axes, dtype=dtype)
    return Columns(out)


def _in_order(rows: Columns, keys: tuple[str, ...]) -> bool:
    """Say whether rows are sorted already: to look is cheaper than to sort them again."""
    tied = np.ones(max(rows.n - 1, 0), dtype=bool)
    for key in keys:
        value = rows[key]
        if (tied & (value[1:] < value[:-1])).any():
            return False
        tied &= value[1:] == value[:-1]
    return True


def sort_rows(name: str, rows: Columns) -> Columns:
    """Return conforming rows sorted by block, then by the table's keys.

    Raises:
        DataError: If two rows of a block have the same keys.
    """
    order = ("block", *table_schema(name).keys)
    out = rows if _in_order(rows, order) else rows.sort_by(*order)
    if out.n > 1:
        same = np.logical_and.reduce([out[key][1:] == out[key][:-1] for key in order])
        if same.any():
            at = int(np.flatnonzero(same)[0])
            keys = ", ".join(f"{key}={out[key][at]}" for key in order)
            raise DataError(f"table {name}: two rows have the same keys ({keys})")
    return out
