"""The learner host: trains a share of the students, and knows nothing of conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.language_model.backbone import configure_torch
from agents.learning.interface import CaseTexts, Experience, Weights
from environments.base import Environment
from environments.cases import Split
from experiments.config.schema import ScenarioConfig
from experiments.engine.build import build_environment, build_learner
from experiments.engine.conversation_host import TeachingPayload
from experiments.engine.plan import Plan
from experiments.runs.snapshots import SnapshotFile, read_snapshot_file, write_snapshot_file
from experiments.runtime.interface import Client, Parted, Stamp


class LearnerHost:
    """Owns the learner of some students.

    Args:
        client: Unused; hosts are built alike.
        config: The run's configuration.
        index: This host's number among ``runtime.learner_hosts``.
    """

    def __init__(self, client: Client, config: ScenarioConfig, index: int) -> None:
        configure_torch(threads=1)
        self._config = config
        self._plan = Plan(self._config)
        self._index = index
        self._environment = build_environment(self._config)
        self._students = self._plan.students_of(index, self._config.runtime.learner_hosts)
        self._learner = build_learner(self._config, self._students, self._environment)

    def warm_start(self, stamp: Stamp, replicates: Sequence[int]) -> Parted:
        """Train the weak model that all arms of a replicate start from, with the truth of W.

        Returns:
            Summary: nothing. Payload: replicate to weights.
        """
        return Parted(None, {r: self._base(r) for r in replicates})

    def _base(self, replicate: int) -> Weights:
        case_id = np.sort(self._environment.case_ids(Split.WARM_START, replicate))
        right = self._environment.seal().reveal(case_id, "warm_start")
        return self._learner.warm_start(public_texts(self._environment, case_id), right, replicate)

    def adopt(self, stamp: Stamp, *bases: Mapping[int, Weights]) -> Parted:
        """Start every student from its replicate's base; publish them as version 0."""
        by_replicate = {r: weights for base in bases for r, weights in base.items()}
        for student in self._students:
            weights = by_replicate[self._plan.replicate_of(student)]
            self._learner.adopt([student], weights)
        return self._published(stamp)

    def learn(self, stamp: Stamp, *payloads: TeachingPayload) -> Parted:
        """Train on a tick's experience, in canonical order whatever host it came from.

        Returns:
            Summary: student to mean loss. Payload: the new `WeightVersion` of these students.
        """
        parts = [payload.experience for payload in payloads if payload.experience is not None]
        merged = Experience.concat(parts)
        ordered = merged.samples.sort_by("block", "student", "place")
        self._learner.submit(Experience(ordered, merged.texts), stamp.tick)
        return self._published(stamp)

    def snapshot(self, stamp: Stamp, directory: str) -> SnapshotFile:
        """Write all that a resumed learner needs; return the file's description."""
        name = f"learner-{self._index}"
        return write_snapshot_file(Path(directory), name, self._learner.state())

    def restore(self, stamp: Stamp, directory: str, files: Sequence[SnapshotFile]) -> Parted:
        """Continue from the files of all learners (their number may have been another)."""
        state: dict[str, Weights] = {}
        for file in files:
            state.update(read_snapshot_file(Path(directory), file.name, file))
        self._learner.restore(state)
        return Parted(None, self._learner.current(stamp.tick))

    def _published(self, stamp: Stamp) -> Parted:
        version = replace(self._learner.publish(), number=stamp.tick)
        return Parted(self._learner.losses(), version)


def public_texts(environment: Environment, case_id: NDArray[np.int64]) -> CaseTexts:
    """Return what a student sees of the cases, which are given in ascending order."""
    cases = environment.deal(case_id)
    return CaseTexts(
        cases.case_id, environment.render_context(cases), environment.render_options(cases)
    )
