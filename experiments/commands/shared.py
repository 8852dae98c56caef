"""What several commands need: arguments of the form key=value, consoles, options."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.core.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.config.schema import ScenarioConfig
    from experiments.progress import Progress

FLAGSHIP = "debate_teaches_weak"
"""The scenario that ``facilitate run`` runs if none is named."""

PLAIN_WIDTH = 156
"""Columns of tables that are not written to a terminal."""

Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        help="Import a module of yours that registers components (may be repeated).",
    ),
]


@dataclass(frozen=True)
class RunArguments:
    """``[SCENARIO] [key=value …] [out=DIR]``, taken apart."""

    scenario: str
    overrides: tuple[str, ...]
    out: str | None


def take_apart(arguments: Sequence[str] | None, default: str = FLAGSHIP) -> RunArguments:
    """Return a scenario name, overrides and the output directory from a command's arguments.

    Raises:
        ConfigError: A second word without ``=``, or ``out=`` twice or empty.
    """
    scenario: str | None = None
    out: str | None = None
    overrides: list[str] = []
    for argument in arguments or ():
        if argument.startswith("out="):
            if out is not None or argument == "out=":
                raise ConfigError("out: give one directory, e.g. out=runs/first")
            out = argument.removeprefix("out=")
        elif "=" in argument:
            overrides.append(argument)
        elif scenario is None:
            scenario = argument
        else:
            raise ConfigError(
                f"{argument!r} is not of the form key=value, and {scenario!r} is the scenario "
                "already"
            )
    return RunArguments(scenario or default, tuple(overrides), out)


def console() -> Console:
    """Return the console for results (standard output), wide enough for tables in a pipe."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PLAIN_WIDTH
    return Console(width=wide)


def error_console() -> Console:
    """Return the console for progress and messages (standard error)."""
    from rich.console import Console

    return Console(stderr=True)


def progress_for(config: ScenarioConfig) -> Progress:
    """Return the display that fits the terminal and the scenario's comparison."""
    from experiments.progress import choose_progress

    analysis = config.analysis
    return choose_progress(error_console(), analysis.floor, analysis.ceiling, analysis.primary)


def existing_run(path: str) -> Path:
    """Return a run directory's path.

    Raises:
        ConfigError: There is no such directory, or it is not a run.
    """
    run = Path(path).expanduser().resolve()
    if not run.is_dir():
        raise ConfigError(f"{path}: no such run directory")
    if not (run / "config.yaml").is_file():
        raise ConfigError(f"{path}: not a run directory (it has no config.yaml)")
    return run


def reflow(doc: str | None) -> str:
    """Return a docstring for the help page: each paragraph on one line, examples as they are."""
    paragraphs = inspect.cleandoc(doc or "").split("\n\n")
    return "\n\n".join(
        text if text.startswith(" ") else " ".join(text.split()) for text in paragraphs
    )


def say(text: str) -> None:
    """Write a line to standard error."""
    print(text, file=sys.stderr, flush=True)
