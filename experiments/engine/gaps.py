"""Students that start apart: some were taught wrong answers before anybody tutors them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.learning.interface import Experience
from agents.learning.learner import SupervisedLearner
from environments.base import Environment
from environments.cases import Split
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from experiments.engine.plan import Plan
from experiments.engine.texts import public_texts


def mislead(
    learner: SupervisedLearner, plan: Plan, environment: Environment, students: Sequence[int]
) -> None:
    """Teach each student wrong answers about ``arms.<arm>.misled`` of the warm-start cases.

    Which cases, and which wrong option, are keyed draws, the same for all students of a replicate:
    who is misled more is wrong about all that the others are wrong about. The other cases are
    taught right. All is trained once for each warm-start epoch, at the learner's rate; the truth of
    these cases has been spent by the warm start.

    Args:
        learner: Owns the students, who have adopted their base.
        plan: Who is who.
        environment: Deals the cases.
        students: Agent ids.
    """
    config = plan.config
    share = {s: config.arms[plan.arms[s % plan.slots - len(plan.team)]].misled for s in students}
    for replicate in plan.replicates:
        mine = [s for s in students if share[s] > 0 and plan.replicate_of(s) == replicate]
        if not mine:
            continue
        case_id = np.sort(environment.case_ids(Split.WARM_START, replicate))
        texts = public_texts(environment, case_id)
        right = environment.seal().reveal(case_id, "warm_start")
        count = np.array([len(options) for options in texts.options])
        draw = Keyed(config.seed, "misled")
        coin = draw.uniform(replicate, case_id, 0)
        wrong = (right + 1 + draw.integers(count - 1, replicate, case_id, 1)) % count
        parts = []
        for student in mine:
            taught = np.where(coin < share[student], wrong, right)
            parts.append(
                Columns(
                    {
                        "student": np.full(len(case_id), student),
                        "case_id": case_id,
                        "target": np.eye(environment.max_options)[taught],
                        "weight": np.ones(len(case_id)),
                        "version": np.zeros(len(case_id), dtype=np.int64),
                    }
                )
            )
        experience = Experience(Columns.concat(parts), texts)
        for _ in range(config.learner.warm_start_epochs):
            learner.submit(experience, 0)
