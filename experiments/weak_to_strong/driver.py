"""The driver of a weak-to-strong run: supervisors, then students, every tick a transaction.

As in `experiments.engine.driver`, the driver sees summaries only: labels pass from the hosts that
made them to those that learn from them by reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coordination.ledger.store import PartInfo
from experiments.config.schema import ScenarioConfig
from experiments.engine.build import build_environment
from experiments.engine.recovery import run_epochs
from experiments.engine.state import SNAPSHOT_STEPS, Totals
from experiments.progress import Progress
from experiments.runs.directory import RunDirectory
from experiments.runs.snapshots import SnapshotInfo, snapshot_folder
from experiments.runtime.interface import HostSpec, Runtime, Stamp
from experiments.weak_to_strong.host import StudyHost
from experiments.weak_to_strong.units import Study


class WeakToStrongDriver:
    """See the module's documentation.

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
        self._study = Study(config)
        self._run = run
        self._runtime = runtime
        self._progress = progress
        self._at = at
        self._hosts = [f"learner-{i}" for i in range(config.runtime.learner_hosts)]
        self._totals = Totals()
        self._said: list[Any] = []
        self._epoch = -1

    def run(self) -> None:
        """Run from the last committed snapshot (or the beginning) to the end.

        Raises:
            LostError: If hosts were lost more often than ``runtime.attempts``.
        """
        run_epochs(self._run_epoch, self._runtime, self._progress, self._config.runtime.attempts)

    def _run_epoch(self) -> None:
        point = self._run.truncate_to_last_snapshot(self._at)
        self._epoch = self._run.begin_epoch()
        self._totals = Totals(point.extra if point else None)
        self._progress.stage("starting hosts")
        self._runtime.start(self._specs())
        first = 0
        if point is not None:
            first = point.tick + 1
            self._restore(point.snapshot, Stamp(self._epoch, point.tick))
        labels = {arm: config.label for arm, config in self._config.arms.items()}
        self._progress.start(self._study.last_tick, labels)
        for tick in range(first, self._study.last_tick + 1):
            self._tick(tick)

    def _specs(self) -> list[HostSpec]:
        root = str(self._run.ledger_root)
        return [
            HostSpec(
                name,
                "learner",
                StudyHost,
                {"config": self._config, "ledger_root": root, "index": index},
            )
            for index, name in enumerate(self._hosts)
        ]

    def _tick(self, tick: int) -> None:
        stamp = Stamp(self._epoch, tick)
        if tick == 0:
            self._progress.stage("training weak supervisors; they label half B")
            calls = [
                self._runtime.call(name, "supervise", stamp, replicates)
                for name, replicates in self._shared(self._study.plan.replicates)
            ]
            summaries = self._gather(calls)
            self._said = [call.payload for call in calls]
            self._totals.describe(build_environment(self._config))
        else:
            units = self._study.at(tick)
            arms = dict.fromkeys(self._config.arms[unit.arm].label for unit in units)
            self._progress.stage(f"training students: {', '.join(arms)}")
            calls = [
                self._runtime.call(name, "study", stamp, part, *self._said)
                for name, part in self._shared(units)
            ]
            summaries = self._gather(calls)
        self._commit(stamp, summaries)

    def _commit(self, stamp: Stamp, summaries: Sequence[Mapping[str, Any]]) -> None:
        students: dict[str, list[int]] = {}
        for summary in summaries:
            self._totals.add(summary)
            self._totals.note(summary["notes"])
            students |= summary["students"]
        curve = self._by_arm(students)
        snapshot = self._snapshot(stamp)
        parts = [PartInfo.from_json(s["part"]) for s in summaries if s["part"] is not None]
        line = {"tick": stamp.tick, "curve": curve}
        self._run.commit(stamp.tick, parts, line, snapshot, self._totals.to_json(), self._at)
        counts = {name: sum(s[name] for s in summaries) for name in ("rooms", "messages")}
        self._progress.tick(stamp.tick, curve, {}, counts)

    def _by_arm(self, students: Mapping[str, Sequence[int]]) -> dict[str, float]:
        plan = self._study.plan
        right: Counter[str] = Counter()
        count: Counter[str] = Counter()
        for student, (correct, n) in students.items():
            arm = plan.arms[int(student) % plan.slots - len(plan.team)]
            right[arm] += correct
            count[arm] += n
        return {arm: right[arm] / count[arm] for arm in plan.arms if count[arm]}

    def _snapshot(self, stamp: Stamp) -> SnapshotInfo:
        before, middle, after = SNAPSHOT_STEPS
        self._at(before)
        folder = snapshot_folder(stamp.tick, stamp.epoch, stamp.attempt)
        directory = str(self._run.checkpoint_root / folder)
        calls = [
            self._runtime.call(name, "snapshot", stamp, directory)
            for name, _ in self._shared(self._study.plan.replicates)
        ]
        self._at(middle)
        files = self._gather(calls)
        self._at(after)
        return SnapshotInfo.of(stamp.tick, folder, files)

    def _restore(self, snapshot: SnapshotInfo, stamp: Stamp) -> None:
        directory = str(self._run.checkpoint_root / snapshot.folder)
        calls = [
            self._runtime.call(name, "restore", stamp, directory, snapshot.files, replicates)
            for name, replicates in self._shared(self._study.plan.replicates)
        ]
        self._gather(calls)
        self._said = [call.payload for call in calls]

    def _shared(self, items: Sequence[Any]) -> list[tuple[str, list[Any]]]:
        count = len(self._hosts)
        parts = [(name, list(items[i::count])) for i, name in enumerate(self._hosts)]
        return [(name, part) for name, part in parts if part]

    def _gather(self, calls: Sequence[Any]) -> list[Any]:
        return self._runtime.gather(calls, self._config.runtime.deadline_s)
