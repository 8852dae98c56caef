"""From a run directory to the arguments of the analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from coordination.ledger.balance import Balance, balance
from environments.core.columns import Columns
from experiments.analysis.analysis import Analysis, analyse
from experiments.analysis.ledger_view import NEEDED
from experiments.config.load import from_yaml_text
from experiments.config.schema import ScenarioConfig
from experiments.runs.directory import RunDirectory


@dataclass(frozen=True)
class RunData:
    """What a run directory says about a run."""

    path: Path
    config: ScenarioConfig
    config_yaml: str
    ledger_digest: str
    extra: Mapping[str, Any]
    """The engine's counts after the last tick."""
    header: Mapping[str, Any]
    """Scenario name, versions, hardware."""
    analysis: Analysis
    copies: Mapping[str, Balance]
    """Conversation to the balance of its messages' copies, child rooms included."""


def load_run(run: RunDirectory) -> RunData:
    """Read and analyse a run's committed ledger.

    The last run's analysis is kept, so that summary, tables and report of one command read the
    ledger once.

    Raises:
        RunError: If the directory cannot be read.
        DataError: If a ledger file is missing or corrupt.
    """
    return _load(run.path, run.ledger_digest)


@lru_cache(maxsize=1)
def _load(path: Path, ledger_digest: str) -> RunData:
    run = RunDirectory.open(path)
    config = from_yaml_text(run.config_yaml)
    ticks = run.manifest.ticks
    extra = ticks[-1].extra if ticks else {}
    tables: dict[str, Columns] = {
        name: run.read(name, columns=columns) for name, columns in NEEDED.items()
    }
    return RunData(
        run.path,
        config,
        run.config_yaml,
        ledger_digest,
        extra,
        run.header,
        analyse(tables, config, extra),
        _copies(tables),
    )


def _copies(tables: Mapping[str, Columns]) -> dict[str, Balance]:
    rooms = tables["rooms"]
    found = {}
    for name in sorted(set(rooms["conversation"].tolist())):
        mine = rooms["room_id"][rooms["conversation"] == name]
        parts = {
            table: tables[table].take(np.isin(tables[table]["room_id"], mine))
            for table in ("messages", "deliveries")
        }
        if parts["messages"].n:
            found[name] = balance(parts)
    return found
