"""STRIPS planning models, their features, and optimal plans.

A state is a bitmask over the model's fluents. An action applies where its preconditions hold; it
removes its delete effects, then adds its add effects (Fikes & Nilsson 1971), at a positive whole
cost. The optimal plan is found by uniform-cost search; of several optimal plans the shortest one,
then the first in the order of the model's actions, is *the* plan, so that results are reproducible.

A model is also a set of *features* (the mapping Γ of Chakraborti et al. 2017): one for every
precondition, effect, cost, initial fluent and goal. An `Update` adds or removes one feature.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from environments.core.errors import ConfigError, UnknownNameError

KINDS = ("precondition", "add-effect", "delete-effect", "cost", "initial-state", "goal")
"""Kinds of features."""
_PARTS = {"precondition": "pre", "add-effect": "add", "delete-effect": "delete"}
_WHOLE = {"initial-state": "init", "goal": "goal"}


@dataclass(frozen=True)
class Action:
    """A ground action; preconditions and effects are bitmasks over the model's fluents."""

    name: str
    pre: int
    add: int
    delete: int
    cost: int = 1


@dataclass(frozen=True)
class Feature:
    """One statement of a model, e.g. MOVE_LOC1_LOC2-has-precondition-HAND-TUCKED."""

    action: str
    """The action's name; '' for initial state and goal."""
    kind: str
    """One of `KINDS`."""
    value: str
    """A fluent's name, or a whole number as text for a cost."""

    def __str__(self) -> str:
        return f"{self.action or 'PROBLEM'}-has-{self.kind}-{self.value}"


@dataclass(frozen=True)
class Update:
    """One change of a model."""

    feature: Feature
    add: bool = True
    """Whether the feature is added (a cost: set to this) or removed."""

    def __str__(self) -> str:
        return str(self.feature) if self.add else f"not {self.feature}"


@dataclass(frozen=True)
class Plan:
    """A sequence of actions with its cost in the model that it was made in."""

    actions: tuple[str, ...]
    cost: int


@dataclass(frozen=True)
class Model:
    """A planning problem: what is, what can be done, what is wanted."""

    fluents: tuple[str, ...]
    init: int
    goal: int
    actions: tuple[Action, ...]

    def action(self, name: str) -> Action:
        """Return an action.

        Raises:
            UnknownNameError: If there is none of this name.
        """
        for action in self.actions:
            if action.name == name:
                return action
        raise UnknownNameError("action", name, [a.name for a in self.actions], "a plan")

    def names(self, mask: int) -> list[str]:
        """Return the fluents of a bitmask, in the model's order."""
        return [fluent for i, fluent in enumerate(self.fluents) if mask >> i & 1]

    def features(self) -> frozenset[Feature]:
        """Return the model as a set of features."""
        found = {
            Feature(action.name, kind, fluent)
            for action in self.actions
            for kind, part in _PARTS.items()
            for fluent in self.names(getattr(action, part))
        }
        found |= {Feature(action.name, "cost", str(action.cost)) for action in self.actions}
        found |= {
            Feature("", kind, fluent)
            for kind, part in _WHOLE.items()
            for fluent in self.names(getattr(self, part))
        }
        return frozenset(found)

    def updated(self, updates: Iterable[Update]) -> Model:
        """Return the model after some updates; their order does not matter.

        Raises:
            UnknownNameError: If an update names an action, fluent or kind that does not exist.
            ConfigError: If a cost is not a positive whole number.
        """
        whole: dict[str, Any] = {"init": self.init, "goal": self.goal}
        actions = {action.name: action for action in self.actions}
        for update in updates:
            feature = update.feature
            if feature.kind not in KINDS:
                raise UnknownNameError("kind of feature", feature.kind, KINDS, str(update))
            if feature.kind in _WHOLE:
                part = _WHOLE[feature.kind]
                whole[part] = _changed(whole[part], self._bit(feature), update.add)
                continue
            if feature.action not in actions:
                raise UnknownNameError("action", feature.action, actions, str(update))
            action = actions[feature.action]
            if feature.kind == "cost":
                if update.add:
                    actions[action.name] = replace(action, cost=_cost(feature))
                continue
            part = _PARTS[feature.kind]
            changed: dict[str, Any] = {
                part: _changed(getattr(action, part), self._bit(feature), update.add)
            }
            actions[action.name] = replace(action, **changed)
        return replace(self, actions=tuple(actions.values()), **whole)

    def _bit(self, feature: Feature) -> int:
        if feature.value not in self.fluents:
            raise UnknownNameError("fluent", feature.value, self.fluents, str(feature))
        return 1 << self.fluents.index(feature.value)

    # -- plans -------------------------------------------------------------------------------

    def run(self, actions: Sequence[str], state: int | None = None) -> tuple[int, int] | None:
        """Return (state after the actions, their cost), or None if one does not apply.

        Args:
            actions: Names, in order.
            state: Where to start; the initial state if None.
        """
        here, cost = self.init if state is None else state, 0
        for name in actions:
            action = self.action(name)
            if action.pre & ~here:
                return None
            here, cost = here & ~action.delete | action.add, cost + action.cost
        return here, cost

    def cost_of(self, actions: Sequence[str]) -> int | None:
        """Return the cost of a plan, or None if it does not reach the goal."""
        end = self.run(actions)
        return None if end is None or self.goal & ~end[0] else end[1]

    def solve(self, state: int | None = None) -> Plan | None:
        """Return the optimal plan (see the module), or None if the goal cannot be reached.

        Args:
            state: Where to start; the initial state if None.
        """
        start = self.init if state is None else state
        queue: list[tuple[int, int, tuple[int, ...], int]] = [(0, 0, (), start)]
        closed: set[int] = set()
        while queue:
            cost, length, path, here = heapq.heappop(queue)
            if here in closed:
                continue
            closed.add(here)
            if not self.goal & ~here:
                return Plan(tuple(self.actions[i].name for i in path), cost)
            for i, action in enumerate(self.actions):
                there = here & ~action.delete | action.add
                if not action.pre & ~here and there not in closed:
                    step = (cost + action.cost, length + 1, (*path, i), there)
                    heapq.heappush(queue, step)
        return None

    def is_optimal(self, actions: Sequence[str]) -> bool:
        """Return whether a plan reaches the goal at the least possible cost."""
        cost, best = self.cost_of(actions), self.solve()
        return cost is not None and best is not None and cost == best.cost

    def describe(self) -> str:
        """Return the model as text, one line an action."""
        lines = [f"start: {', '.join(self.names(self.init)) or 'nothing'}"]
        lines.append(f"goal: {', '.join(self.names(self.goal))}")
        for action in self.actions:
            told = [f"{action.name}: cost {action.cost}"]
            for word, mask in (
                ("needs", action.pre),
                ("makes", action.add),
                ("ends", action.delete),
            ):
                if mask:
                    told.append(f"{word} {', '.join(self.names(mask))}")
            lines.append("; ".join(told))
        return "\n".join(lines)


