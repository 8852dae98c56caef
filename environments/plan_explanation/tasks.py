"""Every task solved in every world, once, so that dealing cases is a look-up.

A *world* of a task is a set of facts that hold. The candidates of a task are the plans that are
best in some world, and the options of its cases. Each task has 2^D worlds, with D facts at most;
tasks of fewer facts or candidates are padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.findings import FindingTable, confuse
from environments.plan_explanation.config import PlanExplanationConfig
from environments.plan_explanation.domains import DOMAINS, Task
from environments.plan_explanation.explanations import supersets_all

Ints = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
"""Cost of a plan that does not reach the goal."""
KINDS = ("mce", "mme", "mpe")


class TaskTable:
    """T tasks solved in all their worlds.

    Args:
        tasks: The tasks.

    Raises:
        ConfigError: If a task has a world without a plan, fewer than two candidates, or a world
            in which two candidates are equally good.

    Attributes:
        candidates: For each task its plans, as sequences of action names.
        n_facts: [T] number of facts.
        n_plans: [T] number of candidates.
        cost: [T, 2^D, K] cost of each candidate in each world; `NEVER` where it fails.
        best: [T, 2^D] the candidate that is optimal in each world.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        solved = [_solve(task) for task in self.tasks]
        self.candidates = [plans for plans, _ in solved]
        self.n_facts = np.array([len(task.facts) for task in self.tasks], dtype=np.int64)
        self.n_plans = np.array([len(plans) for plans in self.candidates], dtype=np.int64)
        facts, width = int(self.n_facts.max()), int(self.n_plans.max())
        self.cost = np.full((len(self.tasks), 2**facts, width), NEVER, dtype=np.int64)
        for t, (_, costs) in enumerate(solved):
            self.cost[t, : len(costs), : costs.shape[1]] = costs
            # A padded fact changes nothing: worlds repeat.
            self.cost[t] = self.cost[t, np.arange(2**facts) % len(costs)]
        self.best = np.argmin(self.cost, axis=2)
        frozen(self.cost)

    @property
    def width(self) -> int:
        """D, the largest number of facts."""
        return int(self.n_facts.max())

    @cached_property
    def worlds(self) -> NDArray[np.bool_]:
        """[2^D, D] which facts hold in each world."""
        return (np.arange(2**self.width)[:, None] >> np.arange(self.width) & 1).astype(bool)

    def weights(self, rate: float) -> NDArray[np.float64]:
        """Return the probability of each world, [T, 2^D]; padded facts never hold.

        Args:
            rate: Probability that a fact holds, independently of the others.
        """
        each = np.where(self.worlds, rate, 1 - rate)[None]
        padded = np.arange(self.width) >= self.n_facts[:, None]
        each = np.where(padded[:, None, :], ~self.worlds[None], each)
        return np.prod(each, axis=2)

    def findings(self, rate: float, doubt: float) -> FindingTable:
        """Return what a reader makes of updates: each says "no" (code 1) or "yes" (code 2).

        Args:
            rate: Probability that a fact holds.
            doubt: Probability that the reader gives to having misunderstood an update.
        """
        hit = self.best[:, :, None] == np.arange(self.cost.shape[2])
        joint = np.where(hit, self.weights(rate)[:, :, None], 0.0)
        # World bits count from the last axis; finding f is bit f.
        bits = (2,) * self.width
        joint = np.moveaxis(joint, 2, 1).reshape(len(self.tasks), -1, *bits)
        joint = joint.transpose(0, 1, *range(self.width + 1, 1, -1))
        for f in range(self.width):
            joint = confuse(joint, f + 2, doubt)
        return FindingTable(joint)

    @cached_property
    def told(self) -> NDArray[np.int64]:
        """[3 kinds, T, 2^D true world, 2^D known facts] sets of updates that explain the best plan.

        The human's model has the known facts that hold; explanations (MCE, MME, MPE, in the order
        of `KINDS`) are the first smallest sets among the true facts that are not known.
        """
        size = 2**self.width
        result = np.zeros((len(KINDS), len(self.tasks), size, size), dtype=np.int64)
        sets = np.arange(size)
        for t in range(len(self.tasks)):
            least = self.cost[t].min(axis=1)
            for world in range(size):
                optimal = self.cost[t, :, self.best[t, world]] == least
                for agreed in sets[(sets & ~world) == 0].tolist():
                    news = world & ~agreed
                    found = _explanations(optimal, agreed, news)
                    # Known facts that do not hold make the same human model.
                    rows = sets[(sets & world) == agreed]
                    result[:, t, world, rows] = np.array(found)[:, None]
        return result


