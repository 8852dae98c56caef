"""Exact accuracies of voting rules, to the printed digits and against brute force."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.errors import ConfigError
from environments.jury.rules import (
    majority_accuracy,
    optimal_accuracy,
    weighted_accuracy,
)
from environments.voting import nitzan_paroush_weights

PANEL = (0.9, 0.9, 0.6, 0.6, 0.6)
ACCURACIES = st.lists(st.floats(0.02, 0.98), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("n", "printed"), [(3, ".648"), (5, ".68256"), (11, ".7535"), (25, ".8462")]
)
def test_condorcet(n, printed):
    digits = len(printed) - 1
    assert f"{majority_accuracy([0.6] * n):.{digits}f}"[1:] == printed


def test_nitzan_and_paroush_panel():
    weights = nitzan_paroush_weights(PANEL)
    assert weights == pytest.approx([np.log(9)] * 2 + [np.log(1.5)] * 3)
    assert round(weighted_accuracy(PANEL, [1, 0, 0, 0, 0]), 3) == 0.900
    assert round(majority_accuracy(PANEL), 5) == 0.87696
    assert round(weighted_accuracy(PANEL, weights), 5) == 0.92664
    assert round(optimal_accuracy(PANEL), 5) == 0.92664


def _brute_force(accuracy, decide, prior):
    """Sum over all 2^n patterns and both truths; decide(signs) is the chance to say +1."""
    total = 0.0
    for truth, share in ((1, prior), (-1, 1 - prior)):
        for right in product((True, False), repeat=len(accuracy)):
            chance = np.prod([p if r else 1 - p for p, r in zip(accuracy, right, strict=True)])
            signs = np.where(right, truth, -truth)
            says = decide(signs)
            total += share * chance * (says if truth == 1 else 1 - says)
    return total


@settings(max_examples=40, deadline=None)
@given(ACCURACIES, st.floats(0.5, 0.95), st.data())
def test_enumeration_equals_brute_force(accuracy, prior, data):
    n = len(accuracy)
    weights = np.array(data.draw(st.lists(st.integers(-3, 5), min_size=n, max_size=n)), dtype=float)

    def vote(signs):
        margin = float(weights @ signs)
        return 0.5 if margin == 0 else float(margin > 0)

    assert weighted_accuracy(accuracy, weights, prior) == pytest.approx(
        _brute_force(accuracy, vote, prior), abs=1e-12
    )

    def likelier(signs):
        p = np.array(accuracy)
        plus = prior * np.prod(np.where(signs > 0, p, 1 - p))
        minus = (1 - prior) * np.prod(np.where(signs > 0, 1 - p, p))
        return float(plus > minus)

    best = optimal_accuracy(accuracy, prior)
    assert best == pytest.approx(_brute_force(accuracy, likelier, prior), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(ACCURACIES, st.floats(0.5, 0.95), st.floats(0, 1))
def test_no_rule_beats_the_optimum_and_log_odds_reach_it(accuracy, prior, correlation):
    weights = nitzan_paroush_weights(accuracy)
    best = optimal_accuracy(accuracy, prior, correlation)
    for rule in (weights, np.ones(len(accuracy)), np.eye(len(accuracy))[0]):
        for use in (True, False):
            value = weighted_accuracy(accuracy, rule, prior, correlation, use)
            assert value <= best + 1e-12
    independent = optimal_accuracy(accuracy, prior)
    assert weighted_accuracy(accuracy, weights, prior, use_prior=True) == pytest.approx(independent)
    assert best >= prior - 1e-12


@settings(max_examples=40, deadline=None)
@given(ACCURACIES, st.floats(0, 1))
def test_majority_by_counting_equals_majority_by_enumeration(accuracy, correlation):
    counted = majority_accuracy(accuracy, correlation)
    listed = weighted_accuracy(accuracy, np.ones(len(accuracy)), correlation=correlation)
    assert counted == pytest.approx(listed, abs=1e-12)


def test_a_common_cause_makes_a_crowd_one_voice():
    values = [majority_accuracy([0.6] * 25, c) for c in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0.6)
    assert majority_accuracy([0.7, 0.6], 0.0) == pytest.approx(0.65)  # ties are a fair coin


def test_large_juries_are_exact_and_too_many_patterns_are_refused():
    accuracy = np.linspace(0.51, 0.6, 101)
    assert majority_accuracy(accuracy) > majority_accuracy(accuracy[:51])
    with pytest.raises(ConfigError, match="patterns of votes; up to 1048576 are enumerated"):
        optimal_accuracy(accuracy)
