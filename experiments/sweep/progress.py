"""What a sweep shows while it goes on: a live bar on a terminal, one line a cell elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from experiments.sweep.carry_out import SweepProgress


class PlainSweepProgress:
    """One line a cell.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._done = 0

    def start(self, total: int, reused: int, workers: int) -> None:
        """See `SweepProgress.start`."""
        self._total, self._done = total, reused
        told = f"{reused} of {total} cells were finished before" if reused else f"{total} cells"
        self._write(f"{told}, {workers} at a time" if workers else told)

    def cell(self, label: str, error: str, seconds: float) -> None:
        """See `SweepProgress.cell`."""
        self._done += 1
        told = f"FAILED: {error}" if error else f"{seconds:.1f} s"
        self._write(f"[{self._done}/{self._total}] {label}: {told}")

    def finish(self) -> None:
        """See `SweepProgress.finish`."""

    def _write(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class RichSweepProgress:
    """A live bar; failed cells stay above it.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            TextColumn("[bold]cells"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", style="cyan", markup=False),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=1)
        self._failed = 0

    def start(self, total: int, reused: int, workers: int) -> None:
        """See `SweepProgress.start`."""
        told = f"{workers} at a time" + (f", {reused} finished before" if reused else "")
        self._bar.update(self._task, total=total, completed=reused, description=told)
        self._bar.start()

    def cell(self, label: str, error: str, seconds: float) -> None:
        """See `SweepProgress.cell`."""
        if error:
            self._failed += 1
            self._bar.console.print(f"FAILED {label}: {error}", markup=False, style="red")
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.update(
            self._task, advance=1, description=f"last: {label} ({seconds:.1f} s){failed}"
        )

    def finish(self) -> None:
        """See `SweepProgress.finish`."""
        self._bar.stop()


def choose_sweep_progress(console: Console) -> SweepProgress:
    """Return a live bar on a terminal, plain lines elsewhere."""
    if console.is_terminal and not console.is_dumb_terminal:
        return RichSweepProgress(console)
    return PlainSweepProgress(console)
