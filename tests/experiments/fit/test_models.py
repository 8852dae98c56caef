"""Known values go into the framework's own simulation; the fit must bring them out again."""

import numpy as np
import pytest

from environments.core.columns import Columns
from environments.core.errors import UnknownNameError
from experiments.fit.models import MODELS, fit_table, simulated, table_model
from experiments.fit.table import Table

KNOWN = {
    "noisy_rational": {"beta": 0.8, "mistake": 0.1},
    "advice": {"weight": 0.39, "noise": 20.0},
    "trust": {"alpha": 3.0, "beta": 2.0, "success": 1.0, "failure": 2.0},
    "biased_bayesian": {"prior_weight": 0.6, "evidence_weight": 0.5, "contrary_weight": 0.4},
    "biased_bayesian_reports": {
        "prior_weight": 0.6, "evidence_weight": 0.5, "contrary_weight": 0.4, "noise": 0.5,
    },
    "automation": {"relative_risk": 1.26, "unaided": 0.3},
    "anchoring": {"weight": 0.49, "own": 500.0, "noise": 80.0},
    "memory": {"threshold": -1.2, "noise": 0.4},
    "prospect": {
        "curvature": 0.88, "loss_aversion": 2.25, "gamma": 0.61, "delta": 0.69, "sensitivity": 0.15,
    },
    "cognitive_hierarchy": {"tau": 1.5, "noise": 3.0},
}  # fmt: skip


def fit(name, n=3000, seed=1, **settings):
    settings.setdefault("intervals", "information")
    return fit_table(MODELS[name], simulated(MODELS[name], KNOWN[name], n, seed), **settings)


def test_every_model_has_known_values():
    assert set(KNOWN) == set(MODELS) and table_model("advice") is MODELS["advice"]
    with pytest.raises(UnknownNameError, match="did you mean advice"):
        table_model("advise")


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_known_values_are_recovered(name):
    found = fit(name)
    for key, value in KNOWN[name].items():
        e = found[key]
        half = (e.high - e.low) / 2
        # 1.6 half-widths are 3.1 standard errors: a right fit misses in 1 of 500.
        assert abs(e.value - value) < 1.6 * half, (key, e)
        assert e.low < e.value < e.high and half < 0.35 * max(abs(value), 0.5), (key, e)


@pytest.mark.parametrize(
    ("name", "key"),
    [("advice", "weight"), ("noisy_rational", "beta"), ("automation", "relative_risk"),
     ("memory", "threshold"), ("biased_bayesian", "evidence_weight")],
)  # fmt: skip
def test_intervals_cover_the_truth_as_often_as_they_say(name, key):
    inside = 0
    for seed in range(40):
        e = fit(name, 500, seed)[key]
        inside += e.low <= KNOWN[name][key] <= e.high
    assert inside >= 33  # 38 expected; fewer than 33 of 40 happens in 1 of 150


def test_profile_and_information_agree_where_much_is_known():
    one, two = fit("automation"), fit("automation", intervals="profile")
    for a, b in zip(one.estimates, two.estimates, strict=True):
        assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=0.01)


def test_the_wrong_model_fits_worse():
    table = simulated(MODELS["biased_bayesian"], KNOWN["biased_bayesian"], 3000, 2)
    whole = fit_table(MODELS["biased_bayesian"], table)
    bayes = {"prior_weight": 1.0, "contrary_weight": 1.0}
    held = fit_table(MODELS["biased_bayesian"], table, fixed=bayes)
    assert held.aic > whole.aic + 20 and not held["prior_weight"].free


def test_trust_is_counted_person_by_person_whatever_the_order_of_rows():
    rows = Columns(
        {
            "round": np.array([2.0, 1.0, 0.0, 0.0, 1.0]),
            "right": np.array([0.0, 1.0, np.nan, 1.0, 1.0]),
            "trust": np.array([0.5, 0.6, np.nan, 0.7, 0.8]),
        }
    )
    data = MODELS["trust"].arrange(rows, np.array([0, 0, 0, 1, 1]))
    assert data["successes"].tolist() == [1, 1, 0, 1, 2]
    assert data["failures"].tolist() == [1, 0, 0, 0, 0]
    told = MODELS["trust"].log_likelihood(
        {"alpha": 1.0, "beta": 1.0, "success": 1.0, "failure": 1.0}, data
    )
    assert told[2] == 0.0 and told[1] == pytest.approx(np.log(2 * 0.6))  # Beta(2, 1)


def test_options_that_do_not_exist_take_no_share_of_the_mistakes():
    data = Columns({"value": np.array([[1.0, 0.0, np.nan]] * 2), "choice": np.array([1.0, 2.0])})
    told = MODELS["noisy_rational"].log_likelihood({"beta": 1.0, "mistake": 0.1}, data)
    right = 1 / (1 + np.exp(-1))
    assert told[0] == pytest.approx(np.log(0.9 * right + 0.1 * (1 - right)))
    assert np.exp(told).sum() == pytest.approx(1.0)


def test_notes_say_what_the_data_cannot():
    one_kind = Columns({"wrong_advice": np.ones(50), "wrong": np.arange(50) % 2.0})
    fit = fit_table(
        MODELS["automation"], Table(one_kind, np.arange(50), False, ("mood",)), intervals="profile"
    )
    assert "cannot be known" in fit.notes[0] and "columns not used: mood" in fit.notes[1]
    ratio = fit["relative_risk"]
    assert ratio.high is None or ratio.high > 100  # nothing limits it
    trust = fit_table(
        MODELS["trust"], simulated(MODELS["trust"], KNOWN["trust"], 400, 1), intervals="information"
    )
    assert any("--intervals bootstrap resamples persons" in note for note in trust.notes)