def _explanations(optimal: NDArray[np.bool_], agreed: int, news: int) -> tuple[int, int, int]:
    """Return MCE, MME and MPE as world masks.

    Args:
        optimal: [2^D] whether the robot's plan is optimal in each world.
        agreed: Facts that hold and are known.
        news: Facts that hold and are not known.
    """
    bits = [1 << i for i in range(news.bit_length()) if news >> i & 1]
    sets = [sum(b for i, b in enumerate(bits) if m >> i & 1) for m in range(1 << len(bits))]
    complete = [bool(optimal[agreed | mask]) for mask in sets]
    monotonic = supersets_all(complete)
    mce, mme = (
        min((m for m, ok in zip(sets, marks, strict=True) if ok), key=lambda m: (m.bit_count(), m))
        for marks in (complete, monotonic)
    )
    return mce, mme, news


class TaskLaw:
    """How cases come about: the task, the world, what the human knows; keyed by case id.

    Args:
        config: The configuration.
    """

    def __init__(self, config: PlanExplanationConfig) -> None:
        self.config = config
        self.table = TaskTable([task for name in config.domains for task in DOMAINS[name]()])
        self.weights = self.table.weights(config.fact_rate)
        self._cumulative = np.cumsum(self.weights, axis=1)
        self.findings = self.table.findings(config.fact_rate, config.doubt)

    def task(self, case_id: Ints) -> Ints:
        """Return the task of each case, [N]."""
        draw = Keyed(self.config.world_seed, "plan_explanation.task")
        return draw.integers(len(self.table.tasks), case_id)

    def world(self, case_id: Ints) -> Ints:
        """Return the facts that hold as a bitmask, [N]."""
        u = Keyed(self.config.world_seed, "plan_explanation.world").uniform(case_id)
        mass = self._cumulative[self.task(case_id)]
        place = (mass <= u[:, None] * mass[:, -1:]).sum(axis=1)
        return np.minimum(place, mass.shape[1] - 1)

    def codes(self, case_id: Ints) -> Ints:
        """Return all facts as codes, [N, D]: 0 no such fact, 1 does not hold, 2 holds."""
        there = np.arange(self.table.width) < self.table.n_facts[self.task(case_id)][:, None]
        return np.where(there, 1 + self.table.worlds[self.world(case_id)], 0)

    def known(self, case_id: Ints) -> NDArray[np.bool_]:
        """Return which facts the human knows of from the start, [N, D]."""
        draw = Keyed(self.config.world_seed, "plan_explanation.known")
        return draw.uniform(case_id, shape=(self.table.width,)) < self.config.known

    def order(self, case_id: Ints) -> Ints:
        """Return which candidate each position shows, [N, K]; padding stays last."""
        width = self.table.cost.shape[2]
        rank = Keyed(self.config.world_seed, "plan_explanation.order").uniform(
            case_id, shape=(width,)
        )
        there = np.arange(width) < self.table.n_plans[self.task(case_id)][:, None]
        order = np.argsort(np.where(there, rank, 2.0), axis=1, kind="stable")
        return order.astype(np.int64)

    def best(self, case_id: Ints) -> Ints:
        """Return the candidate that is optimal in the robot's model, [N]."""
        return self.table.best[self.task(case_id), self.world(case_id)]


def _solve(task: Task) -> tuple[list[tuple[str, ...]], Ints]:
    """Return a task's candidates and their costs in every world, [2^D, K].

    A world adds its own plan only if no candidate so far is optimal in it; worlds of few facts come
    first, so the candidates are the simple plans.
    """
    size = 1 << len(task.facts)
    worlds = [task.world(mask) for mask in range(size)]
    plans: list[tuple[str, ...]] = []
    least = []
    for mask, model in enumerate(worlds):
        best = model.solve()
        if best is None:
            raise ConfigError(f"task {task.title!r}: no plan where {_told(task, mask)}")
        least.append(best)
    for mask in sorted(range(size), key=lambda m: (m.bit_count(), m)):
        if all(worlds[mask].cost_of(plan) != least[mask].cost for plan in plans):
            plans.append(least[mask].actions)
    costs = [[model.cost_of(plan) for plan in plans] for model in worlds]
    table = np.array([[NEVER if c is None else c for c in row] for row in costs], dtype=np.int64)
    ties = (table == table.min(axis=1, keepdims=True)).sum(axis=1) > 1
    if ties.any():
        where = _told(task, int(np.argmax(ties)))
        raise ConfigError(f"task {task.title!r}: two candidates are equally good where {where}")
    if len(plans) < 2:
        raise ConfigError(f"task {task.title!r}: one plan is best whatever the facts")
    return plans, table


def _told(task: Task, mask: int) -> str:
    holds = [str(f) for i, f in enumerate(task.facts) if mask >> i & 1]
    return ", ".join(holds) or "no fact holds"
