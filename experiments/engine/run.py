"""Running and resuming scenarios: from a configuration to a finished run directory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.core.errors import FacilitateError, RunError
from experiments.analysis.summary import summarize_run
from experiments.config.load import from_yaml_text, resolved_yaml, with_runtime
from experiments.config.schema import ScenarioConfig
from experiments.config.validate import has_population, validate
from experiments.doctor import fingerprint, fingerprint_changes
from experiments.engine.driver import Driver
from experiments.engine.epochs import EpochDriver
from experiments.events import check_tensorboard, with_events
from experiments.progress import Progress
from experiments.report.html import write_report
from experiments.runs.directory import RunDirectory
from experiments.runs.layout import refuse_used
from experiments.runtime.choose import open_runtime
from experiments.runtime.interface import Runtime


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    path: Path
    summary: dict[str, Any]


def _nothing(point: str) -> None:
    """The commit-point hook of an ordinary run."""


def run_scenario(
    config: ScenarioConfig,
    out: Path,
    progress: Progress,
    at: Callable[[str], None] = _nothing,
    report: bool = True,
) -> RunResult:
    """Run a scenario in a new directory.

    Everything that can be wrong with the configuration or the runtime is found before the
    directory is created.

    Args:
        config: The scenario.
        out: A directory that does not exist or is empty.
        progress: Is told what happens.
        at: Called with the name of every commit point.
        report: Whether to write ``report.html``; ``facilitate report`` writes it later.

    Raises:
        ConfigError: If the scenario or the runtime cannot work.
        RunError: If the directory cannot be used.
    """
    validate(config)
    path = out.expanduser().resolve()
    refuse_used(path)
    check_tensorboard(config.runtime.tensorboard)
    started = time.monotonic()
    runtime = open_runtime(config)
    try:
        header = {"scenario": config.name, **fingerprint()}
        keep = config.schedule.keep_snapshots
        with RunDirectory.create(path, resolved_yaml(config), header, keep) as run:
            try:
                _drive(config, run, runtime, progress, at)
            except FacilitateError:
                run.discard()  # refused before anything was committed: leave nothing half-written
                raise
            return _finish(config, run, progress, started, report)
    finally:
        runtime.close()


def resume_run(
    path: Path,
    progress: Progress,
    overrides: list[str],
    at: Callable[[str], None] = _nothing,
    report: bool = True,
) -> RunResult:
    """Continue a run from its last committed snapshot.

    Args:
        path: The run directory.
        progress: Is told what happens.
        overrides: ``runtime.*`` settings that may differ from the first start.
        at: Called with the name of every commit point.
        report: Whether to write ``report.html``.

    Raises:
        RunError: If it is no run, is already complete, or was written by a newer version.
    """
    started = time.monotonic()
    with RunDirectory.open(path.expanduser().resolve()) as run:
        if run.status == "complete":
            raise RunError(f"{path}: the run is complete; there is nothing to resume")
        config = with_runtime(from_yaml_text(run.config_yaml), overrides)
        validate(config)
        for change in fingerprint_changes(run.header, fingerprint()):
            progress.stage(f"this machine is another one: {change}")
        check_tensorboard(config.runtime.tensorboard)
        runtime = open_runtime(config)
        try:
            _drive(config, run, runtime, progress, at)
            return _finish(config, run, progress, started, report)
        finally:
            runtime.close()


def _drive(
    config: ScenarioConfig,
    run: RunDirectory,
    runtime: Runtime,
    progress: Progress,
    at: Callable[[str], None],
) -> None:
    """Run a scenario's driver to its end.

    Raises:
        RunError: If there is not even the memory for the driver; a run without a commit can then
            be discarded.
    """
    try:
        with with_events(progress, config.runtime.tensorboard, run.path) as told:
            _driver(config, run, runtime, told, at).run()
    except MemoryError as error:
        raise RunError(f"out of memory: {error or 'no more can be had'}") from error


def _driver(
    config: ScenarioConfig,
    run: RunDirectory,
    runtime: Runtime,
    progress: Progress,
    at: Callable[[str], None],
) -> EpochDriver:
    """Return the engine that runs a scenario, by the sections that it has."""
    if has_population(config):
        from experiments.population.driver import PopulationDriver

        return PopulationDriver(config, run, runtime, progress, at)
    if config.weak_to_strong.supervisor:
        from experiments.weak_to_strong.driver import WeakToStrongDriver

        return WeakToStrongDriver(config, run, runtime, progress, at)
    return Driver(config, run, runtime, progress, at)


def _finish(
    config: ScenarioConfig, run: RunDirectory, progress: Progress, started: float, report: bool
) -> RunResult:
    progress.stage("computing intervals" + " and writing the report" * report)
    wall_s = time.monotonic() - started
    if has_population(config):
        from experiments.population.summary import summarize_population

        summary = summarize_population(run, config, wall_s)
    else:
        summary = summarize_run(run, wall_s)
    run.finish(summary)
    if report:
        write_report(run)
    progress.finish()
    return RunResult(run.path, json.loads((run.path / "summary.json").read_text()))
