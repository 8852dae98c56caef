"""A small driver over a run directory: two hosts, a state that learns, snapshots every two ticks.

Run as a script it kills itself without warning at a commit point: ``driver.py RUN POINT TICK``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

from coordination.ledger.files import Announce, silent
from coordination.ledger.store import write_part
from environments.core.columns import Columns
from experiments.runs.directory import RunDirectory
from experiments.runs.snapshots import (
    SnapshotInfo,
    read_minds,
    read_snapshot_file,
    snapshot_folder,
    write_minds,
    write_snapshot_file,
)
from tests.coordination.ledger.tables import make_tick, of_blocks

TICKS = 7
EVERY = 2
CONFIG = "name: toy\nseed: 3\n"
HEADER = {"scenario": "toy", "versions": {"facilitate": "0"}, "hardware": "one fingerprint"}


class CrashError(Exception):
    """The driver dies here."""


def crash_at(point: str, tick: int, now: list[int]) -> Announce:
    """An announcer that dies at a point of one tick; ``now`` holds the current tick."""

    def at(name: str) -> None:
        if name == point and now[0] == tick:
            raise CrashError(point)

    return at


def drive(run: RunDirectory, at: Announce = silent, now: list[int] | None = None) -> str:
    """Resume a run where it stands, drive it to its end and return the last state's digest."""
    now = now if now is not None else [0]
    point = run.truncate_to_last_snapshot()
    epoch = run.begin_epoch()
    weights, trust, spent, first = np.zeros(5), np.ones(3), 0, 0
    if point is not None:
        folder = run.checkpoint_root / point.snapshot.folder
        weights = read_snapshot_file(folder, "learner", point.snapshot.file("learner"))["w"]["a"]
        trust = read_minds(folder, "minds", point.snapshot.file("minds"))["human"]["trust"]
        spent, first = point.extra["spent"], point.tick + 1
    for tick in range(first, TICKS):
        now[0] = tick
        tables = make_tick(tick, rooms=6, block=2)
        tables = {name: tables[name] for name in ("rooms", "labels")}
        weights = weights * 0.9 + tables["labels"]["target"].sum(
            where=~np.isnan(tables["labels"]["target"])
        )
        tables["labels"] = tables["labels"].with_(weight=np.full(6, weights.mean()))
        trust, spent = trust / 3.0, spent + tick
        parts = [
            write_part(run.ledger_root, tick, epoch, 0, 0, of_blocks(tables, [0, 2])),
            write_part(run.ledger_root, tick, epoch, 0, 1, of_blocks(tables, [1])),
        ]
        snapshot = None
        if tick % EVERY == 1:
            name = snapshot_folder(tick, epoch, 0)
            folder = run.checkpoint_root / name
            minds = {"human": Columns({"agent_id": np.arange(3), "trust": trust})}
            files = [
                write_snapshot_file(folder, "learner", {"w": {"a": weights}}),
                write_minds(folder, "minds", minds),
            ]
            snapshot = SnapshotInfo.of(tick, name, files)
        line = {"tick": tick, "weights": float(weights.mean()), "trust": float(trust[0])}
        run.commit(tick, parts, line, snapshot, {"spent": spent}, at)
    run.finish({"scenario": "toy", "ledger_digest": run.ledger_digest, "spent": spent})
    return run.manifest.snapshots[-1].digest


if __name__ == "__main__":
    path, point, tick = sys.argv[1:]
    current = [0]

    def kill(name: str) -> None:
        if name == point and current[0] == int(tick):
            os.kill(os.getpid(), signal.SIGKILL)

    drive(RunDirectory.create(Path(path), CONFIG, HEADER), kill, current)
