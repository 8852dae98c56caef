"""Explanations as model reconciliation (Chakraborti, Sreedharan, Zhang & Kambhampati, IJCAI 2017).

The robot's plan π* is optimal in its model M^R; the human expects another one, optimal in M^H. An
explanation E is a set of differences between the models, all of them true of the robot's.

* *complete*: π* is valid and optimal in M^H + E;
* *monotonic*: complete, and no further differences, whichever they are, can break that;
* **MCE** smallest complete, **MME** smallest monotonic, **MPE** (model patch) all differences.

So |MCE| ≤ |MME| ≤ |MPE|. All subsets of the differences are examined, so every answer is exact.

Two ways to release an explanation over time, after Zakershahrak et al.:

* *online* (arXiv 1903.06418; here with plan prefixes): before each step the human is told just
  enough for the steps so far to begin some plan that is optimal for the human;
* *progressive* (Order matters, arXiv 2004.07822): the order is the optimal policy of a goal MDP
  whose states are the sets explained so far. There the costs are learned from people; here they
  are given, see `Reconciliation.progressive`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from environments.core.errors import ConfigError
from environments.plan_explanation.strips import Model, Plan, Update, differences

MAX_DIFFERENCES = 12
"""All 2^D sets of differences are examined."""


@dataclass(frozen=True)
class Release:
    """Updates told before one step of the plan."""

    step: int
    """Position of the step in the plan, from 0."""
    updates: tuple[Update, ...]


class Reconciliation:
    """A robot's and a human's model of one task, and every explanation of the robot's plan.

    Sets of differences are bitmasks over `updates`.

    Args:
        robot: M^R.
        human: M^H, over the same fluents and actions.

    Raises:
        ConfigError: If the robot has no plan, the models have other fluents or actions, or they
            differ in more than `MAX_DIFFERENCES` features.
    """

    def __init__(self, robot: Model, human: Model) -> None:
        plan = robot.solve()
        if plan is None:
            raise ConfigError("the robot's model has no plan that reaches the goal")
        self.robot, self.human = robot, human
        self.plan: Plan = plan
        self.expected: Plan | None = human.solve()
        """The plan that the human expects; None if the human sees none."""
        self.updates = differences(robot, human)
        if len(self.updates) > MAX_DIFFERENCES:
            raise ConfigError(
                f"the models differ in {len(self.updates)} features, at most {MAX_DIFFERENCES} "
                "can be examined"
            )

    @property
    def everything(self) -> int:
        """The set of all differences."""
        return (1 << len(self.updates)) - 1

    def members(self, mask: int) -> tuple[Update, ...]:
        """Return the updates of a set."""
        return tuple(update for i, update in enumerate(self.updates) if mask >> i & 1)

    @cached_property
    def models(self) -> list[Model]:
        """M^H + E for every set E."""
        sets = range(self.everything + 1)
        return [self.human.updated(self.members(mask)) for mask in sets]

    @cached_property
    def complete(self) -> list[bool]:
        """Whether each set is complete."""
        return [model.is_optimal(self.plan.actions) for model in self.models]

    @cached_property
    def monotonic(self) -> list[bool]:
        """Whether each set is monotonic: it and all its supersets are complete."""
        return supersets_all(self.complete)

    def smallest(self, kind: str) -> list[tuple[Update, ...]]:
        """Return every smallest explanation of a kind: ``mce``, ``mme`` or ``mpe``."""
        marks = {
            "mce": self.complete,
            "mme": self.monotonic,
            "mpe": [mask == self.everything for mask in range(self.everything + 1)],
        }
        if kind not in marks:
            raise ConfigError(f"unknown kind of explanation {kind!r} (allowed: mce, mme, mpe)")
        good = [mask for mask, mark in enumerate(marks[kind]) if mark]
        least = min(mask.bit_count() for mask in good)
        return [self.members(mask) for mask in good if mask.bit_count() == least]

    def mce(self) -> tuple[Update, ...]:
        """Return the first minimally complete explanation."""
        return self.smallest("mce")[0]

    def mme(self) -> tuple[Update, ...]:
        """Return the first minimally monotonic explanation."""
        return self.smallest("mme")[0]

    def mpe(self) -> tuple[Update, ...]:
        """Return the model patch explanation: all differences."""
        return self.updates

    # -- over time -----------------------------------------------------------------------------

    def online(self) -> list[Release]:
        """Return an explanation in parts, each told before the step that needs it.

        The sets told grow; before step i the first i + 1 steps of the plan begin some plan that is
        optimal in M^H + what was told, and before the last step the whole plan is one. At the end
        that is a complete explanation, so no explanation is smaller than an MCE; of those of that
        size the one told latest is returned (least sum of set sizes over steps).

        Returns:
            The steps before which something is told, with what.
        """
        steps = len(self.plan.actions)
        if not steps:
            return []
        least = len(self.mce())
        sets = [m for m in range(self.everything + 1) if m.bit_count() <= least]
        # best[told] = (sum of sizes so far, sets told before each step so far)
        best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
        for step in range(steps):
            prefix = self.plan.actions[: step + 1]
            following: dict[int, tuple[int, tuple[int, ...]]] = {}
            for told in sets:
                if not self._begins(told, prefix):
                    continue
                if step == steps - 1 and not self.complete[told]:
                    continue  # the plan would go on, in the human's eyes
                ways = [
                    (size + told.bit_count(), (*chain, told))
                    for before, (size, chain) in best.items()
                    if not before & ~told
                ]
                if ways:
                    following[told] = min(ways)
            best = following
        _, chain = min(best.values())
        releases, before = [], 0
        for step, told in enumerate(chain):
            if told != before:
                releases.append(Release(step, self.members(told & ~before)))
            before = told
        return releases

    def _begins(self, told: int, prefix: Sequence[str]) -> bool:
        """Return whether a prefix begins some plan that is optimal in M^H + told."""
        model = self.models[told]
        end, whole = model.run(prefix), model.solve()
        if end is None or whole is None:
            return False
        rest = model.solve(end[0])
        return rest is not None and end[1] + rest.cost == whole.cost

    def progressive(
        self,
        explanation: Sequence[Update] | None = None,
        effort: float = 1.0,
        surprise: float = 1.0,
    ) -> tuple[list[Update], float]:
        """Return the order in which to tell an explanation, and what that costs.

        A goal MDP: states are the sets told so far, an action tells one more update, the goal is
        the whole explanation. Telling costs ``effort + surprise · d²``, where d is the edit
        distance (insert, delete, replace an action) between the plans that the human expects before
        and after; squared, so that several small changes of mind beat one large one. Solved
        backwards over all subsets.

        Args:
            explanation: Differences to tell; an MCE if None.
            effort: Cost of every update told.
            surprise: Weight of a change of the expected plan.

        Raises:
            ConfigError: If something is not a difference between the models.
        """
        told = self.mce() if explanation is None else tuple(explanation)
        strange = [update for update in told if update not in self.updates]
        if strange:
            raise ConfigError(f"{strange[0]} is no difference between the two models")
        bits = [1 << self.updates.index(update) for update in told]

        @cache
        def expected(mask: int) -> tuple[str, ...]:
            plan = self.models[mask].solve()
            return plan.actions if plan else ()

        @cache
        def cost_to_go(mask: int) -> tuple[float, tuple[int, ...]]:
            ways = []
            for position, bit in enumerate(bits):
                if not mask & bit:
                    distance = edit_distance(expected(mask), expected(mask | bit))
                    rest, order = cost_to_go(mask | bit)
                    ways.append((effort + surprise * distance**2 + rest, (position, *order)))
            return min(ways, default=(0.0, ()))

        cost, order = cost_to_go(0)
        return [told[position] for position in order], cost


def supersets_all(marks: Sequence[bool]) -> list[bool]:
    """Return for each set (bitmask) whether it and all its supersets are marked."""
    result = list(marks)
    size = (len(result) - 1).bit_length()
    for i in range(size):
        for mask in range(len(result)):
            if not mask >> i & 1:
                result[mask] = result[mask] and result[mask | 1 << i]
    return result


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the least number of insertions, deletions and replacements between sequences."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, right in enumerate(b, start=1):
            change = previous + (left != right)
            previous, row[j] = row[j], min(change, row[j] + 1, row[j - 1] + 1)
    return row[-1]
