"""Weight of advice: the definitions, to the printed digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.advice.weight import (
    error_ratio,
    optimal_weight,
    revise,
    taken_advice,
    weight_of_advice,
)
from environments.core.errors import ConfigError

SIZES = st.floats(0.1, 100)


@pytest.mark.parametrize(
    ("weight", "ratio"), [(0.3, 0.58), (0.39, 0.524), (0.5, 0.5), (0, 1), (1, 1)]
)
def test_error_ratio_of_equal_independent_errors(weight, ratio):
    assert round(error_ratio(weight, 7.0, 7.0), 3) == ratio


@given(SIZES, SIZES, st.floats(-0.95, 0.95), st.floats(-1, 2))
def test_no_weight_beats_the_optimal_one(judge, advisor, correlation, other):
    best = optimal_weight(judge, advisor, correlation)
    at_best = error_ratio(best, judge, advisor, correlation)
    assert at_best <= error_ratio(other, judge, advisor, correlation) + 1e-9
    assert at_best <= 1 + 1e-12  # two heads are never worse than the judge's own


def test_optimal_weight_in_its_special_cases():
    assert optimal_weight(3, 3, 0.8) == pytest.approx(0.5)
    assert optimal_weight(2, 1) == pytest.approx(4 / 5)
    assert optimal_weight(1, 4, 0.5) < 0  # lean away from a bad advisor who errs alike
    with pytest.raises(ConfigError, match="same error"):
        optimal_weight(2, 2, 1.0)
    for bad in ((0, 1, 0), (1, -1, 0), (1, 1, 1.5), (float("nan"), 1, 0)):
        with pytest.raises(ConfigError):
            optimal_weight(*bad)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 1))
def test_revising_by_a_weight_is_recovered(initial, advice, weight):
    if abs(advice - initial) < 1e-3:
        return
    final = revise(initial, advice, weight)
    assert weight_of_advice(initial, advice, final) == pytest.approx(weight, abs=1e-6)


def test_exclusion_and_clipping_are_counted():
    initial, advice, final = [0, 0, 0, 5], [10, 10, 10, 5], [4, -10, 15, 9]
    raw = weight_of_advice(initial, advice, final, clip=False)
    assert raw[:3].tolist() == [0.4, -1.0, 1.5] and np.isnan(raw[3])
    clipped = taken_advice(initial, advice, final)
    assert (clipped.n, clipped.excluded, clipped.clipped) == (3, 1, 2)
    assert clipped.mean == pytest.approx(1.4 / 3)
    assert taken_advice(initial, advice, final, clip=False).mean == pytest.approx(0.3)
    nobody = taken_advice([1.0], [1.0], [2.0])
    assert np.isnan(nobody.mean) and nobody.excluded == 1
