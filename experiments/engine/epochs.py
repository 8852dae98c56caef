"""What all drivers share: ticks from the last snapshot to the end, and on again after a loss.

An *epoch* is one go at it: the run is truncated to its last full snapshot, hosts are started and
given back their state, and ticks follow each other to the last. If a host is lost, all are stopped
and another epoch begins. Commands carry the epoch's number, so a host of an earlier one, which may
still be alive somewhere, cannot interfere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from environments.core.errors import LostError, NoMemoryError
from experiments.config.schema import ScenarioConfig
from experiments.engine.state import Totals
from experiments.progress import Progress
from experiments.runs.directory import ResumePoint, RunDirectory
from experiments.runtime.interface import HostSpec, Runtime, Stamp

_Item = TypeVar("_Item")


class EpochDriver(ABC):
    """Runs ticks as transactions; what a tick is, is a subclass's.

    Args:
        config: The scenario.
        run: Its run directory, created or opened.
        runtime: Where hosts live.
        progress: Is told what happens.
        at: Called with the name of each commit point (fault injection in tests).
    """

    def __init__(
        self,
        config: ScenarioConfig,
        run: RunDirectory,
        runtime: Runtime,
        progress: Progress,
        at: Callable[[str], None],
    ) -> None:
        self._config = config
        self._run = run
        self._runtime = runtime
        self._progress = progress
        self._at = at
        self._totals = Totals()
        self._epoch = -1

    def run(self) -> None:
        """Run from the last committed snapshot (or the beginning) to the end.

        Raises:
            LostError: If hosts were lost more often than ``runtime.attempts``.
            NoMemoryError: If the last of them had no memory, or this process has none (it is not
                tried again then); with what was asked for and what lowers it.
        """
        lost = 0
        while True:
            try:
                self._run_epoch()
                return
            except LostError as error:
                lost += 1
                if lost > self._config.runtime.attempts:
                    if isinstance(error, NoMemoryError):
                        raise NoMemoryError(f"{error}; {self._memory_advice()}") from error
                    raise
                self._progress.stage(f"{error}; rebuilding from the last snapshot")
                self._runtime.stop_hosts()
            except MemoryError as error:  # of a host in this process, or of the driver
                told = f"out of memory: {error or 'no more can be had'}"
                raise NoMemoryError(f"{told}; {self._memory_advice()}") from error

    def _run_epoch(self) -> None:
        point = self._run.truncate_to_last_snapshot(self._at)
        self._epoch = self._run.begin_epoch()
        self._totals = Totals(point.extra if point else None)
        specs = self.specs()
        self._progress.stage(self._runtime.awaited(specs) or "starting hosts")
        self._connect(self._runtime.start(specs))
        first = 0
        if point is not None:
            first = point.tick + 1
            self._restore(point, self._stamp(point.tick))
        self._progress.start(self._last_tick, self._labels())
        for tick in range(first, self._last_tick + 1):
            self._tick(tick)

    def _stamp(self, tick: int) -> Stamp:
        return Stamp(self._epoch, tick)

    def _gather(self, calls: Sequence[Any]) -> list[Any]:
        return self._runtime.gather(calls, self._config.runtime.deadline_s)

    # -- what differs ----------------------------------------------------------------------

    @property
    @abstractmethod
    def _last_tick(self) -> int:
        """Number of the run's last tick."""

    @abstractmethod
    def specs(self) -> list[HostSpec]:
        """Return how to build the hosts."""

    def _connect(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Take what new hosts reported of themselves; most drivers need none of it."""
        return

    @abstractmethod
    def _restore(self, point: ResumePoint, stamp: Stamp) -> None:
        """Give new hosts the state of a snapshot."""

    def _labels(self) -> dict[str, str]:
        """Return the curves that progress shows: name to words."""
        return {arm: config.label for arm, config in self._config.arms.items()}

    def _memory_advice(self) -> str:
        """Return what is asked of the machines' memory, and the settings that lower it."""
        hosts = Counter(spec.kind for spec in self.specs())
        asked = ", ".join(f"{count} {kind}" for kind, count in sorted(hosts.items()))
        return (
            f"asked for: hosts for {asked} with schedule.block={self._config.schedule.block} cases "
            "at once; fewer hosts (runtime.conversation_hosts, cohort_hosts, learner_hosts), a "
            "smaller block or model, or more nodes (runtime.ray.address) lower it"
        )

    @abstractmethod
    def _tick(self, tick: int) -> None:
        """Do a tick and commit it."""


def dealt(hosts: Sequence[str], items: Sequence[_Item]) -> list[tuple[str, list[_Item]]]:
    """Deal items to hosts round robin; hosts that get none are left out."""
    count = len(hosts)
    parts = [(name, list(items[index::count])) for index, name in enumerate(hosts)]
    return [(name, part) for name, part in parts if part]
