"""What a weak-to-strong run shows beside accuracies: imitation, generalization, saliency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.analysis.arms import ArmData
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import paired_difference
from experiments.config.schema import ScenarioConfig


def supervisor_of(config: ScenarioConfig, arm: str) -> str | None:
    """Return the arm that reports the supervisor whose labels an arm learns from, if there is one.

    It is the arm with ``labels: supervisor`` and the same transcripts.
    """
    reading = config.arms[arm].objective.get("transcripts", "")
    for name, other in config.arms.items():
        objective = other.objective
        if (
            objective.get("labels") == "supervisor"
            and objective.get("transcripts", "") == reading
            and name != arm
        ):
            return name
    return None


def imitation_metrics(data: ArmData, config: ScenarioConfig, arm: str) -> dict[str, Estimate]:
    """Split a student's agreement with its weak supervisor by the supervisor's correctness.

    Returns:
        On test cases: ``agreement_where_right``, ``imitation`` (agreement where the supervisor is
        wrong) and ``corrected`` (accuracy where it is wrong); Burns et al. 2023, section 5.1.
    """
    names = ("agreement_where_right", "imitation", "corrected")
    supervisor = supervisor_of(config, arm)
    if config.arms[arm].objective.get("labels") in ("supervisor", "truth"):
        return dict.fromkeys(names, Estimate.missing("this arm learns from no weak label"))
    if supervisor is None or supervisor not in data.arms:
        return dict.fromkeys(names, Estimate.missing("no arm reports this arm's supervisor"))
    own, weak = data.arms.index(arm), data.arms.index(supervisor)
    same = (data.choice[own] == data.choice[weak]).astype(np.float64)
    right = data.correct[weak] == 1
    wrong = data.correct[weak] == 0
    grids = np.stack(
        [
            np.where(right, same, np.nan),
            np.where(wrong, same, np.nan),
            np.where(wrong, data.correct[own], np.nan),
        ]
    )
    reasons = ("never right", "never wrong", "never wrong")
    return {
        name: data.test.proportions(grid[None], f"the supervisor was {why} on test cases")[0]
        for name, grid, why in zip(names, grids, reasons, strict=True)
    }


def saliency_metric(extra: Mapping[str, Any], arm: str) -> Estimate:
    """Return the accuracy of a linear probe on an arm's students, mean over seeds (Student t)."""
    notes = extra.get("notes", {})
    values = [
        found["saliency"]
        for student, found in notes.items()
        if student.rpartition("@")[0] == arm and "saliency" in found
    ]
    if not values:
        return Estimate.missing("no probe was fitted for this arm")
    return paired_difference(values, np.zeros(len(values))).estimate
