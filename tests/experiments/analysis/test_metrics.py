"""Definitions of metrics: exact values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis.applicability import inapplicable
from experiments.analysis.bootstrap import Axes, CrossedBootstrap
from experiments.analysis.metrics import (
    AgentScores,
    agent_score_difference,
    calibration,
    side_scores,
)


def boot(seeds, cases, resamples=200):
    return CrossedBootstrap(Axes(np.arange(seeds), np.arange(cases)), resamples, 7, "test")


def test_ece_exact():
    """Two bins: 4 decisions at .9 of which 3 right, 6 at .6 of which 3 right."""
    confidence = np.array([[0.95] * 4 + [0.65] * 6])
    correct = np.array([[1, 1, 1, 0] + [1, 1, 1, 0, 0, 0]], dtype=float)
    curve = calibration(boot(1, 10), confidence, correct)
    assert curve.ece.value == pytest.approx(0.4 * abs(0.75 - 0.95) + 0.6 * abs(0.5 - 0.65))
    assert curve.count.tolist() == [0, 0, 0, 0, 0, 0, 6, 0, 0, 4]
    assert curve.accuracy[6] == 0.5 and curve.confidence[9] == pytest.approx(0.95)
    assert curve.ece.low <= curve.ece.value <= curve.ece.high


def test_certainty_falls_into_the_last_bin_and_missing_decisions_into_none():
    curve = calibration(boot(1, 3), np.array([[1.0, np.nan, 0.0]]), np.array([[1.0, 0.0, 0.0]]))
    assert curve.count[9] == 1 and curve.count[0] == 1 and curve.ece.n == 2
    assert curve.ece.value == 0.0
    nothing = calibration(boot(1, 1), np.array([[np.nan]]), np.array([[0.0]]))
    assert nothing.ece.value is None and nothing.ece.reason


@given(st.floats(0.001, 0.999))
def test_two_option_debate_scores(p):
    """log ASD is logit p(true), Brier ASD is 4p - 2."""
    probs = np.array([[p, 1 - p]])
    true, false = side_scores(probs, np.array([0])), side_scores(probs, np.array([1]))
    assert true["log"][0] - false["log"][0] == pytest.approx(np.log(p / (1 - p)))
    assert true["brier"][0] - false["brier"][0] == pytest.approx(4 * p - 2)


def test_k_option_debate_scores():
    probs = np.array([[0.5, 0.2, 0.3]])
    true, false = side_scores(probs, np.array([0])), side_scores(probs, np.array([2]))
    assert true["log"][0] - false["log"][0] == pytest.approx(np.log(0.5 / 0.3))
    assert true["brier"][0] - false["brier"][0] == pytest.approx(2 * (0.5 - 0.3))
    clipped = side_scores(np.array([[1.0, 0.0]]), np.array([1]))
    assert clipped["log"][0] == pytest.approx(np.log(1e-4)) and clipped["brier"][0] == -2.0


def test_credulous_judge_of_a_coin_flip_consultant_has_asd_zero():
    """The judge believes whatever is argued: the same score for truth and falsehood."""
    argues_truth = np.arange(40) % 2 == 0
    score = np.full((1, 40), np.log(0.95))
    scores = AgentScores(
        np.where(argues_truth, score, np.nan), np.where(~argues_truth, score, np.nan)
    )
    found = agent_score_difference(boot(1, 40), scores)
    assert found.value == pytest.approx(0.0, abs=1e-12) and found.n == 40


def test_asd_needs_both_kinds():
    found = agent_score_difference(
        boot(1, 4), AgentScores(np.zeros((1, 4)), np.full((1, 4), np.nan))
    )
    assert found.value is None and "falsehood" in found.reason


@pytest.mark.parametrize("protocol", ["naive", "direct", "explanation"])
def test_protocols_without_sides_have_no_asd(protocol):
    assert inapplicable("asd_log", protocol) and inapplicable("asd_brier", protocol)
    assert not inapplicable("judge_accuracy", protocol)


@pytest.mark.parametrize("protocol", ["debate", "consultancy"])
def test_protocols_with_sides_have_one(protocol):
    assert not inapplicable("asd_log", protocol)
