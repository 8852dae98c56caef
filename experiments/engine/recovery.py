"""Going on after hosts were lost: everything is rebuilt from the last snapshot and replayed."""

from __future__ import annotations

from collections.abc import Callable

from environments.core.errors import LostError
from experiments.progress import Progress
from experiments.runtime.interface import Runtime


def run_epochs(
    epoch: Callable[[], None], runtime: Runtime, progress: Progress, attempts: int
) -> None:
    """Call ``epoch`` until it comes to its end.

    Args:
        epoch: Runs from the last committed snapshot to the end of the run.
        runtime: Its hosts are stopped before another try.
        progress: Is told of losses.
        attempts: Losses survived; one more ends the run.

    Raises:
        LostError: If hosts were lost more often.
    """
    lost = 0
    while True:
        try:
            epoch()
            return
        except LostError as error:
            lost += 1
            if lost > attempts:
                raise
            progress.stage(f"{error}; rebuilding from the last snapshot")
            runtime.stop_hosts()
