"""Edge lists from files: CSV or Parquet with the columns ``source`` and ``target``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from environments.core.errors import DataError

COLUMNS = ("source", "target")

_READ_BYTES = 2**20


def read_edge_list(file: str, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ends of every link of a file.

    Args:
        file: A ``.csv`` with a header line, or a ``.parquet``; other columns are not read.
        size: Number of agents; ids are 0 … size - 1.

    Raises:
        DataError: Missing or unreadable file, missing column, no link, an id that is no integer or
            no agent; names the file and the line (of a Parquet file: the row, from 1).
    """
    path, is_csv = _kind(file)
    with _readable(path):
        table = _csv(path) if is_csv else pq.read_table(path, columns=None)
    for name in COLUMNS:
        if name not in table.column_names:
            found = ", ".join(table.column_names)
            raise DataError(f"no column {name!r} (it has {found})", path, 1 if is_csv else None)
    first = 2 if is_csv else 1
    source, target = (_ids(table.column(name), name, size, path, first) for name in COLUMNS)
    if not (source != target).any():
        raise DataError(f"no row links two agents ({len(source)} rows)", path)
    return source, target


def dropped(file: str, loops: int, repeats: int) -> str:
    """Return in one line how many rows of a file became no tie; '' if all did.

    Args:
        file: The edge list.
        loops: Rows that link an agent with itself.
        repeats: Rows that link two who are linked already.
    """
    if not loops + repeats:
        return ""
    return (
        f"{file}: {loops + repeats} rows became no tie: {loops} link an agent with itself, "
        f"{repeats} two agents whom another row links (in either direction)"
    )


def count_links(file: str) -> int:
    """Return how many links a file has, without reading them: a Parquet's metadata, a CSV's lines.

    Raises:
        DataError: Missing or unreadable file.
    """
    path, is_csv = _kind(file)
    with _readable(path):
        if not is_csv:
            return int(pq.read_metadata(path).num_rows)
        ends, last = 0, b"\n"
        with path.open("rb") as lines:
            while block := lines.read(_READ_BYTES):
                ends += block.count(b"\n")
                last = block[-1:]
    return max(ends + (last != b"\n") - 1, 0)  # the first line is the header


def _kind(file: str) -> tuple[Path, bool]:
    """Return the path, and whether it is a CSV."""
    path = Path(file).expanduser()
    is_csv = path.suffix.lower() == ".csv"
    if not is_csv and path.suffix.lower() != ".parquet":
        raise DataError("an edge list is a .csv or .parquet file", path)
    return path, is_csv


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError("no such edge list", path) from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be read: {str(error).splitlines()[0]}", path) from error


def _csv(path: Path) -> pa.Table:
    """Read everything as text: a wrong id is then found with its line, not as a type error."""
    options = pacsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    odd: list[pacsv.InvalidRow] = []

    def note(row: pacsv.InvalidRow) -> str:
        odd.append(row)
        return "error"

    parse = pacsv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=note)
    try:
        return pacsv.read_csv(path, convert_options=options, parse_options=parse)
    except pa.ArrowInvalid:
        if not odd:
            raise
    odd.clear()
    with contextlib.suppress(pa.ArrowInvalid):  # rows have numbers only in the order of the file
        one = pacsv.ReadOptions(use_threads=False)
        pacsv.read_csv(path, read_options=one, convert_options=options, parse_options=parse)
    row = odd[0]
    raise DataError(
        f"expected {row.expected_columns} columns, got {row.actual_columns}: {row.text}",
        path,
        row.number,
    )


def _ids(
    column: pa.ChunkedArray, name: str, size: int, path: Path, first: int
) -> NDArray[np.int64]:
    try:
        ids = column.cast(pa.int64())
    except pa.ArrowException:
        texts = column.to_pylist()
        at = next(i for i, text in enumerate(texts) if not _is_integer(text))
        raise DataError(
            f"{name} must be an agent's id, got {texts[at]!r}", path, at + first
        ) from None
    if ids.null_count:
        at = int(np.flatnonzero(ids.is_null().to_numpy())[0])
        raise DataError(f"{name} is missing", path, at + first)
    found = ids.to_numpy()
    wrong = np.flatnonzero((found < 0) | (found >= size))
    if len(wrong):
        at = int(wrong[0])
        raise DataError(
            f"unknown agent {found[at]} as {name}; population.size={size} has ids 0 to {size - 1}",
            path,
            at + first,
        )
    return found


def _is_integer(text: object) -> bool:
    try:
        int(str(text))
    except ValueError:
        return False
    return not isinstance(text, float)
