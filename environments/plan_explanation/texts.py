"""What tasks, plans and facts read like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from environments.plan_explanation.domains import Task
from environments.plan_explanation.strips import Update
from environments.plan_explanation.tasks import NEVER, TaskTable


def statement(fact: Update, base_cost: int, holds: bool) -> str:
    """Return a fact, or that it does not hold, as a sentence.

    Args:
        fact: The fact.
        base_cost: What its action costs where the fact does not hold.
        holds: Which of the two is said.
    """
    feature = fact.feature
    kind = feature.kind.replace("-", " ")
    if kind == "cost":
        said = f"cost {feature.value if holds else base_cost}"
    else:
        said = f"{kind} {feature.value}" if holds == fact.add else f"no {kind} {feature.value}"
    return f"In the robot's model {feature.action} has {said}."


def task_statement(task: Task, fact: int, code: int) -> str:
    """Return what is said of a task's fact; code 1 does not hold, 2 holds."""
    update = task.facts[fact]
    return statement(update, task.base.action(update.feature.action).cost, code == 2)


def context(task: Task, known: Sequence[int]) -> str:
    """Return a task's goal, and the facts that are known from the start (code 0 is not known)."""
    said = [task_statement(task, f, code) for f, code in enumerate(known) if code]
    return " ".join([task.title, *said, "Which plan is best for the robot?"])


def plan(actions: Sequence[str], cost: int) -> str:
    """Return a plan with its cost in the human's model."""
    tail = "which seems impossible" if cost == NEVER else f"at a seeming cost of {cost}"
    return f"{' '.join(actions)} {tail}"


def evidence(
    task: Task, codes: Sequence[int], exists: Sequence[bool], joint: NDArray[np.float64]
) -> list[str]:
    """Return the items of one case ('' where there is none); ``joint`` is the joint reading."""
    items = [
        task_statement(task, f, code) if there else ""
        for f, (code, there) in enumerate(zip(codes, exists, strict=False))
    ]
    if not exists[-1]:
        return [*items, ""]
    up, down = int(np.argmax(joint)), int(np.argmin(joint))
    factor = float(np.exp(joint[up] - joint[down]))
    reading = (
        f"Joint reading: all facts together make option {up + 1} {factor:.3g} times as likely "
        f"to be best against option {down + 1} as they would one by one."
    )
    return [*items, reading]


def vocabulary(table: TaskTable) -> list[str]:
    """Return every word of contexts and plans."""
    spoken = []
    for t, task in enumerate(table.tasks):
        for code in (1, 2):
            spoken.append(context(task, [code] * len(task.facts)))
        for k, actions in enumerate(table.candidates[t]):
            spoken += [plan(actions, cost) for cost in np.unique(table.cost[t, :, k]).tolist()]
    return sorted({word for text in spoken for word in text.split(" ")})
