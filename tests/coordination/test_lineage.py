"""What protocols put into rooms themselves: stances, remembered answers, facts, claims."""

import numpy as np
import pytest

from coordination.ledger.family import root_rooms
from coordination.messages import FREE, Argument, Fault, MessageKind
from coordination.protocols.recursive_debate import RecursiveDebate, RecursiveDebateConfig
from coordination.rendering import transcript
from coordination.toy import toy_room
from environments.core.columns import Columns
from environments.core.errors import DataError, ProtocolError
from tests.coordination.doubles import ScriptCrew, round_room
from tests.coordination.trees import play, world


def test_a_remembered_answer_is_heard_by_its_seat_and_by_those_it_is_told_to():
    crew = ScriptCrew()
    room = round_room(("expert", "judge"), n=3, crew=crew)
    told = np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan]])
    room.remember("judge", told, to=("expert",))
    room.speak("expert", Argument)
    room.decide("judge")
    heard = crew.last("judge").heard
    mine = heard.sender == 1
    assert heard.row[mine].tolist() == [0, 1] and heard.stance[mine].tolist() == [0, 1]
    np.testing.assert_array_equal(heard.stated[mine], told[:2])
    assert set(crew.last("expert").heard.row.tolist()) == {0, 1}
    messages = room.record()["messages"]
    assert (messages["kind"] == MessageKind.ANSWER).sum() == 3
    assert (messages["fault"] == Fault.MISSING).sum() == 1
    assert room.turn.tolist() == [3, 3, 3]


def test_stances_can_be_set_row_by_row_and_are_what_is_argued():
    room = round_room(("expert", "judge"), n=4)
    assert room.argued("expert").tolist() == [FREE] * 4
    room.where(np.array([True, False, True, True])).assign_stance("expert", [1, 0, 1])
    assert room.stance("expert").tolist() == [1, FREE, 0, 1]
    room.speak("expert", Argument)
    assert room.argued("expert").tolist() == [1, 0, 0, 1], "a free speaker argues its own best"
    with pytest.raises(ProtocolError, match="unknown seat"):
        room.assign_stance("nobody", [0, 0, 0, 0])


def test_facts_follow_the_information_of_a_seat():
    env = world(n=5)
    room, _, crew = play(env, RecursiveDebate(RecursiveDebateConfig()))
    by_seat = {asks.seat: asks for asks in crew.calls}
    assert "child_belief" in by_seat["proponent"].facts
    assert "child_belief" not in by_seat["judge"].facts
    asks = crew.calls[0]
    picked = asks.take([3, 1])
    np.testing.assert_array_equal(picked.facts["candidates"], asks.facts["candidates"][[3, 1]])
    quiet = ScriptCrew()
    toy_room(("judge",), np.arange(2), quiet).decide("judge")
    assert quiet.calls[0].facts is None


def test_what_is_said_of_a_part_is_written_in_the_parts_own_words():
    env = world(n=4)
    room, _, _ = play(env, RecursiveDebate(RecursiveDebateConfig()))
    tables = room.record()
    for row in range(4):
        mine = {
            name: tables[name].take(tables[name]["room_id"] == room.room_id[row])
            for name in ("messages", "decisions", "deliveries")
        }
        case = room.cases.take([row])
        lines = transcript(env, case, **mine, seats=room.seats)
        said = [t.text for t in lines if t.speaker == "proponent" and t.kind == "answer"]
        claims, _ = env.children(case)
        numbers = claims.public["candidates"]
        assert [int(text.rstrip(".").split()[-1]) for text in said] == [
            int(numbers[i, stance])
            for i, stance in enumerate(
                mine["messages"]["stance"][
                    (mine["messages"]["seat"] == "proponent") & (mine["messages"]["kind"] == 4)
                ]
            )
        ]
        assert said[0].startswith("What is the value of node.1 ?")


def test_every_room_knows_its_root():
    rooms = Columns(
        {
            "room_id": np.array([7, 3, 9, 5, 1]),
            "parent_room": np.array([-1, 7, 3, -1, 9]),
        }
    )
    assert root_rooms(rooms).tolist() == [7, 7, 7, 5, 7]
    assert root_rooms(rooms.take(np.zeros(0, dtype=np.int64))).tolist() == []
    with pytest.raises(DataError, match="parent 3 is missing"):
        root_rooms(rooms.take([0, 2]))
