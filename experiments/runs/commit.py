"""The commit of a tick: one transaction, visible with one rename.

::

    parts and snapshot files lie aside, written by hosts
      -> checked -> metrics line appended -> manifest replaced (the tick exists from here on)
      -> snapshots that the manifest no longer names are deleted

A driver that dies before the rename leaves bytes that nobody names; one that dies after it leaves,
at worst, files that nobody names. Resuming removes both.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coordination.ledger.digest import add_totals, chain, tick_digest
from coordination.ledger.files import (
    Announce,
    flush_folder,
    replace_file,
    write_error,
    write_halves,
)
from coordination.ledger.store import PartInfo
from environments.core.errors import RunError
from experiments.runs.layout import (
    CHECKPOINT_FOLDER,
    LEDGER_FOLDER,
    MANIFEST_FILE,
    METRICS_FILE,
)
from experiments.runs.manifest import Manifest, TickEntry
from experiments.runs.snapshots import SnapshotInfo
from experiments.runs.strict_json import encode, to_plain

MANIFEST_POINTS = (
    "before_manifest_tmp",
    "mid_manifest_tmp",
    "after_manifest_tmp",
    "before_replace",
    "after_replace",
)

COMMIT_POINTS: tuple[str, ...] = (
    "before_parts_listed",
    "after_parts_checked",
    "before_snapshot_check",
    "mid_snapshot_check",
    "after_snapshot_check",
    "before_metrics",
    "mid_metrics",
    "after_metrics",
    *MANIFEST_POINTS,
    "before_cleanup",
    "mid_cleanup",
    "after_cleanup",
)
"""Every step of a commit, in order. All are announced at every tick, except ``mid_snapshot_check``
(only with a snapshot) and ``mid_cleanup`` (only where an old snapshot is deleted)."""


def commit_tick(
    run: Path,
    manifest: Manifest,
    tick: int,
    parts: Iterable[PartInfo],
    metrics_line: Mapping[str, Any],
    snapshot: SnapshotInfo | None,
    extra: Mapping[str, Any],
    at: Announce,
) -> Manifest:
    """Commit a tick durably and return the new manifest.

    Args:
        run: The run directory.
        manifest: What is committed so far, as it is on disk.
        tick: Later than all committed ticks.
        parts: What the hosts wrote for this tick.
        metrics_line: One line of ``metrics.jsonl``.
        snapshot: What the hosts wrote as the state after this tick, if they did.
        extra: The engine's own small state, kept with the tick.
        at: Hears `COMMIT_POINTS`.

    Raises:
        RunError: If parts do not belong together or to this epoch, a file is not where its host
            said, or the file system refuses. Nothing of the tick is then visible.
    """
    at("before_parts_listed")
    ordered = sorted(parts, key=lambda part: part.part)
    blocks = _blocks(run, manifest, tick, ordered)
    totals = [part.total for part in ordered if part.total]
    digest = add_totals(totals) if totals else tick_digest(blocks)
    at("after_parts_checked")
    at("before_snapshot_check")
    if snapshot is not None:
        _check_snapshot(run, tick, snapshot, at)
    at("after_snapshot_check")
    line = encode(metrics_line, f"metrics of tick {tick}")
    entry = TickEntry(
        tick=tick,
        digest=digest,
        ledger_digest=chain(manifest.ledger_digest, tick, digest),
        metrics_bytes=manifest.metrics_bytes + len(line),
        parts=tuple(ordered),
        snapshot=snapshot,
        extra=to_plain(extra, f"state of tick {tick}"),
    )
    after = manifest.with_tick(entry)
    content = after.encode()
    append_metrics(run, manifest.metrics_bytes, line, at)
    replace_file(run / MANIFEST_FILE, content, at, MANIFEST_POINTS)
    at("before_cleanup")
    kept = {one.folder for one in after.snapshots}
    for old in manifest.snapshots:
        if old.folder not in kept:
            remove_snapshot(run, old.folder, at)
    at("after_cleanup")
    return after


def append_metrics(run: Path, committed: int, line: bytes, at: Announce) -> None:
    """Append a line after the committed bytes, dropping what an earlier failure left there.

    Raises:
        RunError: If committed bytes are missing or the file system refuses.
    """
    path = run / METRICS_FILE
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _cut(fd, path, committed)
            at("before_metrics")
            os.lseek(fd, committed, os.SEEK_SET)
            write_halves(fd, line, lambda: at("mid_metrics"))
        finally:
            os.close(fd)
    except OSError as error:
        raise write_error(path, error) from error
    at("after_metrics")


def cut_metrics(run: Path, committed: int) -> None:
    """Truncate ``metrics.jsonl`` to its committed length, durably; errors as `append_metrics`."""
    path = run / METRICS_FILE
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _cut(fd, path, committed)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise write_error(path, error) from error


def remove_snapshot(run: Path, folder: str, at: Announce) -> None:
    """Delete a snapshot's folder; announces ``mid_cleanup`` after the first file.

    Raises:
        RunError: If the file system refuses.
    """
    path = run / CHECKPOINT_FOLDER / folder
    try:
        for i, file in enumerate(sorted(path.iterdir()) if path.is_dir() else []):
            file.unlink(missing_ok=True)
            if i == 0:
                at("mid_cleanup")
        shutil.rmtree(path, ignore_errors=True)
        flush_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error


def _cut(fd: int, path: Path, committed: int) -> None:
    size = os.fstat(fd).st_size
    if size < committed:
        raise RunError(f"{path}: {size} bytes, but {committed} are committed; the file was cut")
    if size > committed:
        os.ftruncate(fd, committed)


def _blocks(
    run: Path, manifest: Manifest, tick: int, parts: list[PartInfo]
) -> dict[tuple[int, str], str]:
    """Check the parts of a tick and return the digests of its blocks."""
    if manifest.ticks and tick <= manifest.ticks[-1].tick:
        last = manifest.ticks[-1].tick
        raise RunError(f"{run}: cannot commit tick {tick}, tick {last} is committed already")
    if len({bool(part.total) for part in parts}) > 1:
        raise RunError(f"{run}: tick {tick} has parts with listed and with summed digests")
    numbers = [part.part for part in parts]
    if len(set(numbers)) < len(numbers):
        raise RunError(f"{run}: tick {tick} has two parts of the same number: {numbers}")
    blocks: dict[tuple[int, str], str] = {}
    for part in parts:
        if (part.tick, part.epoch) != (tick, manifest.epoch):
            raise RunError(
                f"{run}: part {part.part} is of tick {part.tick}, epoch {part.epoch}; expected "
                f"tick {tick}, epoch {manifest.epoch}"
            )
        for table, name in part.files.items():
            check_size(run / LEDGER_FOLDER / name, part.sizes[table])
        for block, by_table in part.digests.items():
            for table, digest in by_table.items():
                if (block, table) in blocks:
                    raise RunError(
                        f"{run}: tick {tick} has rows of block {block} of {table} in two parts"
                    )
                blocks[block, table] = digest
    return blocks


def _check_snapshot(run: Path, tick: int, snapshot: SnapshotInfo, at: Announce) -> None:
    if snapshot.tick != tick:
        raise RunError(f"{run}: snapshot of tick {snapshot.tick} given to commit of tick {tick}")
    folder = run / CHECKPOINT_FOLDER / snapshot.folder
    for i, file in enumerate(snapshot.files):
        if i == len(snapshot.files) // 2:
            at("mid_snapshot_check")
        check_size(folder / file.name, file.size)
    try:
        flush_folder(folder.parent)
    except OSError as error:
        raise write_error(folder, error) from error


def check_size(path: Path, size: int) -> None:
    """Check that a file is there with its size.

    Raises:
        RunError: If not.
    """
    try:
        found = path.stat().st_size
    except OSError as error:
        raise RunError(
            f"{path}: not found ({error.strerror}); do all hosts write to the same storage?"
        ) from error
    if found != size:
        raise RunError(f"{path}: {found} bytes, {size} expected")
