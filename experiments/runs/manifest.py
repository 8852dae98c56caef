"""The manifest: which ticks of a run exist, and where their bytes are.

A run is what its manifest says; every other file is invisible until the manifest names it. Only
the driver writes it, and only by replacing it whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from coordination.ledger.digest import GENESIS, chain
from coordination.ledger.schema import FORMAT as LEDGER_FORMAT
from coordination.ledger.store import PartInfo
from environments.core.errors import DataError, RunError
from experiments.runs.layout import MANIFEST_FILE
from experiments.runs.snapshots import SnapshotInfo
from experiments.runs.strict_json import encode

RUN_FORMAT = 1
"""Version of the run directory's layout; a reader refuses newer ones."""

Status = Literal["running", "complete"]


@dataclass(frozen=True)
class TickEntry:
    """One committed tick."""

    tick: int
    digest: str
    """The tick's own digest (`coordination.ledger.digest.tick_digest`)."""
    ledger_digest: str
    """The chain's digest after this tick."""
    metrics_bytes: int
    """Length of ``metrics.jsonl`` after this tick."""
    parts: tuple[PartInfo, ...] = ()
    """Without block digests: their combination is ``digest``."""
    snapshot: SnapshotInfo | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The engine's own small state after this tick, e.g. truth spent."""

    @cached_property
    def encoded(self) -> bytes:
        """The entry as one line of JSON; cached, since every later manifest repeats it."""
        plain = {
            "tick": self.tick,
            "digest": self.digest,
            "metrics_bytes": self.metrics_bytes,
            "parts": [part.to_json(with_digests=False) for part in self.parts],
            "snapshot": self.snapshot and self.snapshot.to_json(),
            "extra": self.extra,
        }
        return encode(plain, MANIFEST_FILE).removesuffix(b"\n")


@dataclass(frozen=True)
class Manifest:
    """All that is committed of a run."""

    header: Mapping[str, Any]
    """Scenario name, versions, hardware fingerprint."""
    config_digest: str
    """BLAKE2b-256 of ``config.yaml`` as the run started with it."""
    keep_snapshots: int
    epoch: int = 0
    """Number of times a driver took the run over; fences late writers."""
    status: Status = "running"
    ticks: tuple[TickEntry, ...] = ()

    @property
    def ledger_digest(self) -> str:
        """The chain's digest after the last committed tick."""
        return self.ticks[-1].ledger_digest if self.ticks else GENESIS

    @property
    def metrics_bytes(self) -> int:
        """Length of ``metrics.jsonl`` that is committed."""
        return self.ticks[-1].metrics_bytes if self.ticks else 0

    @property
    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        """Snapshots kept, oldest first."""
        return tuple(entry.snapshot for entry in self.ticks if entry.snapshot is not None)

    def with_tick(self, entry: TickEntry) -> Manifest:
        """Return the manifest with one more tick; snapshots beyond ``keep_snapshots`` are let go.

        Args:
            entry: A tick later than all committed ones.
        """
        ticks = [*self.ticks, entry]
        held = [i for i, one in enumerate(ticks) if one.snapshot is not None]
        for i in held[: -self.keep_snapshots]:
            ticks[i] = replace(ticks[i], snapshot=None)
        return replace(self, ticks=tuple(ticks))

    def encode(self) -> bytes:
        """Return the manifest as JSON, one line for the run and one for each tick."""
        plain = {
            "format": RUN_FORMAT,
            "ledger_format": LEDGER_FORMAT,
            "header": self.header,
            "config_digest": self.config_digest,
            "keep_snapshots": self.keep_snapshots,
            "epoch": self.epoch,
            "status": self.status,
            "ledger_digest": self.ledger_digest,
        }
        head = encode(plain, MANIFEST_FILE).removesuffix(b"}\n")
        # "ticks" sorts last among the keys.
        return head + b',"ticks":[\n' + b",\n".join(e.encoded for e in self.ticks) + b"\n]}\n"


def read_manifest(run: Path) -> Manifest:
    """Return a run's manifest.

    Raises:
        RunError: If there is none, it is corrupt (also: its digests do not chain), or a newer
            version wrote it.
    """
    path = run / MANIFEST_FILE
    try:
        plain = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{run}: not a run directory, or incomplete: no {path.name}") from error
    except OSError as error:
        raise RunError(f"{path}: cannot read ({error.strerror})") from error
    except ValueError as error:
        raise RunError(f"{path}: corrupt manifest, not JSON ({error})") from error
    if not isinstance(plain, dict):
        raise RunError(f"{path}: corrupt manifest, expected an object")
    for key, known in (("format", RUN_FORMAT), ("ledger_format", LEDGER_FORMAT)):
        given = plain.get(key)
        if not isinstance(given, int):
            raise RunError(f"{path}: corrupt manifest, no {key!r}")
        if given > known:
            raise RunError(
                f"{run}: written by a newer version ({key} {given}, this version reads up to "
                f"{known}); update facilitate to open it"
            )
    try:
        manifest = _decode(plain)
    except (KeyError, TypeError, ValueError, AttributeError, DataError) as error:
        raise RunError(f"{path}: corrupt manifest ({error!r})") from error
    if manifest.ledger_digest != plain.get("ledger_digest"):
        raise RunError(f"{path}: corrupt manifest, the digests of its ticks do not chain")
    return manifest


def _decode(plain: Mapping[str, Any]) -> Manifest:
    entries = []
    digest = GENESIS
    last: int | None = None
    for item in plain["ticks"]:
        tick = int(item["tick"])
        if last is not None and tick <= last:
            raise ValueError(f"tick {tick} comes after tick {last}")
        last = tick
        digest = chain(digest, tick, str(item["digest"]))
        entries.append(
            TickEntry(
                tick=tick,
                digest=str(item["digest"]),
                ledger_digest=digest,
                metrics_bytes=int(item["metrics_bytes"]),
                parts=tuple(PartInfo.from_json(part) for part in item["parts"]),
                snapshot=item["snapshot"] and SnapshotInfo.from_json(item["snapshot"]),
                extra=dict(item["extra"]),
            )
        )
    status = plain["status"]
    if status not in ("running", "complete"):
        raise ValueError(f"status {status!r}")
    return Manifest(
        header=dict(plain["header"]),
        config_digest=str(plain["config_digest"]),
        keep_snapshots=int(plain["keep_snapshots"]),
        epoch=int(plain["epoch"]),
        status=status,
        ticks=tuple(entries),
    )
