from dataclasses import replace

import numpy as np
import pytest

from agents.human_proxy.remember import activation, derived_load, recall_chance
from environments.base import forged_quote
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from tests.agents.human_proxy.people import person
from tests.agents.policies.build import Said, ask, log, make_asks

LLR = np.array([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0]])


def test_base_level_activation():
    assert activation([10.0]) == pytest.approx(-1.151, abs=5e-4)
    ages = [[10.0, np.nan], [10.0, 40.0], [np.nan, np.nan]]
    expected = [np.log(10**-0.5), np.log(10**-0.5 + 40**-0.5), -np.inf]
    assert activation(ages).tolist() == pytest.approx(expected)
    assert activation([2.0], decay=1.0) == pytest.approx(np.log(0.5))


def test_recall_is_logistic_in_activation():
    assert recall_chance(-1.0, -1.0, 0.4) == 0.5
    assert recall_chance(0.0, -1.0, 0.5) == pytest.approx(1 / (1 + np.exp(-2)))
    assert recall_chance(-np.inf, -1.0, 0.4) == 0.0
    assert recall_chance(-3.0, -np.inf, 0.4) == 1.0


def share_recalled(said, n=20_000, **memory) -> float:
    """Share of people who still count item 1."""
    asks = make_asks(log(0.5, 0.5), LLR, said, n=n)
    return float((ask(person(remember=memory), asks).probs[:, 1] > 0.5).mean())


def test_what_was_said_long_ago_is_recalled_less_often_and_repetition_helps():
    settings = {"threshold": -1.3, "noise": 0.4, "turn_seconds": 10.0}
    for turn in (0, 2):  # asked at turn 3
        expected = recall_chance(activation([(3 - turn) * 10.0]), -1.3, 0.4)
        got = share_recalled([Said(0, turn, (1,))], **settings)
        assert got == pytest.approx(float(expected), abs=0.015)
    twice = share_recalled([Said(0, 0, (1,)), Said(1, 2, (1,))], **settings)
    expected = recall_chance(activation([30.0, 10.0]), -1.3, 0.4)
    assert twice == pytest.approx(float(expected), abs=0.015)


def test_what_was_overlooked_leaves_no_trace():
    said = [Said(0, 0, (1,)), Said(1, 2, (1,))]
    proxy = person(
        perceive={"lapse": 0.5}, remember={"threshold": -1.3, "noise": 1e-6, "turn_seconds": 10.0}
    )
    # Only the later mention (B = -1.15) is above the threshold; both together are too.
    got = ask(proxy, make_asks(log(0.5, 0.5), LLR, said, n=20_000)).probs[:, 1] > 0.5
    assert got.mean() == pytest.approx(0.5, abs=0.015)


def test_a_lost_memory_stays_lost_and_own_items_never_fade():
    asks = make_asks(log(0.5, 0.5), LLR, [Said(0, 0, (0, 1)), Said(1, 0, (forged_quote(1),))], n=50)
    settings = {"threshold": 3.0, "noise": 0.1}
    assert ask(person(remember=settings), asks).probs == pytest.approx(np.full((50, 2), 0.5))
    held = np.zeros((50, 3), dtype=bool)
    held[:, 1] = True
    proxy = person(remember={**settings, "span": 1})
    own = ask(proxy, replace(asks, held=frozen(held)))
    assert own.probs == pytest.approx(np.full((50, 2), 0.5))  # it is in the assessment already
    mid = person(remember={"threshold": -1.7})
    assert np.array_equal(
        ask(mid, asks).probs, ask(mid, replace(asks, ask_id=asks.ask_id + 9)).probs
    )


def test_forgetting_comes_before_the_span():
    said = [Said(0, 0, (0,)), Said(0, 2, (1,))]
    asks = make_asks(log(0.5, 0.5), LLR, said, n=4000)
    proxy = person(remember={"span": 1, "threshold": -1.6, "noise": 0.2, "turn_seconds": 10.0})
    p = ask(proxy, asks).probs[:, 0]
    assert set(np.round(p, 3)) == {0.018, 0.5, 0.982}  # the late item, nothing, or the early one


def test_derived_load_counts_what_is_taken_in_against_the_span():
    assert derived_load([0, 4, 6]).tolist() == [0.0, 1.0, 1.5]
    said = [Said(0, 0, (0, 1)), Said(1, 1, (1, 2))]
    asks = make_asks(log(0.5, 0.5), LLR, said)
    assert person(remember={"span": 2}).derived_load(asks).tolist() == [1.5]
    assert person().derived_load(asks).tolist() == [0.75]  # unlimited: against Cowan's four
    held = np.array([[True, False, False]])
    assert person().derived_load(replace(asks, held=frozen(held))).tolist() == [0.5]


def test_the_overloaded_person_decides_worse_than_the_typical_one():
    rng = np.arange(12_000)
    llr = np.tile([[0.9, 0.0]], (6, 1))
    said = [Said(s, t, (3 * s + t,)) for s in (0, 1) for t in range(3)]
    asks = make_asks(log(0.5, 0.5), llr, said, n=len(rng))
    names = ("rational", "typical_person", "overloaded")
    right = [(ask(person(name), asks).choice == 0).mean() for name in names]
    assert right[0] > right[1] + 0.05 > right[2] + 0.1


@pytest.mark.parametrize(
    ("field", "value"),
    [("decay", 0.0), ("noise", -1.0), ("turn_seconds", 0.0), ("threshold", float("inf"))],
)
def test_impossible_settings_are_refused(field, value):
    with pytest.raises(ConfigError, match=f"human_proxy.remember.{field}"):
        person(remember={field: value})
