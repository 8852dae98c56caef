"""Reward models: labels, maximum likelihood and alignment, against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.errors import ConfigError
from environments.preferences.inference import posterior_mode
from environments.preferences.reward import (
    bradley_terry,
    fit_reward,
    label_probability,
    preference_regret,
    weight_correlation,
)


def _pairs(n, d, seed=0):
    random = np.random.default_rng(seed)
    weights, pairs = random.normal(size=d), random.normal(size=(n, d))
    return weights, pairs, random.uniform(size=n) < label_probability(pairs @ weights)


def test_label_model():
    assert round(float(label_probability(1.0)), 4) == 0.7311
    assert label_probability(0.0) == 0.5
    assert label_probability([2.0], 0.5) == label_probability([1.0])
    assert label_probability(50.0, 1.0, 0.1) == pytest.approx(0.9)
    assert label_probability(-3.0) + label_probability(3.0) == pytest.approx(1)


def test_a_known_reward_is_recovered_with_honest_errors():
    worst, alike = [], []
    for seed in range(40):
        weights, pairs, label = _pairs(2_000, 5, seed)
        fitted = fit_reward(pairs, label)
        worst.append((fitted.weights - weights) / fitted.errors)
        alike.append(weight_correlation(fitted.weights, weights))
    assert np.mean(alike) > 0.98
    # 200 standardized errors: variance 1 within 4.5 standard errors of a variance.
    assert abs(np.var(worst) - 1) < 4.5 * np.sqrt(2 / np.size(worst))


def test_more_labels_are_better():
    error = []
    for n in (100, 1_000, 10_000):
        found = []
        for seed in range(10):
            weights, pairs, label = _pairs(n, 5, seed)
            found.append(np.abs(fit_reward(pairs, label).weights - weights).mean())
        error.append(np.mean(found))
    assert error[0] > 2 * error[1] > 4 * error[2]  # about √10 per step


def test_bradley_terry_equals_the_closed_form_and_its_own_equations():
    two = bradley_terry([0, 0, 0, 1], [1, 1, 1, 0], 2, ridge=0.0)
    assert two.weights[0] - two.weights[1] == pytest.approx(np.log(3), abs=1e-6)
    random = np.random.default_rng(3)
    a, b = random.integers(6, size=(2, 900))
    a, b = a[a != b], b[a != b]
    fitted = bradley_terry(a, b, 6, ridge=0.0)
    assert fitted.weights.sum() == pytest.approx(0, abs=1e-9)
    # Zermelo's equations: every item wins as often as the strengths predict.
    p = label_probability(fitted.weights[:, None] - fitted.weights)
    played = np.zeros((6, 6))
    np.add.at(played, (a, b), 1)
    wins = np.bincount(a, minlength=6)
    assert np.allclose(((played + played.T) * p).sum(axis=1), wins, atol=1e-4)


def test_separable_labels_need_a_ridge():
    x = np.array([[1.0, 0.2], [2.0, -0.1], [-1.5, 0.3]])
    with pytest.raises(ConfigError, match="separable"):
        fit_reward(x, [1, 1, 0], ridge=0.0)
    assert np.isfinite(fit_reward(x, [1, 1, 0], ridge=0.1).weights).all()
    soft = fit_reward([[1.0]], [0.75], ridge=0.0)  # a soft label is no separation
    assert soft.weights[0] == pytest.approx(np.log(3), abs=1e-6)
    with pytest.raises(ConfigError, match="separable"):
        bradley_terry([0, 0], [1, 2], 3, ridge=0.0)


def test_collinear_features_are_refused():
    x = np.array([[1.0, 2.0], [-1.0, -2.0], [0.5, 1.0], [1.0, 2.0]])
    with pytest.raises(ConfigError, match="collinear"):
        fit_reward(x, [1, 0, 0, 1], ridge=0.0)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([[1.0], [2.0]], [1]),
        ([1.0, 2.0], [1, 0]),
        ([[1.0], [np.nan]], [1, 0]),
        ([[1.0], [2.0]], [1, 2]),
        (np.zeros((0, 3)), []),
    ],
)
def test_bad_labels_and_features(x, y):
    with pytest.raises(ConfigError):
        fit_reward(x, y)


def test_bad_comparisons():
    for won, lost, n in (([0], [0], 2), ([0], [5], 2), ([], [], 2), ([0, 1], [1], 2)):
        with pytest.raises(ConfigError):
            bradley_terry(won, lost, n)


def test_correlation_is_pearsons():
    random = np.random.default_rng(1)
    a, b = random.normal(size=(2, 7, 5))
    found = weight_correlation(a, b)
    assert np.allclose(found, [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])
    assert weight_correlation(3 * a + 2, a) == pytest.approx(1)
    assert weight_correlation(-a, a) == pytest.approx(-1)
    assert np.isnan(weight_correlation(np.ones(4), a[0, :4]))


def test_regret_equals_its_closed_form_under_normal_features():
    # With isotropic features of variance v, regret is |w| √(2v/π) (1 - cos angle) / 2.
    random = np.random.default_rng(2)
    pairs = random.normal(size=(200_000, 3)) * np.sqrt(2)
    principal = np.array([2.0, 0.0, 0.0])
    for angle in (0.0, 0.7, np.pi / 2, np.pi):
        inferred = np.array([np.cos(angle), np.sin(angle), 0.0])
        expected = 2 * np.sqrt(4 / np.pi) * (1 - np.cos(angle)) / 2
        assert preference_regret(inferred, principal, pairs) == pytest.approx(expected, abs=0.02)
    assert preference_regret(np.zeros(3), principal, pairs) == pytest.approx(
        2 * np.sqrt(4 / np.pi) / 2, abs=0.02
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_regret_is_never_negative_and_rows_do_not_depend_on_the_batch(seed, n):
    random = np.random.default_rng(seed)
    inferred, principal = random.normal(size=(2, n, 4))
    pairs = random.normal(size=(n, 9, 4))
    whole = preference_regret(inferred, principal, pairs)
    assert (whole >= 0).all() and (preference_regret(principal, principal, pairs) == 0).all()
    rows = [preference_regret(inferred[i], principal[i], pairs[i]) for i in range(n)]
    assert whole.tolist() == [float(row) for row in rows]


def test_posterior_mode_equals_the_ridge_estimate_row_by_row():
    random = np.random.default_rng(4)
    pairs = random.normal(size=(30, 12, 3)) * 3
    labels = random.choice([-1, 0, 1], size=(30, 12), p=[0.3, 0.2, 0.5])
    labels[0] = 0
    found = posterior_mode(pairs, labels, rationality=1.5, prior_sd=0.8)
    assert not found[0].any()
    for i in range(1, 30):
        seen = labels[i] != 0
        one = fit_reward(1.5 * pairs[i][seen], labels[i][seen] == 1, ridge=1 / 0.8**2)
        assert np.allclose(found[i], one.weights, atol=1e-5)
        alone = posterior_mode(pairs[i : i + 1], labels[i : i + 1], 1.5, 0.8)
        assert np.array_equal(alone[0], found[i])


def test_posterior_mode_refuses_what_it_cannot_use():
    x = np.zeros((2, 3, 4))
    with pytest.raises(ConfigError, match="expected"):
        posterior_mode(x, np.zeros((2, 4)))
    with pytest.raises(ConfigError, match="1, -1 or 0"):
        posterior_mode(x, np.full((2, 3), 2))
    with pytest.raises(ConfigError, match="prior_sd=0"):
        posterior_mode(x, np.zeros((2, 3)), prior_sd=0)
