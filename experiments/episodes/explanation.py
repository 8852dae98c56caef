"""A robot explains its plan to a human who plans in a model of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.plan_explanation.domains import Task
from environments.plan_explanation.environment import PlanExplanation
from environments.plan_explanation.explanations import Reconciliation, edit_distance
from environments.plan_explanation.tasks import KINDS, TaskTable
from experiments.episodes.base import Floats, Ints, Measure, Play, PlayConfig, check_range

NONE = "none"
ONE_SHOT, ONLINE, PROGRESSIVE, LISTED = "one_shot", "online", "progressive", "listed"

Parts = tuple[int, ...]
"""Facts told, as bitmasks, one a message."""


@dataclass
class ExplainedPlanConfig(PlayConfig):
    """Configuration of `ExplainedPlan`."""

    name: str = "explained_plan"
    kind: str = "mce"
    """``none``, ``mce`` (minimally complete), ``mme`` (minimally monotonic) or ``mpe`` (all)."""
    release: str = ONE_SHOT
    """``one_shot`` (one message), ``listed`` (one update a message, in the order of the list),
    ``progressive`` (one a message, in the order that is cheapest for the human) or ``online``
    (each part before the step that needs it; a minimally complete explanation only)."""
    effort: float = 1.0
    """Cost of an update told, at least 0."""
    surprise: float = 1.0
    """Cost of a message that changes the plan which the human expects, times the square of how far
    it does (edit distance of plans), at least 0."""


class ExplainedPlan(Play):
    """Model reconciliation: the robot tells updates of the human's model, the human plans again.

    After every message the human plans in its own model with what it was told. In the end it
    *agrees* if the robot's plan is optimal there. Then it learns one more true fact at random: who
    got a monotonic explanation agrees still. Cost is that of the goal MDP of progressive
    explanations: ``effort`` for every update and ``surprise`` · d² for every message.
    """

    Config = ExplainedPlanConfig
    source = "Chakraborti et al. 2017; online and progressive: Zakershahrak et al. 2019, 2020"
    environment = "plan_explanation"
    measures = (
        Measure(
            "agrees",
            "share of humans who agree that the plan is optimal",
            True,
            True,
            ("human_model", "full_information"),
        ),
        Measure("agrees_later", "share who agree after one more true fact", True, True),
        Measure("updates", "updates told", False, False),
        Measure("load", "most updates in one message", False, False),
        Measure("cost", "what it cost the human", False, False),
    )

    def __init__(self, config: ExplainedPlanConfig) -> None:
        super().__init__(config)
        if config.kind not in (NONE, *KINDS):
            raise ConfigError(f"play.kind: given {config.kind!r}, allowed: none, mce, mme, mpe")
        ways = (ONE_SHOT, LISTED, PROGRESSIVE, ONLINE)
        if config.release not in ways:
            raise ConfigError(f"play.release: given {config.release!r}, allowed: {', '.join(ways)}")
        if config.release == ONLINE and config.kind != "mce":
            raise ConfigError("play.release: online tells a minimally complete explanation (mce)")
        check_range(config.name, "effort", config.effort, 0, 1e6)
        check_range(config.name, "surprise", config.surprise, 0, 1e6)

    def episodes(
        self, environment: PlanExplanation, case_id: Ints, replicate: int
    ) -> Mapping[str, Floats]:
        """See `Play.episodes`."""
        cases, table = environment.deal(case_id), environment.table
        width = table.width
        weight = 1 << np.arange(width)
        robot, human = environment.worlds(cases)
        lots = Keyed(replicate, "explained_plan.later").uniform(case_id, shape=(width,))
        explained = np.zeros(len(case_id), dtype=np.int64)
        if self.config.kind != NONE:
            marks = environment.explanation(cases, self.config.kind)[:, :width]
            explained = (marks * weight).sum(axis=1)
        task = cases.public["task"]
        keys = np.stack([task, robot, human, explained], axis=1)
        kinds, row = np.unique(keys, axis=0, return_inverse=True)
        told = [self._told(table, *kind) for kind in kinds.tolist()]
        parts = np.array([(sum(p), _size(p), _load(p), cost) for p, cost in told])[row.ravel()]
        believed = human | parts[:, 0].astype(np.int64)
        left = table.worlds[robot & ~believed]
        news = np.where(left, lots, 2.0).argmin(axis=1)
        later = believed | np.where(left.any(axis=1), 1 << news, 0)
        best = table.best[task, robot]
        return {
            "agrees": (table.best[task, believed] == best).astype(np.float64),
            "agrees_later": (table.best[task, later] == best).astype(np.float64),
            "updates": parts[:, 1],
            "load": parts[:, 2],
            "cost": parts[:, 3],
        }

    def _told(
        self, table: TaskTable, place: int, robot: int, human: int, explained: int
    ) -> tuple[Parts, float]:
        """Return the messages of an explanation, and what they cost the human."""
        parts = self._parts(table.tasks[place], robot, human, explained)
        cost, believed = 0.0, human
        for part in parts:
            before, after = (
                table.candidates[place][table.best[place, world]]
                for world in (believed, believed | part)
            )
            moved = edit_distance(before, after)
            cost += self.config.effort * part.bit_count() + self.config.surprise * moved**2
            believed |= part
        return parts, cost

    def _parts(self, task: Task, robot: int, human: int, explained: int) -> Parts:
        single = tuple(1 << i for i in range(len(task.facts)) if explained >> i & 1)
        if self.config.release == ONE_SHOT:
            return (explained,) if explained else ()
        if self.config.release == LISTED or not single:
            return single
        models = Reconciliation(task.world(robot), task.world(human))
        bit = {update: 1 << i for i, update in enumerate(task.facts)}
        if self.config.release == ONLINE:
            return tuple(sum(bit[u] for u in one.updates) for one in models.online())
        chosen = [update for update in models.updates if bit[update] & explained]
        order, _ = models.progressive(chosen, self.config.effort, self.config.surprise)
        return tuple(bit[update] for update in order)


def _size(parts: Parts) -> int:
    return sum(part.bit_count() for part in parts)


def _load(parts: Parts) -> int:
    return max((part.bit_count() for part in parts), default=0)
