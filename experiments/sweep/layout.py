"""A sweep's directory.

::

    sweep.json      grid, cells, what failed       cells/NAME/   one run directory a cell
    sweep.parquet   one row a cell and metric      sweep.html    the report

The name of a cell is a hash of its configuration. So the same command finds its finished cells
again after a stop, and a larger grid in the same directory reuses those of a smaller one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coordination.ledger.files import replace_file
from environments.core.errors import RunError
from experiments.runs.manifest import read_manifest
from experiments.runs.strict_json import encode

SWEEP_FILE, TABLE_FILE, PAGE_FILE, CELLS_FOLDER = (
    "sweep.json", "sweep.parquet", "sweep.html", "cells",
)  # fmt: skip


def is_sweep(path: Path) -> bool:
    """Say whether a path is a sweep's directory."""
    return (path / SWEEP_FILE).is_file()


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``sweep.json`` (values of axes as YAML texts)."""
    replace_file(path / SWEEP_FILE, encode(dict(state), SWEEP_FILE, indent=2))


def read_state(path: Path) -> dict[str, Any]:
    """Return what ``sweep.json`` says.

    Raises:
        RunError: If it cannot be read.
    """
    try:
        return json.loads((path / SWEEP_FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path / SWEEP_FILE}: cannot read ({error})") from error


def cell_path(path: Path, name: str) -> Path:
    """Return the run directory of a cell."""
    return path / CELLS_FOLDER / name


def is_complete(path: Path) -> bool:
    """Say whether a cell's run directory holds a complete run."""
    try:
        return read_manifest(path).status == "complete"
    except RunError:
        return False


def cells_of(path: Path) -> list[Path]:
    """Return the complete cells of a sweep's last grid, in its order.

    Raises:
        RunError: If none is complete.
    """
    names: Sequence[str] = [cell["name"] for cell in read_state(path)["cells"]]
    found = [cell_path(path, name) for name in names if is_complete(cell_path(path, name))]
    if not found:
        raise RunError(f"{path}: no cell of this sweep is complete yet")
    return found
