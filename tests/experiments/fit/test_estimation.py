import numpy as np
import pytest

from environments.core.errors import ConfigError, UnknownNameError
from environments.core.keyed import Keyed
from experiments.fit.estimation import estimate
from experiments.fit.parameters import Parameter, choose_parameters

RATE = (Parameter("rate", "", 0.5, 0.0, 1.0),)
GROUPS = np.arange(100)


def bernoulli(y):
    return lambda v: np.log(np.maximum(np.where(y, v["rate"], 1 - v["rate"]), 1e-12))


def test_a_proportion_has_its_known_estimate_and_intervals():
    y = np.arange(100) < 30
    by = {
        kind: estimate("m", bernoulli(y), RATE, GROUPS, intervals=kind)["rate"]
        for kind in ("information", "profile", "bootstrap")
    }
    for found in by.values():
        assert found.value == pytest.approx(0.3, abs=1e-4)
    # Wald on the logit scale, and the likelihood-ratio interval, both by hand.
    wald = 1.959964 * np.sqrt(1 / 30 + 1 / 70)
    ends = 1 / (1 + np.exp(-(np.log(3 / 7) + np.array([-wald, wald]))))
    assert (by["information"].low, by["information"].high) == pytest.approx(tuple(ends), abs=2e-4)
    grid = np.linspace(0.01, 0.99, 98_001)
    inside = 30 * np.log(grid / 0.3) + 70 * np.log((1 - grid) / 0.7) > -1.920729
    ratio = grid[inside][[0, -1]]
    assert (by["profile"].low, by["profile"].high) == pytest.approx(tuple(ratio), abs=5e-4)
    assert by["bootstrap"].low == pytest.approx(0.21, abs=0.025)
    assert by["bootstrap"].high == pytest.approx(0.39, abs=0.025)


def test_an_estimate_at_the_end_of_its_range_says_so():
    never = np.zeros(100, dtype=bool)
    fit = estimate("m", bernoulli(never), RATE, GROUPS, intervals="profile")
    rate = fit["rate"]
    assert rate.at_bound and rate.low == 0.0 and "end of its range" in fit.notes[0]
    assert rate.high == pytest.approx(1 - np.exp(-1.920729 / 100), abs=5e-4)
    wald = estimate("m", bernoulli(never), RATE, GROUPS, intervals="information")["rate"]
    assert wald.low is None and wald.high is None


def test_correlated_parameters_widen_each_others_intervals():
    x = Keyed(0, "x").normal(np.arange(400))
    y = 2.0 + 0.5 * x + Keyed(0, "y").normal(np.arange(400))
    line = (Parameter("a", "", 0.0), Parameter("b", "", 0.0))

    def likelihood(v, offset):
        return -0.5 * (y - v["a"] - v["b"] * (x + offset)) ** 2

    wide = estimate("m", lambda v: likelihood(v, 3.0), line, np.arange(400))["a"]
    narrow = estimate("m", lambda v: likelihood(v, -x.mean()), line, np.arange(400))["a"]
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 / 20, rel=0.01)
    factor = np.sqrt(1 + (3.0 + x.mean()) ** 2 / x.var())
    assert wide.high - wide.low == pytest.approx(factor * 2 * 1.96 / 20, rel=0.02)


def test_the_bootstrap_resamples_groups():
    y = np.repeat(np.arange(20) < 6, 50)  # 20 persons who always answer alike
    rows = estimate("m", bernoulli(y), RATE, np.arange(1000), intervals="bootstrap")["rate"]
    persons = estimate("m", bernoulli(y), RATE, np.arange(1000) // 50, intervals="bootstrap")
    assert rows.high - rows.low < 0.07
    assert persons["rate"].high - persons["rate"].low > 0.3 and persons.groups == 20
    again = estimate("m", bernoulli(y), RATE, np.arange(1000) // 50, intervals="bootstrap")
    assert again == persons  # keyed


def test_parameters_can_be_held_and_let_go():
    two = (*RATE, Parameter("other", "", 1.0, 0.0, free=False))
    fixed = choose_parameters(two, {"rate": 0.25}, ["other"])
    assert [(p.start, p.free) for p in fixed] == [(0.25, False), (1.0, True)]
    with pytest.raises(UnknownNameError, match="did you mean rate"):
        choose_parameters(two, {"rat": 0.2}, [])
    with pytest.raises(ConfigError, match="rate=2: give a number from 0 to 1"):
        choose_parameters(two, {"rate": 2.0}, [])
    with pytest.raises(ConfigError, match="nothing is left to estimate"):
        choose_parameters(two, {"rate": 0.2}, [])


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ConfigError, match="no usable row"):
        estimate("m", bernoulli(np.zeros(0, bool)), RATE, np.zeros(0, np.int64))
    with pytest.raises(UnknownNameError, match="interval"):
        estimate("m", bernoulli(GROUPS > 5), RATE, GROUPS, intervals="bayes")
    with pytest.raises(ConfigError, match="bootstrap: 1 groups"):
        estimate("m", bernoulli(GROUPS > 5), RATE, GROUPS * 0, intervals="bootstrap")
    with pytest.raises(ConfigError, match="impossible under every value"):
        estimate("m", lambda v: np.full(100, -np.inf), RATE, GROUPS)
