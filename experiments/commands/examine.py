"""``facilitate doctor``: is this machine fit, and are our packages ours?"""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.shared import console

MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("PROBLEM", "bold red")}


def doctor(
    ray: Annotated[
        bool, typer.Option("--ray", help="Also reach or start Ray (takes about ten seconds).")
    ] = False,
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="With --ray: an existing cluster to reach.")
    ] = "",
) -> None:
    """Examine versions, hardware, package names and scenarios; exit 2 if something is wrong.

    [bold]Examples[/bold]

      facilitate doctor

      facilitate doctor --ray

      facilitate doctor --ray --address 10.0.0.5:6379
    """
    from rich.table import Table
    from rich.text import Text

    from experiments.doctor import examine

    findings = list(examine(ray or bool(address), address))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.status]
        table.add_row(Text(mark, style=style), Text(finding.subject), Text(finding.text))
    console().print(table)
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(2)
