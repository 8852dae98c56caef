"""The command line. Starting it imports typer and little else; commands import what they need.

Every error that the framework raises on purpose becomes one line on standard error and exit code
2; Ctrl-C exits with 130; anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer

from environments.core.errors import FacilitateError
from experiments.commands.bench import bench
from experiments.commands.check import check
from experiments.commands.elo import elo
from experiments.commands.examine import doctor
from experiments.commands.export_adapter import export_adapter
from experiments.commands.fit import fit_proxy
from experiments.commands.look import list_, show
from experiments.commands.proofs import proofs
from experiments.commands.rejudge import rejudge
from experiments.commands.run import INTERRUPTED, resume, run
from experiments.commands.runs import report, verify
from experiments.commands.shared import Imports, reflow
from experiments.commands.sweep import sweep

# click's ClickException, whether typer vendors click or depends on it.
_USAGE_ERROR: type[Exception] = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)

_ABOUT = (
    "Teams of strong, weak and human-proxy agents that decide together and learn online.\n\n"
    "Strong agents explain or debate, a human-proxy judges; a weak agent learns from what it "
    "hears, without ground truth. On a laptop or a Ray cluster, with the same result."
)

app = typer.Typer(
    name="facilitate",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]facilitate list[/bold], then [bold]facilitate run debate[/bold].",
)

_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (run, resume, sweep, rejudge),
    "Look": (list_, show, report, elo, fit_proxy, export_adapter),
    "Check": (verify, check, proofs, bench, doctor),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _name = _command.__name__.rstrip("_").replace("_", "-")
        app.command(_name, rich_help_panel=_panel, help=reflow(_command.__doc__))(_command)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib import metadata

        try:
            known = metadata.version("facilitate")
        except metadata.PackageNotFoundError:
            known = "from source"
        typer.echo(f"facilitate {known}")
        raise typer.Exit


@app.callback(help=_ABOUT)
def _before(
    imports: Imports = None,
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Import what every command may need."""
    if imports:
        from experiments.config.plugins import import_modules

        import_modules(imports)


def start(words: Sequence[str]) -> int:
    """Run a command and return the exit code.

    Args:
        words: What stands after ``facilitate``; none prints the help.
    """
    try:
        code = app(args=list(words) or ["--help"], prog_name="facilitate", standalone_mode=False)
    except FacilitateError as error:
        return _fail(str(error), error.exit_code)
    except _USAGE_ERROR as error:
        message = getattr(error, "format_message", error.__str__)()
        return _fail(f"{message} (see facilitate --help)", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe, e.g. head, has seen enough
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr, flush=True)
    return code
