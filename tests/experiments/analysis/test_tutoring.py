"""Improvement against gap: the slope that was put in, and none where only chance is at work."""

import numpy as np
import pytest

from environments.cases import Split
from environments.core.columns import Columns
from experiments.analysis.tutoring import analyse_tutoring, tutoring_metrics
from experiments.config.load import load_scenario
from experiments.engine.plan import Plan

CASES = 400
STARTS = np.array([0.8, 0.7, 0.5, 0.3, 0.2])


def config(seeds=4):
    return load_scenario("personal_tutors", [f"seeds={seeds}"])


def tables(config, probability, seed=0):
    """Exams of taught students: [tick, student] probability of being right; a perfect tutor."""
    plan = Plan(config)
    taught = [arm for arm in plan.arms if arm != "untaught"]
    rng = np.random.default_rng(seed)
    rows = [
        (tick, plan.student_id(r, arm), case, int(rng.random() < probability[tick][place]))
        for tick in range(len(probability))
        for r in plan.replicates
        for place, arm in enumerate(taught)
        for case in range(CASES)
    ]
    tick, agent, case, right = np.array(rows).T
    n = len(rows)
    exams = Columns(
        {
            "tick": tick,
            "agent_id": agent,
            "case_id": case,
            "correct": right,
            "conversation": np.full(n, "exam", dtype=object),
            "split": np.full(n, Split.CURVE.value, dtype=object),
        }
    )
    pairs = [(r, arm) for r in plan.replicates for arm in plan.arms]
    labels = Columns(
        {
            "replicate": np.array([r for r, _ in pairs]),
            "arm": np.array([arm for _, arm in pairs], dtype=object),
            "weight": np.array([float(arm != "untaught") for _, arm in pairs]),
            "correct": np.array([1 if arm != "untaught" else -1 for _, arm in pairs]),
        }
    )
    return exams, labels


def test_the_slope_that_was_put_in_is_found():
    given = config()
    end = STARTS + 0.5 * (1.0 - STARTS)
    found = analyse_tutoring(given, *tables(given, [STARTS, STARTS, end]))
    assert list(found.pupils) == ["s0", "s1", "s2", "s3", "s4"]
    # Standard error of an accuracy over 200 cases .035, of a slope over gaps of spread .5 about
    # .06, over 4 seeds .03.
    assert found.slope.value == pytest.approx(0.5, abs=0.1)
    assert found.slope.sign() == 1
    assert found.early_slope.value == pytest.approx(0.0, abs=0.1)
    assert found.pupils["s4"].gap.value == pytest.approx(0.8, abs=0.04)
    assert found.pupils["s4"].improvement.value == pytest.approx(0.4, abs=0.05)
    assert tutoring_metrics(found)["tutoring.s4.improvement"] == found.pupils["s4"].improvement


def test_chance_alone_gives_no_slope():
    """All students alike and none improves: on the same cases the slope would be about 1."""
    given = config(seeds=8)
    alike = np.full(5, 0.5)
    exams, labels = tables(given, [alike, alike], seed=1)
    found = analyse_tutoring(given, exams, labels)
    assert found.slope.sign() == 0
    assert abs(found.slope.value) < 0.5
    start, end = (
        exams["correct"][exams["tick"] == tick].reshape(8, 5, CASES).mean(axis=2) for tick in (0, 1)
    )
    x = -(start - start.mean(axis=1, keepdims=True))
    naive = (x * (end - start)).sum(axis=1) / (x**2).sum(axis=1)
    assert naive.mean() > 0.5


def test_without_misled_students_there_is_nothing_to_relate():
    given = config()
    exams, labels = tables(given, [STARTS, STARTS])
    for arm in given.arms.values():
        arm.misled = 0.0
    assert analyse_tutoring(given, exams, labels) is None
