import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.human_proxy.automation import adoption
from agents.human_proxy.situations import situations
from environments.core.errors import ConfigError
from tests.agents.human_proxy.people import answers, person, two
from tests.agents.policies.build import Said, log, make_asks

N = 60_000


@given(st.floats(0, 1), st.floats(1, 5))
def test_adoption_multiplies_the_chance_by_the_relative_risk(p, risk):
    after = p + (1 - p) * adoption(p, risk)
    assert after == pytest.approx(min(1.0, risk * p), abs=1e-12)


def choices(asks, **stages):
    return answers(person(**stages), asks).choice


@pytest.mark.parametrize(("unaided", "band"), [(0.2, (0.055, 0.075)), (0.29, (0.095, 0.115))])
def test_wrong_advice_has_the_published_relative_risk_and_flips(unaided, band):
    asks = situations(two(unaided, N), advice=two(1.0, N))  # option 0 is wrong, and advised
    plain = choices(asks, choose={"beta": 1.0})
    biased = choices(asks, choose={"beta": 1.0}, automation={"relative_risk": 1.26})
    assert (biased == 0).mean() / (plain == 0).mean() == pytest.approx(1.26, abs=0.02)
    flips = ((plain == 1) & (biased == 0)).sum() / (plain == 1).sum()
    assert band[0] < flips < band[1]
    assert not ((plain == 0) & (biased == 1)).any()  # nobody leaves the advised option


def test_without_advice_or_with_a_ratio_of_one_nothing_changes():
    silent = situations(two(0.3, 5000))
    spoken = situations(two(0.3, 5000), advice=two(1.0, 5000))
    plain = choices(spoken, choose={"beta": 1.0})
    stages = {"choose": {"beta": 1.0}, "automation": {"relative_risk": 1.44}}
    assert np.array_equal(choices(silent, **stages), plain)
    assert not np.array_equal(choices(spoken, **stages), plain)


def test_advisers_who_disagree_leave_nothing_to_take_over():
    proxy = person(automation={"relative_risk": 1.4})
    said = [Said(0, 0, stance=0), Said(1, 0, stance=1)]
    assert proxy.automation.advised(make_asks(log(0.5, 0.5), said=said)).tolist() == [-1]
    later = [*said, Said(1, 1, stated=(0.8, 0.2))]
    assert proxy.automation.advised(make_asks(log(0.5, 0.5), said=later)).tolist() == [0]
    torn = [Said(0, 0, stated=(0.5, 0.5)), Said(1, 0, stance=1)]
    assert proxy.automation.advised(make_asks(log(0.5, 0.5), said=torn)).tolist() == [-1]
    assert proxy.automation.advised(make_asks(log(0.5, 0.5), n=2)).tolist() == [-1, -1]


def test_the_belief_that_is_reported_stays_as_it_was():
    asks = situations(two(0.3, 500), advice=two(1.0, 500))
    stages = {"choose": {"beta": 1.0}}
    plain = answers(person(**stages), asks).probs
    biased = answers(person(**stages, automation={"relative_risk": 1.44}), asks).probs
    assert np.array_equal(plain, biased)


def test_an_over_trusting_person_does_worse_than_alone_when_the_advice_is_wrong():
    """Negative synergy under wrong advice, and more of it the more the person trusts."""
    asks = situations(two(0.3, 20_000), advice=two(0.95, 20_000))
    alone = situations(two(0.3, 20_000))
    right = {
        preset: (answers(person(preset), asks).choice == 1).mean()
        for preset in ("under_truster", "typical_person", "over_truster")
    }
    unaided = (answers(person("typical_person"), alone).choice == 1).mean()
    assert right["over_truster"] + 0.1 < right["typical_person"] < right["under_truster"]
    assert right["under_truster"] < unaided + 0.01
    good = situations(two(0.3, 20_000), advice=two(0.05, 20_000))
    helped = (answers(person("over_truster"), good).choice == 1).mean()
    assert helped > unaided  # the same trust helps when the advice is right


def test_impossible_ratios_are_refused():
    for ratio in (0.9, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="human_proxy.automation.relative_risk"):
            person(automation={"relative_risk": ratio})
