"""Rooms that hide old messages and speakers; the ledger hides nothing."""

import numpy as np
import pytest

from coordination.messages import Label
from coordination.restriction import HIDDEN
from environments.core.errors import ProtocolError
from tests.coordination.doubles import ScriptCrew, round_room

MEMBERS = ("member_1", "member_2", "member_3", "member_4")
N = 300


def stating(own):
    return lambda asks: {"probs": np.tile([own, 1 - own], (asks.n, 1))}


def rounds(memory, anonymous, n=N, count=3):
    crew = ScriptCrew({m: stating(0.1 * (i + 1)) for i, m in enumerate(MEMBERS)})
    room = round_room(MEMBERS, n=n, crew=crew)
    room.restrict(memory, anonymous)
    for _ in range(count):
        with room.simultaneous():
            for seat in MEMBERS:
                room.speak(seat, Label)
    room.decide("member_1")
    return room, crew.last("member_1").heard


@pytest.mark.parametrize(("memory", "turns"), [(0, {0, 1, 2}), (1, {2}), (2, {1, 2})])
def test_memory(memory, turns):
    _, heard = rounds(memory, False, n=2)
    assert set(heard.turn[heard.sender != 0].tolist()) == turns
    assert set(heard.turn[heard.sender == 0].tolist()) == {0, 1, 2}, "own words are remembered"


def test_speakers_are_hidden_and_dealt_anew():
    room, heard = rounds(0, True)
    others = heard.sender != 0
    assert set(heard.agent_id[others].tolist()) == {HIDDEN}
    assert set(heard.agent_id[~others].tolist()) == {0}
    speaker = np.rint(heard.stated[others, 0] * 10).astype(int) - 1
    table = np.zeros((4, 4))
    np.add.at(table, (speaker, heard.sender[others]), 1)
    share = table[1:, 1:] / (3 * N)
    assert abs(share - 1 / 3).max() < 4.5 * np.sqrt(2 / 9 / (3 * N))  # 4.5 standard errors
    keys = heard.row * 100 + heard.turn * 10 + heard.sender
    assert len(np.unique(keys)) == heard.n, "one name, one speaker in a turn"
    assert (np.diff(keys) > 0).all(), "the order of messages does not betray them either"
    messages = room.record()["messages"]
    assert sorted(set(messages["agent_id"].tolist())) == [0, 1, 2, 3], "the ledger knows"
    assert room.record()["rooms"]["anonymous"].all()


def test_forks_inherit_and_nonsense_is_refused():
    room, _ = rounds(1, True, n=2)
    assert (room.fork(2)._state.memory == 1).all()
    with pytest.raises(ProtocolError, match="0 or more turns"):
        room.restrict(-1, False)
