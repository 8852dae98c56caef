import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from agents.policies.numeric import (
    fair_argmax,
    log_normalize,
    logsumexp,
    ordered_sum,
    peaked,
    support,
)
from environments.core.keyed import Keyed

LOGS = arrays(
    np.float64, st.tuples(st.integers(1, 40), st.integers(2, 5)), elements=st.floats(-50, 50)
)


@given(LOGS)
@settings(max_examples=50, deadline=None)
def test_log_normalize_is_log_softmax_and_does_not_depend_on_the_batch(x):
    mask = np.ones(x.shape, bool)
    whole = log_normalize(x, mask)
    assert np.allclose(whole, log_softmax(x, axis=1), atol=1e-12)
    alone = np.concatenate([log_normalize(x[i : i + 1], mask[i : i + 1]) for i in range(len(x))])
    assert np.array_equal(whole, alone)
    turned = log_normalize(np.asfortranarray(x), mask)  # nor on the memory layout
    assert np.array_equal(whole, turned)


def test_log_normalize_masks_options_and_marks_hopeless_rows():
    x = np.array([[0.0, 0.0, 9.0], [np.nan, 0.0, 0.0], [-np.inf, -np.inf, 1.0]])
    mask = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 0]], bool)
    out = log_normalize(x, mask)
    assert np.allclose(np.exp(out[0]), [0.5, 0.5, 0.0])
    assert np.isnan(out[1:]).all()


def test_logsumexp_of_nothing_is_minus_infinity():
    assert logsumexp(np.full((2, 3), -np.inf)).tolist() == [-np.inf, -np.inf]


def test_ordered_sum_adds_in_index_order():
    x = np.array([[1e16, 1.0, -1e16, 1.0]])
    assert ordered_sum(x, 1)[0] == ((1e16 + 1.0) - 1e16) + 1.0


def test_support_is_the_log_odds_gain_from_a_flat_prior():
    llr = np.array([[[0.3, -0.4, 1.1]]])
    mask = np.ones((1, 3), bool)
    p = np.exp(log_softmax(llr[0, 0]))
    gain = np.log(p / (1 - p)) - np.log((1 / 3) / (2 / 3))
    assert np.allclose(support(llr, mask)[0, 0], gain)
    two = support(np.array([[[0.3, -0.4, 5.0]]]), np.array([[True, True, False]]))[0, 0]
    assert two[:2] == pytest.approx([0.7, -0.7]) and two[2] == -np.inf


def test_ties_fall_to_every_option_equally_often_and_real_differences_never_do():
    coin = Keyed(0, "t").uniform(np.arange(30_000), shape=(3,))
    tied = np.zeros((30_000, 3)) + [0.0, 1e-12, -1.0]  # within rounding of each other
    share = np.bincount(fair_argmax(tied, coin), minlength=3) / 30_000
    assert share == pytest.approx([0.5, 0.5, 0.0], abs=0.01)
    assert (fair_argmax(np.tile([0.0, 1e-6], (100, 1)), coin[:100, :2]) == 1).all()
    assert fair_argmax(np.array([[np.nan, 1.0], [-np.inf, -np.inf]]), coin[:2, :2]).tolist() == [
        -1,
        -1,
    ]


def test_peaked_spreads_the_rest_over_existing_options():
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0]], bool)
    out = peaked(np.array([1, 0, -1]), np.array([0.8, 0.7, 0.9]), mask)
    assert np.allclose(out, [[0.1, 0.8, 0.1], [0.7, 0.3, 0.0], [0.5, 0.5, 0.0]])
