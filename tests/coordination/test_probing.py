"""Probes: what deciders thought at first, and what each kind of message did to them."""

import numpy as np
import pytest

from coordination.messages import Argument, Explanation, Question
from coordination.probing import probe_influence, probe_initial
from environments.core.errors import ProtocolError
from tests.coordination.doubles import ITEMS, PRIOR, ScriptCrew, logit, quoting, round_room

SEATS = ("advisor", "rival", "judge")


def conversation(initial=False, influence=False):
    crew = ScriptCrew({"advisor": quoting(0), "rival": quoting(1)})
    room = round_room(SEATS, crew=crew)
    if initial:
        probe_initial(room, ("judge",))
    room.say(room.draft("advisor", Argument))
    room.speak("rival", Explanation)
    room.speak("judge", Question)
    room.decide("judge")
    if influence:
        probe_influence(room, ("judge",))
    return room, crew


def probes(room):
    decisions = room.record()["decisions"]
    rows = decisions.take(decisions["probe"] & (decisions["room_id"] == room.room_id[0]))
    belief = logit(rows["probs"][:, 0]) - PRIOR
    return dict(zip(rows["condition"].tolist(), belief.tolist(), strict=True))


def test_initial_and_influence():
    room, _ = conversation(initial=True, influence=True)
    found = probes(room)
    assert found == pytest.approx(
        {
            "initial": 0.0,
            "everything": ITEMS[0] + ITEMS[1],
            "without argument": ITEMS[1],
            "without explanation": ITEMS[0],
        }
    )
    decisions = room.record()["decisions"]
    assert set(decisions["condition"][~decisions["probe"]].tolist()) == {""}


def test_measuring_changes_nothing():
    """Not even the ids of drafts, by which a stochastic speaker would say something else."""
    (plain, crew), (probed, watched) = conversation(), conversation(True, True)
    ours, theirs = plain.record(), probed.record()
    for name in ("rooms", "messages", "deliveries"):
        assert ours[name].digest() == theirs[name].digest(), name
    real = theirs["decisions"].take(~theirs["decisions"]["probe"])
    assert real.digest() == ours["decisions"].digest()
    first, second = (
        [asks.ask_id.tolist() for asks in c.calls if asks.intent == Argument]
        for c in (crew, watched)
    )
    assert first == second


def test_initial_is_the_vote_that_would_have_been_cast():
    """Same id as a ruling at turn 0: a stochastic member is in the same mood."""
    crew = ScriptCrew()
    room = round_room(("judge",), crew=crew)
    probe_initial(room, ("judge",))
    room.decide("judge")
    probe, own, swapped = (asks.ask_id for asks in crew.calls)
    np.testing.assert_array_equal(probe, own)
    assert (own != swapped).all()


def test_a_seat_can_be_left_out_and_what_it_caused_stays():
    room, crew = conversation()
    verdict = room.probe("judge", without=("advisor",))
    np.testing.assert_allclose(logit(verdict.probs[:, 0]) - PRIOR, ITEMS[1])
    heard = crew.last("judge").heard
    assert sorted(set(heard.sender.tolist())) == [1, 2], "its own question is remembered"
    both = room.probe("judge", without=(Argument, "rival"), name="alone")
    np.testing.assert_allclose(logit(both.probs[:, 0]), PRIOR)
    assert room.record()["decisions"]["condition"].tolist().count("alone") == 4


def test_kinds_heard_by_row_and_only_these_are_probed():
    crew = ScriptCrew({"advisor": quoting(0)})
    room = round_room(SEATS, crew=crew)
    room.where(np.array([True, False, True, False])).speak("advisor", Argument)
    room.decide("judge")
    heard = room.kinds_heard("judge")
    assert {kind: rows.tolist() for kind, rows in heard.items()} == {
        Argument: [True, False, True, False]
    }
    probe_influence(room, ("judge",))
    conditions = room.record()["decisions"]["condition"].tolist()
    assert conditions.count("everything") == 4 and conditions.count("without argument") == 2


def test_unknown_seats():
    room, _ = conversation()
    with pytest.raises(ProtocolError, match="unknown seat 'advisr'"):
        room.probe("judge", without=("advisr",))
