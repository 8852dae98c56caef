"""Carrying out a sweep: cells as tasks, resumed where they stopped, going on where one fails."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from environments.core.errors import RunError
from experiments.progress import NullProgress
from experiments.runs.layout import MANIFEST_FILE, refuse_used
from experiments.runs.lock import RunLock
from experiments.runtime.tasks import Finished, open_pool
from experiments.sweep.grid import Cell, Grid
from experiments.sweep.layout import (
    CELLS_FOLDER,
    cell_path,
    is_complete,
    is_sweep,
    read_state,
    write_state,
)

LOCK_WAIT_S = 30.0
"""A worker of a killed sweep may hold its cell's lock for a moment; it is waited for this long."""


@dataclass(frozen=True)
class Job:
    """One cell, as a task gets it."""

    config_yaml: str
    path: str


@dataclass(frozen=True)
class SweepResult:
    """What became of the cells."""

    path: Path
    done: tuple[Cell, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Cell to one line."""
    reused: int = 0
    """Cells that had been finished before."""


class SweepProgress(Protocol):
    """Is told what happens."""

    def start(self, total: int, reused: int, workers: int) -> None:
        """Begin: cells of the grid, those finished before, tasks at once."""
        ...

    def cell(self, label: str, error: str, seconds: float) -> None:
        """One cell more; ``error`` is '' if it went well."""
        ...

    def finish(self) -> None:
        """End the display; may be called more than once."""
        ...


def run_cell(job: Job) -> float:
    """Run a cell, or continue it from its last snapshot; returns the seconds that took."""
    from experiments.config.load import from_yaml_text
    from experiments.engine.run import resume_run, run_scenario

    started = time.monotonic()
    path = Path(job.path)
    if path.exists() and not (path / MANIFEST_FILE).exists():
        shutil.rmtree(path)  # killed while the directory was laid out: nothing is in it
    if path.exists():
        _wait_for_lock(path)
    if is_complete(path):
        return time.monotonic() - started
    if path.exists():
        resume_run(path, NullProgress(), [], report=False)
    else:
        config = from_yaml_text(job.config_yaml, place="cell")
        run_scenario(config, path, NullProgress(), report=False)
    return time.monotonic() - started


def _wait_for_lock(path: Path) -> None:
    end = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            RunLock(path).release()
            return
        except RunError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def run_sweep(grid: Grid, path: Path, progress: SweepProgress) -> SweepResult:
    """Run all cells of a grid that are not finished yet.

    Args:
        grid: The cells.
        path: A new or empty directory, or that of an earlier sweep of the same scenario.
        progress: Is told what happens.

    Returns:
        What became of the cells; a failed cell does not stop the others.

    Raises:
        RunError: If the directory holds something else, or another sweep writes it.
        ConfigError: If the runtime cannot work.
    """
    if is_sweep(path):
        earlier = read_state(path)["scenario"]
        if earlier != grid.scenario:
            raise RunError(
                f"{path}: holds a sweep of {earlier!r}, not of {grid.scenario!r}; "
                "give another directory"
            )
    else:
        refuse_used(path)
    finished = {cell.name for cell in grid.cells if is_complete(cell_path(path, cell.name))}
    todo = [cell for cell in grid.cells if cell.name not in finished]
    pool = open_pool(grid.runtime) if todo else None
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = RunLock(path)
        try:
            failed: dict[str, str] = {}
            write_state(path, _state(grid, failed))
            (path / CELLS_FOLDER).mkdir(exist_ok=True)
            progress.start(len(grid.cells), len(finished), pool.workers if pool else 0)
            jobs = [Job(cell.config_yaml, str(cell_path(path, cell.name))) for cell in todo]
            for one in pool.run(run_cell, jobs) if pool else ():
                cell = todo[one.index]
                if one.error:
                    failed[cell.name] = one.error
                    _keep_trace(path, cell, one)
                progress.cell(label_of(grid, cell), one.error, one.result or 0.0)
            write_state(path, _state(grid, failed))
        finally:
            progress.finish()
            lock.release()
    finally:
        if pool is not None:
            pool.close()
    done = tuple(cell for cell in grid.cells if cell.name not in failed)
    return SweepResult(path, done, failed, len(finished))


def label_of(grid: Grid, cell: Cell) -> str:
    """Return a cell's place in the grid in words: ``key=value key=value``."""
    pairs = zip(grid.axes, cell.texts, strict=True)
    return " ".join(f"{axis.name}={text}" for axis, text in pairs)


def _keep_trace(path: Path, cell: Cell, one: Finished) -> None:
    if one.trace:
        (path / CELLS_FOLDER / f"{cell.name}.error.txt").write_text(one.trace, "utf-8")


def _state(grid: Grid, failed: Mapping[str, str]) -> dict[str, Any]:
    return {
        "scenario": grid.scenario,
        "settings": list(grid.settings),
        "axes": [{"keys": list(axis.keys), "values": list(axis.texts)} for axis in grid.axes],
        "cells": [
            {
                "name": cell.name,
                "values": list(cell.texts),
                "error": failed.get(cell.name),
            }
            for cell in grid.cells
        ],
    }
