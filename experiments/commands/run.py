"""``facilitate run`` and ``facilitate resume``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.core.errors import LostError, NoMemoryError
from experiments.commands.shared import (
    Imports,
    console,
    existing_run,
    progress_for,
    say,
    take_apart,
)

if TYPE_CHECKING:
    from experiments.config.schema import ScenarioConfig
    from experiments.engine.run import RunResult
    from experiments.progress import Progress

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""


def run(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO KEY=VALUE out=DIR",
            help="A scenario's name or YAML file (default: debate_teaches_weak), settings that "
            "replace its own, and the run directory (default: runs/SCENARIO-ENVIRONMENT-TIME).",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print no tables, only the path of the report.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Run a scenario: a team decides, messages flow, the weak agent learns.

    Shows the learning curve while it goes on, then prints the result table and the path of a
    self-contained report. The run directory holds everything: configuration, ledger, metrics,
    checkpoints, report. An interrupted run is continued with [bold]facilitate resume[/bold].

    [bold]Examples[/bold]

      facilitate run

      facilitate run debate_teaches_weak environment=chess_puzzles seeds=5

      facilitate run debate runtime=inprocess learner.batch_size=16 out=runs/first

      facilitate run my_scenario.yaml --import my_components

    Settings are those of [bold]facilitate show SCENARIO[/bold]; values are YAML.
    environment=NAME, runtime=NAME and agents.NAME.policy=NAME switch a whole component.
    """
    given = take_apart(arguments)

    from experiments.config.devices import check_devices
    from experiments.config.load import load_scenario
    from experiments.config.plugins import import_modules
    from experiments.config.preflight import preflight
    from experiments.doctor import gpus

    import_modules(imports or ())
    config = load_scenario(given.scenario, given.overrides)
    check_devices(config, gpus())
    preflight(config, say)
    path = Path(given.out or default_directory(config)).expanduser().resolve()

    def start(progress: Progress) -> RunResult:
        from experiments.engine.run import run_scenario

        return run_scenario(config, path, progress)

    _carry_out(start, config, path, quiet)


def resume(
    run_directory: Annotated[
        str, typer.Argument(metavar="RUN", help="Directory of an unfinished run.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="runtime.KEY=VALUE",
            help="Where to go on, e.g. runtime=inprocess; the result does not depend on it.",
        ),
    ] = None,
    imports: Imports = None,
) -> None:
    """Continue an interrupted run from its last snapshot, to the same result.

    What was begun after the snapshot is done again, draw for draw: the ledger digest equals that
    of an undisturbed run.

    [bold]Examples[/bold]

      facilitate resume runs/debate-reading-20250131-120000

      facilitate resume runs/first runtime=inprocess
    """
    path = existing_run(run_directory)

    from experiments.config.devices import check_devices
    from experiments.config.load import from_yaml_text, with_runtime
    from experiments.config.plugins import import_modules
    from experiments.config.preflight import preflight
    from experiments.doctor import gpus

    import_modules(imports or ())
    text = (path / "config.yaml").read_text("utf-8")
    config = with_runtime(from_yaml_text(text, place=str(path / "config.yaml")), overrides or ())
    check_devices(config, gpus())
    preflight(config, say)

    def start(progress: Progress) -> RunResult:
        from experiments.engine.run import resume_run

        return resume_run(path, progress, list(overrides or ()))

    _carry_out(start, config, path)


def default_directory(config: ScenarioConfig) -> str:
    """Return ``runs/<scenario>-<environment>-<time>`` for a run that starts now."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return f"runs/{config.name}-{config.environment['name']}-{stamp}"


def _carry_out(
    start: Callable[[Progress], RunResult],
    config: ScenarioConfig,
    path: Path,
    quiet: bool = False,
) -> None:
    """Run with a display, then print the tables; say how to continue what broke off."""
    progress = progress_for(config)
    try:
        result = start(progress)
    except KeyboardInterrupt:
        progress.finish()
        say(f"interrupted; {_continue(path, as_it_was=True)}")
        raise typer.Exit(INTERRUPTED) from None
    except LostError as error:
        as_it_was = not isinstance(error, NoMemoryError)
        raise LostError(f"{error}; {_continue(path, as_it_was)}") from error
    finally:
        progress.finish()

    from experiments.report.tables import print_summary

    out = console()
    if not quiet:
        print_summary(result.path, out)
    out.print(f"report: {result.path / 'report.html'}", soft_wrap=True, highlight=False)


def _continue(path: Path, as_it_was: bool) -> str:
    """Say how to go on; with the same settings as before only where they can work."""
    if (path / "config.yaml").is_file():
        return f"continue with: facilitate resume {path}"
    return "nothing was written yet" + ": start it again" * as_it_was
