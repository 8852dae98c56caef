"""``facilitate proofs``: what the literature says beside what this code obtains."""

from __future__ import annotations

import typer

from experiments.commands.shared import console

_DIGITS = 7


def proofs() -> None:
    """Recompute every published number that the environments and human proxies must reproduce.

    Prints claim, source, expected and obtained value and the tolerance; exits with 1 if one of them
    fails. A proof shows that an equation is right, not that a simulation predicts people. Pieces
    whose optional package is missing are named and left out.

    [bold]Example[/bold]

      facilitate proofs
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from experiments.proofs import all_proofs

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("piece", "claim", "source"):
        table.add_column(name)
    for name in ("expected", "obtained", "tolerance"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    count = failed = 0
    missing: dict[str, str] = {}
    for piece, proof in all_proofs(missing):
        count += 1
        failed += not proof.ok
        values = (proof.expected, proof.obtained, proof.tolerance)
        shown = (f"{value:.{_DIGITS}g}" for value in values)
        mark = Text("pass", style="green") if proof.ok else Text("FAIL", style="bold red")
        table.add_row(*map(Text, (piece, proof.claim, proof.source, *shown)), mark)
    out = console()
    out.print(table)
    for piece, reason in missing.items():
        out.print(f"{piece}: not proved here, {reason}", highlight=False, markup=False)
    out.print(f"{count - failed} of {count} proofs pass", highlight=False)
    if failed:
        raise typer.Exit(1)
