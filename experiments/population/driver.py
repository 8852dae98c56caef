"""The driver of a population: rounds, exams, commits, and recovery from lost shards.

As in the classic engine a tick is a transaction and the driver is the only writer of the manifest.
It sees sums: what it receives in a tick does not grow with the number of agents.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from coordination.ledger.store import PartInfo
from environments.cases import Split
from environments.core.errors import RunError
from experiments.config.schema import ScenarioConfig
from experiments.engine.epochs import EpochDriver
from experiments.population.aggregates import merged
from experiments.population.memory import bytes_needed, n_ties, settings_of_adapters
from experiments.population.shard_host import ShardHost, shard_name
from experiments.population.summary import added
from experiments.population.world import World
from experiments.progress import Progress
from experiments.runs.directory import ResumePoint, RunDirectory
from experiments.runs.snapshots import SnapshotInfo, snapshot_folder
from experiments.runtime.interface import HostSpec, Runtime, Stamp

_MEBIBYTE = 2**20
_GIBIBYTE = 2**30


class PopulationDriver(EpochDriver):
    """See the module's documentation; arguments are those of `EpochDriver`.

    Ticks::

        0          the population is created; first exam
        1 … n      rounds: every pool agent in one team; exams as the schedule says
        n + 1      the exam on test cases
    """

    def __init__(
        self,
        config: ScenarioConfig,
        run: RunDirectory,
        runtime: Runtime,
        progress: Progress,
        at: Callable[[str], None],
    ) -> None:
        super().__init__(config, run, runtime, progress, at)
        self._world = World(config)
        self._shards = [shard_name(i) for i in range(self._world.shards)]

    # -- an epoch --------------------------------------------------------------------------

    @property
    def _last_tick(self) -> int:
        return self._world.last_tick

    def _labels(self) -> dict[str, str]:
        return {name: kind.role for name, kind in self._config.population.kinds.items()}

    def specs(self) -> list[HostSpec]:
        """See `EpochDriver.specs`."""
        root = str(self._run.ledger_root)
        return [
            HostSpec(
                name,
                "shard",
                ShardHost,
                {"config": self._config, "ledger_root": root, "index": index},
            )
            for index, name in enumerate(self._shards)
        ]

    def _memory_advice(self) -> str:
        """See `EpochDriver._memory_advice`."""
        needed = bytes_needed(self._config, self._world.environment) / _GIBIBYTE
        ties, adapters = n_ties(self._config), settings_of_adapters(self._config)
        shards = f"{len(self._shards)} shard{'s' * (len(self._shards) != 1)}"
        settings = ["population.size", "population.topology", *filter(None, [adapters])]
        return (
            f"asked for: {self._world.size} agents with {ties} ties on {shards}, "
            f"about {needed:.2g} GiB while they run; {', '.join(settings)} and "
            "population.team.share lower it, runtime.shards on more nodes (runtime.ray.address) "
            "spread it"
        )

    def _restore(self, point: ResumePoint, stamp: Stamp) -> None:
        folder = str(self._run.checkpoint_root / point.snapshot.folder)
        self._all("restore", stamp, folder, list(point.snapshot.files))

    # -- a tick ----------------------------------------------------------------------------

    def _tick(self, tick: int) -> None:
        started = time.monotonic()
        stamp = self._stamp(tick)
        split = self._exam_at(tick)
        if 0 < tick < self._world.last_tick:
            self._progress.stage("rounds")
            talked, counted = self._round(stamp, split)
        else:
            self._progress.stage("exams")
            talked, (counted, _) = [], self._all("survey", stamp, split)
        self._refuse_faults(tick, talked)
        line = self._line(tick, talked, counted)
        self._commit(stamp, talked, counted, line)
        self._show(tick, line, counted, time.monotonic() - started)

    def _exam_at(self, tick: int) -> str | None:
        if tick == self._world.last_tick:
            return Split.TEST.value if self._config.splits.test else None
        return Split.CURVE.value if self._world.curve_at(tick) else None

    def _round(
        self, stamp: Stamp, split: str | None
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Hold a round; see `experiments.population.shard_host`."""
        _, requests = self._all("request", stamp)
        _, lent = self._passed("lend", requests, stamp)
        del requests
        talked, changes = self._passed("converse", lent, stamp)
        del lent
        counted, _ = self._passed("settle", changes, stamp, split)
        return talked, counted

    def _passed(
        self, method: str, shares: Sequence[Any], stamp: Stamp, *arguments: Any
    ) -> tuple[list[Any], list[Any]]:
        """Call all shards, each with its share of what every one made; see `_all`."""
        calls = [
            self._runtime.call(name, method, stamp, *arguments, *(one[index] for one in shares))
            for index, name in enumerate(self._shards)
        ]
        return self._gather(calls), [call.payload for call in calls]

    def _all(self, method: str, stamp: Stamp, *arguments: Any) -> tuple[list[Any], list[Any]]:
        """Call all shards; return results and payloads."""
        calls = [self._runtime.call(name, method, stamp, *arguments) for name in self._shards]
        return self._gather(calls), [call.payload for call in calls]

    def _refuse_faults(self, tick: int, talked: list[dict[str, Any]]) -> None:
        faults = sum(team["faults"] for one in talked for team in one["teams"].values())
        answers = sum(one["answers"] for one in talked)
        most = self._config.population.max_fault_share
        if faults > most * answers:
            raise RunError(
                f"tick {tick}: {faults} of {answers} answers were faulty, above "
                f"population.max_fault_share={most:g}; first error: {_first_fault(talked)}"
            )

    # -- commit ----------------------------------------------------------------------------

    def _line(
        self, tick: int, talked: list[dict[str, Any]], counted: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the tick's line of metrics: sums, which add up alike in any order.

        A tick with faulty answers also has ``first_fault``: what went wrong first, and with whom.
        One in which seats were drawn from ties has ``draws``: how many, and from elsewhere, a seat.
        Tick 0 has ``edge_list`` where ties are read from one: its rows that became no tie.
        """
        fault = _first_fault(talked)
        draws = {
            seat: added([one["draws"][seat] for one in talked])
            for seat in (talked[0]["draws"] if talked else ())
        }
        return {
            **({"first_fault": fault} if fault else {}),
            **({"draws": draws} if draws else {}),
            **({"edge_list": counted[0]["edge_list"]} if "edge_list" in counted[0] else {}),
            "tick": tick,
            "teams": merged([one["teams"] for one in talked]),
            "kinds": merged([one["kinds"] for one in counted]),
            "communities": merged([one["communities"] for one in counted]),
        }

    def _commit(
        self,
        stamp: Stamp,
        talked: list[dict[str, Any]],
        counted: list[dict[str, Any]],
        line: dict[str, Any],
    ) -> None:
        for summary in talked:
            self._totals.add(summary)
        if stamp.tick == 0:
            self._totals.describe(self._world.environment)
        snapshot = self._snapshot(stamp) if self._world.snapshot_at(stamp.tick) else None
        parts = [PartInfo.from_json(one["part"]) for one in (*talked, *counted)]
        self._run.commit(stamp.tick, parts, line, snapshot, self._totals.to_json(), self._at)

    def _snapshot(self, stamp: Stamp) -> SnapshotInfo:
        self._progress.stage("saving")
        self._at("before_snapshot_files")
        folder = snapshot_folder(stamp.tick, stamp.epoch, stamp.attempt)
        written, _ = self._all("snapshot", stamp, str(self._run.checkpoint_root / folder))
        self._at("after_snapshot_files")
        return SnapshotInfo.of(stamp.tick, folder, [file for files in written for file in files])

    def _show(
        self, tick: int, line: dict[str, Any], counted: list[dict[str, Any]], seconds: float
    ) -> None:
        curve = {
            self._world.kinds[int(code)]: sums["examined_right"] / sums["examined"]
            for code, sums in line["kinds"].items()
            if sums["examined"]
        }
        teams = line["teams"].values()
        rooms = sum(team["rooms"] for team in teams)
        told = sum(team["sent"] + team["votes"] for team in teams)
        judges = {"teams": sum(team["right"] for team in teams) / rooms} if rooms else {}
        # Shards of one process share its memory, which is counted once.
        held = {one["process"]: one["memory"] / _MEBIBYTE for one in counted}
        memory = {"MiB": round(sum(held.values()))}
        if len(held) > 1:
            memory["MiB of the largest shard"] = round(max(held.values()))
        self._progress.tick(
            tick,
            curve,
            judges,
            {"ticks/s": 1 / seconds, "messages/s": told / seconds, **memory},
        )


def _first_fault(talked: list[dict[str, Any]]) -> str:
    """Return the first fault of the first room that had one; shards hold rooms in order."""
    return next((one["first_fault"] for one in talked if one["first_fault"]), "")
