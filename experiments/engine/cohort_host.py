"""The cohort host: owns language models and answers asks that arrive from conversation hosts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agents.language_model.backbone import configure_torch
from agents.learning.interface import WeightVersion
from coordination.cohort import Answers, Asks, Cohort
from environments.core.columns import Columns
from experiments.config.schema import ScenarioConfig
from experiments.engine.build import build_cohort, build_environment
from experiments.engine.conversation_host import reads_text
from experiments.engine.plan import Plan
from experiments.runtime.interface import Client, Stamp


class CohortHost:
    """Hosts the team's language models and a share of the students.

    Args:
        client: Unused; hosts are built alike.
        config: The run's configuration.
        index: This host's number among ``runtime.cohort_hosts``.
        replies: Folder of what servers answered; see `agents.language_model.endpoint.replies`.
    """

    def __init__(self, client: Client, config: ScenarioConfig, index: int, replies: str) -> None:
        configure_torch(threads=1)
        self._plan = Plan(config)
        environment = build_environment(config)
        self._cohorts: dict[int, Cohort] = {
            slot: build_cohort(config, agent, environment, Path(replies), f"cohort-{index}")
            for slot, agent in enumerate(self._plan.team)
            if reads_text(config.agents[agent].policy)
        }
        self._students = set(self._plan.students_of(index, config.runtime.cohort_hosts))
        self._learning = None
        if self._plan.arms:
            self._learning = build_cohort(config, config.learner.student, environment)
            self._cohorts[self._plan.learner_cohort] = self._learning

    def install(self, stamp: Stamp, *versions: WeightVersion) -> None:
        """Take one weight version's students that this host answers for (from all learners)."""
        mine = {
            student: weights
            for version in versions
            for student, weights in version.students.items()
            if student in self._students
        }
        bases = {
            student: weights
            for version in versions
            for student, weights in version.bases.items()
            if student in self._students
        }
        taken = WeightVersion(versions[0].number, mine, bases)
        self._learning.install(taken)  # type: ignore[union-attr]

    def answer(self, stamp: Stamp, cohort: int, asks: Asks) -> Answers:
        """Answer asks; see `coordination.cohort.Cohort.answer`."""
        minds = Columns({"agent_id": np.asarray(asks.agent_id)})
        return self._cohorts[cohort].answer(asks, minds)
