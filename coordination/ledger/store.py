"""Parts: the Parquet files in which a host leaves its rows of one tick.

Any host writes a part, aside; nobody reads it before the run's manifest names it. Files lie at
``<table>/tick-…-epoch-…-attempt-…-part-….parquet`` under the ledger's root, so a table can also be
read by any Parquet tool as one folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coordination.ledger.digest import block_digests
from coordination.ledger.files import Announce, Points, make_folders, replace_file, silent
from coordination.ledger.rows import conform, empty_rows, sort_rows, table_schema
from environments.core.columns import Columns
from environments.core.errors import DataError

PART_POINTS: Points = (
    "before_part_tmp",
    "mid_part_tmp",
    "after_part_tmp",
    "before_part_replace",
    "after_part_replace",
)
"""Steps of writing one file of a part, as announced by `write_part`."""


@dataclass(frozen=True)
class PartInfo:
    """What the driver learns of a part: never its rows."""

    tick: int
    epoch: int
    attempt: int
    part: int
    files: Mapping[str, str]
    """Table to file name, relative to the ledger's root. Tables without rows are not in it."""
    rows: Mapping[str, int]
    """Table to number of rows."""
    sizes: Mapping[str, int]
    """Table to file size in bytes."""
    digests: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """Block to table to digest. A manifest keeps only their combination."""
    total: str = ""
    """`coordination.ledger.digest.total_of` the blocks, where they are too many to be listed;
    ``digests`` is then empty."""

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.sizes.values())

    def to_json(self, with_digests: bool = True) -> dict[str, Any]:
        """Return the part as plain JSON values."""
        plain: dict[str, Any] = {
            "tick": self.tick,
            "epoch": self.epoch,
            "attempt": self.attempt,
            "part": self.part,
            "files": dict(self.files),
            "rows": dict(self.rows),
            "sizes": dict(self.sizes),
        }
        if self.total:
            plain["total"] = self.total
        elif with_digests:
            plain["digests"] = {str(block): dict(by) for block, by in self.digests.items()}
        return plain

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> PartInfo:
        """Return the part that `to_json` wrote.

        Raises:
            DataError: If an entry is missing or malformed.
        """
        try:
            digests = plain.get("digests", {})
            return PartInfo(
                tick=int(plain["tick"]),
                epoch=int(plain["epoch"]),
                attempt=int(plain["attempt"]),
                part=int(plain["part"]),
                files={str(k): _inside(v) for k, v in plain["files"].items()},
                rows={str(k): int(v) for k, v in plain["rows"].items()},
                sizes={str(k): int(v) for k, v in plain["sizes"].items()},
                digests={int(block): dict(by) for block, by in digests.items()},
                total=str(plain.get("total", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"malformed entry of a ledger part ({error!r})") from error


def _inside(name: Any) -> str:
    """Return a relative file name; refuse one that leaves the ledger's folder."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"file name {name!r} points outside the ledger")
    return str(name)


def part_file(table: str, tick: int, epoch: int, attempt: int, part: int) -> str:
    """Return a part's file name for one table, relative to the ledger's root."""
    return (
        f"{table}/tick-{tick:06d}-epoch-{epoch:04d}-attempt-{attempt:02d}-part-{part:04d}.parquet"
    )


def write_part(
    root: Path,
    tick: int,
    epoch: int,
    attempt: int,
    part: int,
    tables: Mapping[str, Columns],
    at: Announce = silent,
) -> PartInfo:
    """Write a host's rows of one tick, one Parquet file a table, durably and aside.

    Args:
        root: The ledger's root, on storage that the driver sees too.
        tick: Tick of every row.
        epoch: The run's epoch; a part of an older one is refused at commit.
        attempt: Which try of this tick.
        part: Number of the part, unique within the tick.
        tables: Table to rows in any order. Blocks are whole: no other part of this tick has rows
            of the same table and block.
        at: Hears `PART_POINTS` for every file.

    Returns:
        The part's description; a few hundred bytes, plus one digest per block and table.

    Raises:
        DataError: If rows break the schema, repeat keys or belong to another tick.
        RunError: If a file cannot be written.
    """
    files: dict[str, str] = {}
    rows: dict[str, int] = {}
    sizes: dict[str, int] = {}
    digests: dict[int, dict[str, str]] = {}
    ready = {}
    for table in sorted(tables):
        table_schema(table)
        if tables[table].n == 0:
            continue
        checked = conform(table, tables[table], f"tick {tick} part {part}")
        if (checked["tick"] != tick).any():
            raise DataError(f"table {table}: rows of another tick in a part of tick {tick}")
        ready[table] = sort_rows(table, checked)
    for table, ordered in ready.items():
        for block, digest in block_digests(table, ordered).items():
            digests.setdefault(block, {})[table] = digest
        name = part_file(table, tick, epoch, attempt, part)
        data = _parquet_bytes(table, ordered)
        make_folders((root / name).parent)
        replace_file(root / name, data, at, PART_POINTS)
        files[table], rows[table], sizes[table] = name, ordered.n, len(data)
    return PartInfo(tick, epoch, attempt, part, files, rows, sizes, digests)


def parquet_settings(table: str) -> dict[str, Any]:
    """Return how a table's files are written: texts as dictionaries, pages with checksums."""
    text = [name for name, kind in table_schema(table).columns.items() if kind == "text"]
    return {
        "compression": "zstd",
        "use_dictionary": text,
        "write_statistics": False,
        "write_page_checksum": True,
    }


def _parquet_bytes(table: str, rows: Columns) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows.to_arrow(), sink, **parquet_settings(table))
    return sink.getvalue().to_pybytes()


def read_table(
    root: Path,
    manifest_parts: Sequence[PartInfo],
    table: str,
    columns: Sequence[str] | None = None,
    ticks: Iterable[int] | None = None,
    where: Mapping[str, Any] | None = None,
) -> Columns:
    """Return rows of a table, sorted by tick, then by the table's keys.

    Args:
        root: The ledger's root.
        manifest_parts: Committed parts, in any order.
        table: Table of the ledger.
        columns: Columns wanted, in this order; None for all.
        ticks: Ticks wanted; None for all.
        where: Column to the value, or to a list of the values, that rows must have (columns of one
            axis).

    Raises:
        DataError: If a table or column does not exist, or a file is missing, truncated, corrupt or
            not as the manifest says; names the file.
    """
    schema = table_schema(table)
    wanted = tuple(columns) if columns is not None else tuple(schema.columns)
    filters = dict(where or {})
    for name in (*wanted, *filters):
        if name not in schema.columns:
            allowed = ", ".join(schema.columns)
            raise DataError(f"table {table} has no column {name!r} (allowed: {allowed})")
    vectors = [name for name in filters if schema.columns[name].endswith("vector")]
    if vectors:
        raise DataError(f"table {table}: cannot filter by {vectors[0]!r}, a vector per row")
    needed = list(dict.fromkeys((*wanted, "tick", *schema.keys, *filters)))
    only = None if ticks is None else {int(tick) for tick in ticks}
    parts = [p for p in manifest_parts if table in p.files and (only is None or p.tick in only)]
    tables = [
        _filtered(_completed(read_file(root, part, table, needed), table, needed), filters)
        for part in parts
    ]
    tables = [arrow for arrow in tables if arrow.num_rows]
    if not tables:
        return empty_rows(table, wanted)
    try:
        rows = Columns.from_arrow(pa.concat_tables(tables))
    except pa.ArrowInvalid as error:
        raise DataError(f"table {table}: parts differ in the width of a vector column") from error
    return rows.sort_by("tick", *schema.keys).select(wanted)


def read_file(root: Path, part: PartInfo, table: str, columns: Sequence[str]) -> pa.Table:
    """Return columns of one committed file, text as dictionaries.

    Columns that the ledger's format added later are left out where an older file lacks them.

    Raises:
        DataError: If the file is missing, truncated, corrupt or not as the manifest says.
    """
    path = root / part.files[table]
    schema = table_schema(table)
    try:
        names = pq.read_schema(path).names
        lost = [name for name in columns if name not in (*names, *schema.added)]
        if lost:
            raise DataError(f"table {table}: no column {lost[0]!r}", path)
        there = [name for name in columns if name in names]
        text = [name for name in there if schema.columns[name] == "text"]
        with pq.ParquetFile(path, read_dictionary=text, page_checksum_verification=True) as parquet:
            arrow = parquet.read(columns=there)
    except FileNotFoundError as error:
        raise DataError(
            "ledger file is missing, though the run's manifest names it", path
        ) from error
    except (pa.ArrowException, OSError, UnicodeError) as error:
        said = str(error).splitlines()[0]
        raise DataError(f"ledger file is truncated or corrupt ({said})", path) from error
    if arrow.num_rows != part.rows[table]:
        expected = part.rows[table]
        raise DataError(f"has {arrow.num_rows} rows, the run's manifest says {expected}", path)
    return arrow


def read_blocks(root: Path, part: PartInfo) -> dict[tuple[int, str], str]:
    """Return the digests of a part's blocks, computed from its files.

    Raises:
        DataError: As `read_file`; also if rows break the schema.
    """
    found: dict[tuple[int, str], str] = {}
    for table in part.files:
        arrow = read_file(root, part, table, list(table_schema(table).columns))
        rows = conform(table, Columns.from_arrow(arrow), part.files[table], older=True)
        for block, digest in block_digests(table, rows).items():
            found[block, table] = digest
    return found


def _completed(arrow: pa.Table, table: str, columns: Sequence[str]) -> pa.Table:
    """Fill in what columns that were added later stand for in a file of an older format."""
    added = table_schema(table).added
    for name in columns:
        if name not in arrow.column_names:
            values = pa.array([added[name]] * arrow.num_rows)
            if isinstance(added[name], str):  # like a text column that was read
                values = values.cast(pa.string()).dictionary_encode()
            arrow = arrow.append_column(name, values)
    return arrow.select(list(columns))


def _filtered(arrow: pa.Table, filters: Mapping[str, Any]) -> pa.Table:
    for name, value in filters.items():
        column = arrow.column(name)
        if value is None:
            mask = pc.is_null(column)
        else:
            plain = Columns.from_arrow(arrow.select([name]))[name]
            wanted = value if isinstance(value, list | tuple | np.ndarray) else [value]
            mask = pa.array(np.isin(plain, wanted))
        arrow = arrow.filter(mask)
    return arrow
