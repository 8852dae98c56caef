import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.human_proxy.prospect import TK1992, ProspectTheory
from agents.human_proxy.situations import situations
from environments.core.errors import ConfigError
from tests.agents.human_proxy.people import answers, person, two

PLAIN = ProspectTheory(1.0, 1.0, 1.0, 1.0, 1.0)


def test_published_weights_and_values():
    assert TK1992.weight(0.1) == pytest.approx(0.1863, abs=5e-5)
    assert TK1992.weight(0.5) == pytest.approx(0.4206, abs=5e-5)
    assert TK1992.weight([0.1, 0.5], losses=True) == pytest.approx([0.170, 0.454], abs=5e-4)
    assert TK1992.weight([0.0, 1.0]).tolist() == [0.0, 1.0]
    assert TK1992.value([1.0, -1.0, 0.0]).tolist() == [1.0, -2.25, 0.0]
    assert TK1992.value(100.0) == pytest.approx(57.544, abs=5e-4)


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 1)), min_size=1, max_size=5),
)
def test_without_curvature_the_value_is_the_expectation_and_order_does_not_matter(rows):
    x = np.array([row[0] for row in rows])
    p = np.array([row[1] for row in rows])
    p = p / p.sum()
    assert PLAIN.evaluate(x, p) == pytest.approx(float(x @ p), abs=1e-8)
    assert TK1992.evaluate(x, p) == pytest.approx(
        float(TK1992.evaluate(x[::-1], p[::-1])), abs=1e-8
    )


def test_rank_dependent_weights_by_hand():
    x, p = [-20.0, 10.0, 50.0], [0.3, 0.5, 0.2]
    expected = (
        TK1992.weight(0.2) * 50**0.88
        + (TK1992.weight(0.7) - TK1992.weight(0.2)) * 10**0.88
        - 2.25 * TK1992.weight(0.3, losses=True) * 20**0.88
    )
    assert TK1992.evaluate(x, p) == pytest.approx(float(expected))


def test_the_fourfold_pattern_of_risk_attitudes():
    def certain(amount: float, p: float) -> float:
        worth = float(TK1992.evaluate([amount, 0.0], [p, 1 - p]))
        return worth ** (1 / 0.88) if worth >= 0 else -((-worth / 2.25) ** (1 / 0.88))

    assert certain(100, 0.05) > 5 and certain(100, 0.95) < 95  # seeks small chances, shuns large
    assert certain(-100, 0.05) < -5 and certain(-100, 0.95) > -95  # the reverse for losses


def test_noisy_choices_among_gambles_follow_the_logistic_law():
    n = 40_000
    outcomes = np.tile([[[40.0, 0.0], [15.0, 15.0]]], (n, 1, 1))
    chances = np.full((n, 2, 2), 0.5)
    worth = TK1992.evaluate(outcomes[0], chances[0])
    got = TK1992.choose(outcomes, chances, 0.5, 1, np.arange(n), 0)
    expected = 1 / (1 + np.exp(-0.5 * (worth[0] - worth[1])))
    assert (got == 0).mean() == pytest.approx(expected, abs=0.008)
    sure = TK1992.choose(outcomes[:5], chances[:5], np.inf, 1, np.arange(5), 0)
    assert (sure == int(worth[1] > worth[0])).all()


def test_stakes_turn_beliefs_into_values_of_options():
    proxy = person(prospect={"gain": 2.0, "loss": 1.0})
    asks = situations(np.array([[0.6, 0.3, 0.1]]))
    got = proxy.prospect(asks.assessment, asks.option_mask)
    by_hand = [
        TK1992.weight(p) * 2**0.88 - 2.25 * TK1992.weight(1 - p, losses=True)
        for p in (0.6, 0.3, 0.1)
    ]
    assert got[0] == pytest.approx(by_hand)
    many = situations(np.tile([[0.6, 0.3, 0.1]], (40_000, 1)))
    noisy = person(prospect={"gain": 2.0, "loss": 1.0}, choose={"beta": 1.5})
    share = np.bincount(answers(noisy, many).choice, minlength=3) / 40_000
    law = np.exp(1.5 * np.array(by_hand))
    assert share == pytest.approx(law / law.sum(), abs=0.01)


def test_a_person_declines_what_is_not_worth_it():
    p = np.linspace(0.5, 1.0, 501)
    linear = {"gamma": 1.0, "delta": 1.0}
    proxy = person(prospect={"gain": 1.0, "loss": 1.0, "may_decline": True, **linear})
    choice = answers(proxy, situations(two(p))).choice
    assert p[choice >= 0].min() == pytest.approx(2.25 / 3.25, abs=1e-3)
    assert (choice[p < 2.25 / 3.25 - 1e-3] == -1).all()
    bold = person(prospect={"gain": 1.0, "loss": 1.0, "may_decline": False})
    assert (answers(bold, situations(two(p))).choice >= 0).all()


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="human_proxy.prospect.loss"):
        person(prospect={"loss": -1.0})
    with pytest.raises(ConfigError, match="may_decline"):
        person(prospect={"may_decline": True})
    with pytest.raises(ConfigError, match="human_proxy.prospect.gamma"):
        ProspectTheory(gamma=0.0)