def differences(robot: Model, human: Model) -> tuple[Update, ...]:
    """Return the updates that turn the human's model into the robot's, in a fixed order.

    A different cost of an action is one update.

    Raises:
        ConfigError: If the models do not have the same fluents and actions.
    """
    same = [a.name for a in robot.actions] == [a.name for a in human.actions]
    if robot.fluents != human.fluents or not same:
        raise ConfigError("the two models must have the same fluents and actions, in one order")
    here, there = robot.features(), human.features()
    found = [Update(f) for f in here - there]
    found += [Update(f, add=False) for f in there - here if f.kind != "cost"]
    return tuple(sorted(found, key=lambda u: (u.feature.action, u.feature.kind, str(u))))


def action(name: str, needs: str = "", makes: str = "", ends: str = "", cost: int = 1) -> dict:
    """Return an action in words, for `build`; fluents are separated by blanks."""
    return {"name": name, "pre": needs, "add": makes, "delete": ends, "cost": cost}


def build(init: str, goal: str, actions: Sequence[dict]) -> Model:
    """Return a model written in words; fluents are those that occur.

    Raises:
        ConfigError: If a cost is not positive or two actions have one name.
    """
    texts = [init, goal, *(a[part] for a in actions for part in _PARTS.values())]
    fluents = tuple(dict.fromkeys(word for text in texts for word in text.split()))
    if len({a["name"] for a in actions}) < len(actions):
        raise ConfigError("two actions have one name")

    def mask(words: str) -> int:
        return sum(1 << fluents.index(word) for word in set(words.split()))

    made = []
    for a in actions:
        if a["cost"] < 1:
            raise ConfigError(f"action {a['name']!r}: cost={a['cost']}, must be 1 or more")
        parts = {part: mask(a[part]) for part in _PARTS.values()}
        made.append(Action(name=a["name"], cost=a["cost"], **parts))
    return Model(fluents, mask(init), mask(goal), tuple(made))


def _changed(mask: int, bit: int, add: bool) -> int:
    return mask | bit if add else mask & ~bit


def _cost(feature: Feature) -> int:
    if not feature.value.isdigit() or int(feature.value) < 1:
        raise ConfigError(f"{feature}: a cost must be a positive whole number")
    return int(feature.value)
