"""One tutor, many students with different gaps: who improves how fast.

A student's start is measured on cases, and so is its improvement; measured on the same cases,
chance alone would make those that began low improve (regression to the mean). So the curve cases
are cut in two halves by a coin: the gap is taken on one, the improvement on the other, and the two
ways are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.cases import Split
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import paired_difference
from experiments.config.schema import ScenarioConfig
from experiments.engine.plan import Plan

LEAST = 3
"""Students that a slope needs."""


@dataclass(frozen=True)
class Pupil:
    """One student over the run; means over seeds, Student t."""

    gap: Estimate
    """The tutor's accuracy on teaching cases minus the student's at the start, on curve cases."""
    early: Estimate
    """Improvement at the first point of the curve after the start."""
    improvement: Estimate
    """Improvement at the last one."""


@dataclass(frozen=True)
class Tutoring:
    """All students of a run."""

    pupils: dict[str, Pupil]
    """Arm to its student."""
    slope: Estimate
    """Improvement by the end for one more unit of gap, least squares over the students of a seed;
    mean over seeds, Student t. Noise in the gap draws it towards 0."""
    early_slope: Estimate
    """The same for the improvement at the first point: who is fastest."""
    first_tick: int


def analyse_tutoring(config: ScenarioConfig, rows: Columns, labels: Columns) -> Tutoring | None:
    """Relate improvement to gap; None where students do not start apart.

    Args:
        config: The scenario.
        rows: Of `experiments.analysis.ledger_view.verdicts`.
        labels: The labels table.
    """
    if not any(arm.misled > 0 for arm in config.arms.values()):
        return None
    plan = Plan(config)
    exams = rows.take((rows["conversation"] == "exam") & (rows["split"] == Split.CURVE.value))
    ticks = np.unique(exams["tick"])
    if len(ticks) < 2:
        return None
    half = Keyed(config.seed, "tutoring").uniform(exams["case_id"]) < 0.5
    taught = [arm for arm in plan.arms if (labels["weight"][labels["arm"] == arm] > 0).any()]
    whole = _accuracy(plan, taught, exams, ticks)
    halves = [_accuracy(plan, taught, exams.take(half == side), ticks) for side in (True, False)]
    tutor = _tutor(plan, taught, labels)
    zero = np.zeros(len(plan.replicates))

    def over_seeds(values: NDArray[np.float64]) -> Estimate:
        return paired_difference(values, zero).estimate

    pupils = {
        arm: Pupil(
            over_seeds(tutor[:, place] - whole[0, :, place]),
            over_seeds(whole[1, :, place] - whole[0, :, place]),
            over_seeds(whole[-1, :, place] - whole[0, :, place]),
        )
        for place, arm in enumerate(taught)
    }
    if len(taught) < LEAST:
        nothing = Estimate.missing(f"fewer than {LEAST} students are taught")
        return Tutoring(pupils, nothing, nothing, int(ticks[1]))
    slopes = [
        np.mean(
            [
                _slopes(tutor - one[0], other[point] - other[0])
                for one, other in (halves, halves[::-1])
            ],
            axis=0,
        )
        for point in (-1, 1)
    ]
    return Tutoring(pupils, over_seeds(slopes[0]), over_seeds(slopes[1]), int(ticks[1]))


def _accuracy(
    plan: Plan, arms: list[str], exams: Columns, ticks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return accuracy by tick, seed and student, [T, S, A]."""
    ids = np.array([plan.student_id(r, arm) for r in plan.replicates for arm in arms])
    order = np.argsort(ids)
    place = np.searchsorted(ids[order], exams["agent_id"])
    known = ids[order][np.minimum(place, len(ids) - 1)] == exams["agent_id"]
    cell = np.searchsorted(ticks, exams["tick"]) * len(ids) + order[np.minimum(place, len(ids) - 1)]
    shape = (len(ticks), len(plan.replicates), len(arms))
    right = np.bincount(cell[known], exams["correct"][known], minlength=np.prod(shape))
    count = np.bincount(cell[known], minlength=np.prod(shape))
    return np.where(count > 0, right / np.maximum(count, 1), np.nan).reshape(shape)


def _tutor(plan: Plan, arms: list[str], labels: Columns) -> NDArray[np.float64]:
    """Return the accuracy of what each student was taught, [S, A]."""
    given = labels.take(labels["correct"] >= 0)
    return np.array(
        [
            [
                given["correct"][(given["arm"] == arm) & (given["replicate"] == r)].mean()
                for arm in arms
            ]
            for r in plan.replicates
        ]
    )


def _slopes(gap: NDArray[np.float64], improvement: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares slope over students of each seed, [S]; NaN where gaps are equal."""
    x = gap - gap.mean(axis=1, keepdims=True)
    spread = (x**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (x * improvement).sum(axis=1) / spread, np.nan)


def tutoring_metrics(tutoring: Tutoring) -> Mapping[str, Estimate]:
    """Return the metrics of ``summary.json`` under their flat names."""
    flat = {"tutoring.slope": tutoring.slope, "tutoring.early_slope": tutoring.early_slope}
    for arm, pupil in tutoring.pupils.items():
        flat[f"tutoring.{arm}.gap"] = pupil.gap
        flat[f"tutoring.{arm}.early_improvement"] = pupil.early
        flat[f"tutoring.{arm}.improvement"] = pupil.improvement
    return flat
