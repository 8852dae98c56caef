"""Reading a run: configuration, committed rows, metrics, verification. Never takes the lock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from coordination.ledger.digest import GENESIS, add_totals, chain, tick_digest, total_of
from coordination.ledger.store import PartInfo, read_blocks, read_table
from environments.core.columns import Columns
from environments.core.errors import RunError
from experiments.runs.layout import (
    CHECKPOINT_FOLDER,
    CONFIG_FILE,
    LEDGER_FOLDER,
    METRICS_FILE,
    SUMMARY_FILE,
)
from experiments.runs.manifest import Manifest, Status, read_manifest


@dataclass(frozen=True)
class Verification:
    """A ledger's digest, recomputed from its files and as the manifest records it."""

    recomputed: str
    recorded: str
    ticks: int
    """Number of ticks read."""
    rows: int
    """Number of rows read, over all tables."""
    first_difference: int | None
    """First tick whose rows differ from what was committed; None if none does."""

    @property
    def equal(self) -> bool:
        """Whether both digests are the same."""
        return self.recomputed == self.recorded


class CommittedRun:
    """What is committed of a run, as of opening.

    Args:
        path: Absolute path of the run directory.
        manifest: Its manifest.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        """Absolute path."""
        self._manifest = manifest

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing run, for reading until a method writes.

        Raises:
            RunError: If it is no run, incomplete, corrupt, or written by a newer version.
        """
        target = Path(path).absolute()
        if not target.is_dir():
            raise RunError(f"{target}: no such run directory")
        manifest = read_manifest(target)
        missing = [
            name
            for name in (CONFIG_FILE, METRICS_FILE, LEDGER_FOLDER, CHECKPOINT_FOLDER)
            if not (target / name).exists()
        ]
        if missing:
            raise RunError(f"{target}: incomplete run directory, {missing[0]} is missing")
        return cls(target, manifest)

    @property
    def manifest(self) -> Manifest:
        """What is committed, as of opening or of the last write through this object."""
        return self._manifest

    @property
    def header(self) -> Mapping[str, Any]:
        """Scenario name, versions, hardware fingerprint."""
        return self._manifest.header

    @property
    def status(self) -> Status:
        """Say whether the run is running or complete."""
        return self._manifest.status

    @property
    def epoch(self) -> int:
        """The newest epoch; 0 before the first `begin_epoch`."""
        return self._manifest.epoch

    @property
    def last_tick(self) -> int | None:
        """Last committed tick."""
        return self._manifest.ticks[-1].tick if self._manifest.ticks else None

    @property
    def ledger_digest(self) -> str:
        """Digest of the committed ledger."""
        return self._manifest.ledger_digest

    @property
    def ledger_root(self) -> Path:
        """Root that hosts give to `coordination.ledger.store.write_part`."""
        return self.path / LEDGER_FOLDER

    @property
    def checkpoint_root(self) -> Path:
        """Folder of snapshots' folders (see `experiments.runs.snapshots.snapshot_folder`)."""
        return self.path / CHECKPOINT_FOLDER

    @property
    def config_yaml(self) -> str:
        """The resolved configuration."""
        try:
            return (self.path / CONFIG_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise RunError(f"{self.path / CONFIG_FILE}: cannot read ({error})") from error

    def tick_parts(self) -> list[PartInfo]:
        """Return all committed parts, by tick and part number."""
        return [part for entry in self._manifest.ticks for part in entry.parts]

    def read(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        ticks: Iterable[int] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Columns:
        """Return committed rows; see `coordination.ledger.store.read_table`."""
        return read_table(self.ledger_root, self.tick_parts(), table, columns, ticks, where)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the committed lines of ``metrics.jsonl``.

        Raises:
            RunError: If the file is missing, shorter than committed, or malformed.
        """
        path = self.path / METRICS_FILE
        committed = self._manifest.metrics_bytes
        try:
            with path.open("rb") as file:
                data = file.read(committed)
        except OSError as error:
            raise RunError(f"{path}: cannot read ({error.strerror})") from error
        if len(data) < committed:
            raise RunError(f"{path}: {len(data)} bytes, but {committed} are committed")
        try:
            return [json.loads(line) for line in data.splitlines()]
        except ValueError as error:
            raise RunError(f"{path}: malformed line ({error})") from error

    def summary(self) -> dict[str, Any]:
        """Return ``summary.json``.

        Raises:
            RunError: If the run is not complete or the file cannot be read.
        """
        path = self.path / SUMMARY_FILE
        if self.status != "complete":
            raise RunError(f"{self.path}: the run is not complete, it has no summary yet")
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot read ({error})") from error

    def verify(self) -> Verification:
        """Recompute the ledger's digest from its files.

        Raises:
            DataError: If a file is missing, truncated or corrupt; names it.
        """
        digest = GENESIS
        rows = 0
        first: int | None = None
        for entry in self._manifest.ticks:
            blocks: dict[tuple[int, str], str] = {}
            totals: list[str] = []
            for part in entry.parts:
                read = read_blocks(self.ledger_root, part)
                rows += sum(part.rows.values())
                if part.total:
                    totals.append(total_of(read))
                else:
                    blocks.update(read)
            found = add_totals(totals) if totals else tick_digest(blocks)
            if first is None and found != entry.digest:
                first = entry.tick
            digest = chain(digest, entry.tick, found)
        return Verification(digest, self.ledger_digest, len(self._manifest.ticks), rows, first)
