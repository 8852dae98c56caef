"""A part that is written piece by piece, so that memory holds one piece and not the tick.

The life of a stream::

    open -> append(whole blocks) … -> close   (files are renamed into place; see `PartInfo`)
                                   -> abandon (nothing is left)
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coordination.ledger.digest import add_totals, block_digests, total_of
from coordination.ledger.files import (
    TMP_SUFFIX,
    Announce,
    flush_folder,
    make_folders,
    silent,
    write_error,
)
from coordination.ledger.rows import conform, sort_rows
from coordination.ledger.store import PART_POINTS, PartInfo, parquet_settings, part_file
from environments.core.columns import Columns
from environments.core.errors import DataError


class PartStream:
    """Writes a host's rows of one tick as they come; see the module.

    Args:
        root: The ledger's root.
        tick: Tick of every row.
        epoch: The run's epoch.
        attempt: Which try of this tick.
        part: Number of the part, unique within the tick.
        at: Hears `coordination.ledger.store.PART_POINTS` for every file at `close`.
    """

    def __init__(
        self,
        root: Path,
        tick: int,
        epoch: int,
        attempt: int,
        part: int,
        at: Announce = silent,
    ) -> None:
        self._root = root
        self._place = (tick, epoch, attempt, part)
        self._at = at
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._paths: dict[str, Path] = {}
        self._rows: dict[str, int] = {}
        self._totals: list[str] = []
        self._seen: set[tuple[int, str]] = set()

    def append(self, tables: Mapping[str, Columns]) -> None:
        """Write rows of whole blocks; a block of a table comes once.

        Raises:
            DataError: If rows break the schema, repeat keys or blocks, or are of another tick.
            RunError: If the file system refuses.
        """
        digests: dict[tuple[int, str], str] = {}
        for table in sorted(tables):
            if not tables[table].n:
                continue
            tick = self._place[0]
            checked = conform(table, tables[table], f"tick {tick} part {self._place[3]}")
            if (checked["tick"] != tick).any():
                raise DataError(f"table {table}: rows of another tick in a part of tick {tick}")
            ordered = sort_rows(table, checked)
            for block, digest in block_digests(table, ordered).items():
                if (block, table) in self._seen:
                    raise DataError(f"table {table}: block {block} comes twice in a part")
                self._seen.add((block, table))
                digests[block, table] = digest
            self._write(table, ordered)
            self._rows[table] = self._rows.get(table, 0) + ordered.n
        self._totals.append(total_of(digests))

    def close(self) -> PartInfo:
        """Put the files in place, durably, and return their description.

        Raises:
            RunError: If the file system refuses.
        """
        before_tmp, mid_tmp, after_tmp, before_replace, after_replace = PART_POINTS
        files, sizes = {}, {}
        for table in sorted(self._writers):
            name = part_file(table, *self._place)
            path, tmp = self._root / name, self._paths[table]
            self._at(before_tmp)
            try:
                self._writers[table].close()
                self._at(mid_tmp)
                with tmp.open("rb+") as file:
                    os.fsync(file.fileno())
                self._at(after_tmp)
                sizes[table] = tmp.stat().st_size
                self._at(before_replace)
                os.replace(tmp, path)
                flush_folder(path.parent)
            except OSError as error:
                self.abandon()
                raise write_error(path, error) from error
            self._at(after_replace)
            files[table] = name
        tick, epoch, attempt, part = self._place
        total = add_totals(self._totals)
        return PartInfo(tick, epoch, attempt, part, files, dict(self._rows), sizes, {}, total)

    def abandon(self) -> None:
        """Remove what has been written; harmless after `close`."""
        for writer in self._writers.values():
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
        for path in self._paths.values():  # also of a writer that could not be made
            path.unlink(missing_ok=True)

    def _write(self, table: str, rows: Columns) -> None:
        arrow = rows.to_arrow()
        try:
            if table not in self._writers:
                folder = (self._root / part_file(table, *self._place)).parent
                make_folders(folder)
                tmp = folder / f".{table}.{uuid.uuid4().hex}{TMP_SUFFIX}"
                self._paths[table] = tmp
                self._writers[table] = pq.ParquetWriter(
                    tmp, arrow.schema, **parquet_settings(table)
                )
            self._writers[table].write_table(arrow)
        except OSError as error:
            self.abandon()
            raise write_error(self._root / table, error) from error
