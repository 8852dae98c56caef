"""What a cohort returns is not trusted: bad rows become faults, good rows are untouched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coordination.checking import checked
from coordination.cohort import Answers
from coordination.messages import Argument, Explanation, Fault
from environments.core.errors import ProtocolError
from tests.coordination.doubles import ScriptCrew, round_room


def answers(n=3, **columns):
    blank = Answers.blank(n, 3, 1)
    blank["probs"][:] = [0.5, 0.25, 0.25]
    blank["choice"][:] = 0
    for name, value in columns.items():
        blank[name] = np.array(blank[name])
        blank[name][1] = value
    return Answers(**blank)


THREE = np.array([3, 3, 3])


@pytest.mark.parametrize(
    "column, value",
    [
        ("probs", [0.5, 0.5, 0.5]),
        ("probs", [0.5, np.nan, 0.5]),
        ("probs", [np.inf, 0.0, 0.0]),
        ("probs", [1.5, -0.5, 0.0]),
        ("choice", 3),
        ("choice", -2),
        ("stance", 7),
        ("confidence", 1.01),
        ("confidence", -0.1),
        ("quotes", [6]),
        ("quotes", [-5]),
        ("words", -1),
        ("tokens", -4),
        ("text", 12),
        ("text", b"bytes"),
    ],
)
def test_an_improper_row_is_unparsable_and_alone(column, value):
    out = checked(answers(**{column: value}), THREE, 3, 6, "judge", ruling=True)
    assert out["fault"].tolist() == [0, int(Fault.UNPARSABLE), 0]
    assert np.isnan(out["probs"][1]).all() and out["choice"][1] == -1 and out["text"][1] is None
    np.testing.assert_array_equal(out["probs"][[0, 2]], [[0.5, 0.25, 0.25]] * 2)
    assert out["choice"][[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize(
    "column, value",
    [("choice", -1), ("quotes", [-4]), ("quotes", [5]), ("confidence", 1.0), ("text", "")],
)
def test_what_is_allowed_is_kept(column, value):
    out = checked(answers(**{column: value}), THREE, 3, 6, "judge", ruling=True)
    assert out["fault"].tolist() == [0, 0, 0]


def test_an_option_that_the_case_does_not_have_is_improper():
    out = checked(answers(), np.array([3, 2, 3]), 3, 6, "judge", ruling=True)
    assert out["fault"].tolist() == [0, 1, 0]


def test_a_ruling_must_state_a_distribution_and_a_speech_need_not():
    silent = answers(probs=np.nan)
    assert checked(silent, THREE, 3, 6, "x", ruling=True)["fault"].tolist() == [0, 1, 0]
    assert checked(silent, THREE, 3, 6, "x")["fault"].tolist() == [0, 0, 0]


def test_faults_of_the_cohort_are_kept_with_their_cost():
    out = checked(answers(fault=int(Fault.TIMEOUT), tokens=9), THREE, 3, 6, "x", ruling=True)
    assert out["fault"].tolist() == [0, int(Fault.TIMEOUT), 0]
    assert out["tokens"].tolist() == [0, 9, 0]
    assert checked(answers(fault=77), THREE, 3, 6, "x")["fault"][1] == int(Fault.ERROR)


def test_arrays_of_another_shape_break_the_contract():
    with pytest.raises(ProtocolError, match=r"seat 'judge': probs has shape \(3, 3\)"):
        checked(answers(), np.array([3, 3]), 3, 6, "judge")


@settings(max_examples=60, deadline=None)
@given(
    probs=hnp.arrays(np.float64, (4, 3), elements=st.floats(allow_nan=True, width=64)),
    choice=hnp.arrays(np.int64, 4),
    quotes=hnp.arrays(np.int64, (4, 2)),
    confidence=hnp.arrays(np.float64, 4),
    fault=hnp.arrays(np.int64, 4),
)
def test_no_answer_whatever_raises_or_leaves_the_contract(probs, choice, quotes, confidence, fault):
    blank = Answers.blank(4, 3, 2)
    raw = Answers(
        **{
            **blank,
            "probs": probs,
            "choice": choice,
            "quotes": quotes,
            "confidence": confidence,
            "fault": fault,
        }
    )
    n_options = np.array([2, 3, 2, 3])
    out = checked(raw, n_options, 3, 6, "x", ruling=True)
    sound = out["fault"] == 0
    assert np.isin(out["fault"], [int(f) for f in Fault]).all()
    assert np.allclose(out["probs"][sound].sum(axis=1), 1)
    assert (out["choice"] < n_options).all() and (out["choice"] >= -1).all()
    assert np.isnan(out["probs"][~sound]).all()


def test_a_faulty_message_is_recorded_and_delivers_nothing():
    def script(asks):
        probs = np.tile([0.5, 0.5], (asks.n, 1))
        probs[1] = [0.9, 0.9]
        return {"probs": probs, "quotes": np.zeros((asks.n, 1), np.int64), "tokens": [3] * asks.n}

    def as_arrays(asks):
        return {name: np.asarray(value) for name, value in script(asks).items()}

    crew = ScriptCrew({"advisor": as_arrays})
    room = round_room(("advisor", "judge"), n=3, crew=crew)
    room.speak("advisor", Explanation)
    room.speak("judge", Argument)
    assert crew.last("judge").heard.row.tolist() == [0, 2]
    assert (crew.last("judge").llr[1] == 0).all()
    assert np.isnan(room.stated("advisor")[1]).all()
    tables = room.record()
    mine = tables["messages"].take(tables["messages"]["seat"] == "advisor")
    bad = mine.take(mine["fault"] != 0)
    assert bad.n == 1 and bad["room_id"][0] == room.room_id[1]
    assert (bad["quotes"] == -1).all() and bad["tokens"][0] == 3
    copies = tables["deliveries"].take(tables["deliveries"]["sender"] == 0)
    assert sorted(copies["room_id"].tolist()) == sorted(room.room_id[[0, 2]].tolist())
