"""The learning side of a run: learner hosts, what they are taught, and the versions they publish.

A learner is one host, or, with ``learner.distributed.ranks`` above 1, a group of hosts that all get
the same calls at the same time and work each on its part; the first of them speaks for the group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.config.schema import ScenarioConfig
from experiments.engine.plan import Plan
from experiments.runtime.interface import HostSpec, Runtime, Stamp


def learner_host(index: int, rank: int) -> str:
    """Return the name of a learner's host; the first rank's is the learner's own."""
    return f"learner-{index}.rank-{rank}" if rank else f"learner-{index}"


class Lessons:
    """Drives the learner hosts; knows no more of learning than their names and summaries.

    Args:
        config: The scenario.
        plan: Its plan.
        runtime: Where hosts live.
        readers: Names of the cohort hosts, which take new weights.
    """

    def __init__(
        self, config: ScenarioConfig, plan: Plan, runtime: Runtime, readers: Sequence[str]
    ) -> None:
        self._config = config
        self._plan = plan
        self._runtime = runtime
        self._readers = list(readers)
        self._learners = config.runtime.learner_hosts * bool(plan.arms)
        self._ranks = config.learner.distributed.ranks

    @property
    def hosts(self) -> list[str]:
        """Names of all hosts, the ranks of a learner together, in order."""
        return [learner_host(i, r) for i in range(self._learners) for r in range(self._ranks)]

    # -- beginnings ------------------------------------------------------------------------

    def specs(self) -> list[HostSpec]:
        """Return how to build the hosts."""
        if not self._learners:
            return []
        from experiments.engine.learner_host import LearnerHost

        return [
            HostSpec(
                learner_host(index, rank),
                "learner",
                LearnerHost,
                {"config": self._config, "index": index, "rank": rank},
                beside=learner_host(index, 0) if self._ranks > 1 else "",
            )
            for index in range(self._learners)
            for rank in range(self._ranks)
        ]

    def connect(self, stamp: Stamp, reports: Sequence[Mapping[str, Any]]) -> None:
        """Let the ranks of every learner meet, once the hosts have started.

        Args:
            stamp: Of the epoch.
            reports: What starting the hosts returned.
        """
        if self._ranks == 1 or not self._learners:
            return
        at = {report["host"]: report["address"] for report in reports}
        firsts = [learner_host(index, 0) for index in range(self._learners)]
        addresses = self._gather(
            [self._runtime.call(first, "open", stamp, at[first]) for first in firsts]
        )
        self._gather(
            [
                self._runtime.call(learner_host(index, rank), "join", stamp, address)
                for index, address in enumerate(addresses)
                for rank in range(self._ranks)
            ]
        )

    def warm_start(self, stamp: Stamp) -> None:
        """Train the weak models, start every student from its replicate's, install version 0."""
        calls = [
            self._runtime.call(
                learner_host(index, rank),
                "warm_start",
                stamp,
                self._plan.replicates[index :: self._learners],
            )
            for index in range(self._learners)
            for rank in range(self._ranks)
        ]
        self._gather(calls)
        bases = [call.payload for call in calls]
        calls = [self._runtime.call(name, "adopt", stamp, *bases) for name in self.hosts]
        self._gather(calls)
        self.install(stamp, [call.payload for call in calls])

    # -- a tick ----------------------------------------------------------------------------

    def learn(self, stamp: Stamp, payloads: Sequence[Any]) -> dict[str, float]:
        """Train on a tick's experience and install the version that comes of it.

        Returns:
            Arm to mean loss over its students.
        """
        if not self._learners:
            return {}
        calls = [self._runtime.call(name, "learn", stamp, *payloads) for name in self.hosts]
        losses = {arm: value for part in self._gather(calls) for arm, value in part.items()}
        self.install(stamp, [call.payload for call in calls])
        return self._by_arm(losses)

    def install(self, stamp: Stamp, versions: Sequence[Any]) -> None:
        """Give the cohort hosts one weight version, in parts from all learner hosts."""
        if versions:
            self._gather(
                [self._runtime.call(h, "install", stamp, *versions) for h in self._readers]
            )

    def _by_arm(self, losses: Mapping[int, float]) -> dict[str, float]:
        by_arm: dict[str, list[float]] = {}
        for student in self._plan.students:
            arm = self._plan.arms[student % self._plan.slots - len(self._plan.team)]
            if student in losses:
                by_arm.setdefault(arm, []).append(losses[student])
        return {arm: sum(values) / len(values) for arm, values in by_arm.items()}

    def _gather(self, calls: Sequence[Any]) -> list[Any]:
        return self._runtime.gather(calls, self._config.runtime.deadline_s)
