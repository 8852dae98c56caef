"""How the answers under two presentation orders make one verdict."""

import numpy as np
import pytest

from coordination.messages import Fault
from tests.coordination.doubles import ScriptCrew, by_order, round_room, ruling


def fault(code):
    return lambda asks: {"fault": np.full(asks.n, int(code)), "tokens": np.full(asks.n, 5)}


def nonsense(asks):
    return {"probs": np.full((asks.n, 2), 0.9), "choice": np.zeros(asks.n, np.int64)}


@pytest.mark.parametrize(
    "own, swapped, probs, choice, code",
    [
        (ruling(0.7, 0.3), ruling(0.9, 0.1), [0.8, 0.2], 0, 0),
        (ruling(0.7, 0.3), ruling(0.2, 0.8), [0.45, 0.55], 1, 0),
        (ruling(0.75, 0.25), ruling(0.25, 0.75), [0.5, 0.5], -1, 0),
        # the orders agree on a choice against the mean: the choice stands
        (ruling(0.4, 0.6, choice=0), ruling(0.4, 0.6, choice=0), [0.4, 0.6], 0, 0),
        # one order is undecided: the mean says
        (ruling(0.5, 0.5, choice=-1), ruling(0.2, 0.8), [0.35, 0.65], 1, 0),
        (ruling(0.5, 0.5, choice=-1), ruling(0.5, 0.5, choice=-1), [0.5, 0.5], -1, 0),
        (fault(Fault.TIMEOUT), ruling(0.2, 0.8), [0.2, 0.8], 1, 0),
        (ruling(0.2, 0.8), nonsense, [0.2, 0.8], 1, 0),
        (nonsense, fault(Fault.LOST), [np.nan, np.nan], -1, int(Fault.UNPARSABLE)),
        (fault(Fault.LOST), nonsense, [np.nan, np.nan], -1, int(Fault.LOST)),
    ],
)
def test_the_verdict_over_both_orders(own, swapped, probs, choice, code):
    room = round_room(("judge",), n=2, crew=ScriptCrew({"judge": by_order(own, swapped)}))
    room.decide("judge")
    verdict = room.verdict("judge")
    np.testing.assert_allclose(verdict.probs, [probs] * 2, rtol=1e-15)
    assert verdict.choice.tolist() == [choice] * 2
    assert verdict.fault.tolist() == [code] * 2


def test_every_order_is_recorded_and_the_verdict_carries_the_cost_of_all():
    def judge(asks):
        return {
            **ruling(0.7, 0.3)(asks),
            "tokens": np.full(asks.n, 10 if asks.option_order[0, 0] == 0 else 7),
        }

    room = round_room(("judge",), n=1, crew=ScriptCrew({"judge": judge}))
    room.decide("judge")
    decisions = room.record()["decisions"]
    assert decisions["presentation"].tolist() == [-1, 0, 1]
    assert decisions["tokens"].tolist() == [17, 10, 7]
    room.swap_options().decide("judge")
    again = room.record()["decisions"]
    assert again["presentation"].tolist() == [-1, 0, 1] * 2
    assert again["tokens"].tolist() == [17, 10, 7] * 2


def test_a_failed_order_is_on_record_with_its_fault():
    crew = ScriptCrew({"judge": by_order(fault(Fault.TIMEOUT), ruling(0.2, 0.8))})
    room = round_room(("judge",), n=1, crew=crew)
    room.decide("judge")
    decisions = room.record()["decisions"]
    assert decisions["fault"].tolist() == [0, int(Fault.TIMEOUT), 0]
    assert decisions["choice"].tolist() == [1, -1, 1]
    assert decisions["tokens"].tolist() == [5, 5, 0]
