"""Running a plan to its end although hosts are lost on the way."""

from __future__ import annotations

from collections.abc import Callable

from environments.core.errors import LostError
from experiments.progress import Progress
from experiments.runtime.interface import Runtime


def run_to_end(
    run_epoch: Callable[[], None], runtime: Runtime, attempts: int, progress: Progress
) -> None:
    """Run epochs until one reaches the end; each begins at the last committed snapshot.

    Args:
        run_epoch: Begins an epoch, builds all hosts and works through the ticks that remain.
        runtime: Whose hosts are stopped when one is lost.
        attempts: Times a lost host is made up for.
        progress: Is told of losses.

    Raises:
        LostError: If hosts were lost more often than that.
    """
    lost = 0
    while True:
        try:
            run_epoch()
            return
        except LostError as error:
            lost += 1
            if lost > attempts:
                raise
            progress.stage(f"{error}; rebuilding from the last snapshot")
            runtime.stop_hosts()
