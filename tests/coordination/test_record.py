"""A room's record is what the ledger's schema says, independent of how rooms were batched."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.ledger.schema import TABLES
from coordination.messages import Argument, Explanation
from coordination.protocols.debate import Debate, DebateConfig
from coordination.record import _TYPES
from coordination.toy import DEFAULT_RULES, ToyWorld, toy_room
from environments.core.columns import Columns
from tests.coordination.doubles import ScriptCrew, round_room

NAMES = ("rooms", "messages", "deliveries", "decisions")
WIDE = {"stated": 3, "probs": 3, "quotes": 4, "verified": 4}


def check_schema(tables):
    assert tuple(tables) == NAMES
    for name, table in tables.items():
        schema = TABLES[name]
        assert list(table) == list(schema.columns)
        for column, kind in schema.columns.items():
            value = table[column]
            assert value.dtype == _TYPES[kind], (name, column)
            assert value.shape == ((table.n, WIDE[column]) if "vector" in kind else (table.n,))
        keys = list(zip(*(table[key].tolist() for key in schema.keys), strict=True))
        assert keys == sorted(set(keys)), f"{name}: keys are unique and sorted"
        assert Columns.from_arrow(table.to_arrow()).digest() == table.digest()


def busy_room(case_id):
    room = toy_room(Debate.seats, case_id)
    Debate(DebateConfig(rounds=2)).converse(room)
    room.probe("judge")
    room.probe("judge", given=room.draft("proponent", Argument))
    kids = room.open(ToyWorld().deal(case_id + 1000))
    Debate(DebateConfig(rounds=1)).converse(kids)
    room.absorb(kids)
    forks = room.fork(2)
    forks.where(forks.cases.case_id % 2 == 0).speak("opponent", Explanation)
    forks.decide("judge")
    room.decide("judge")
    return room


def test_every_column_kind_width_and_key():
    check_schema(busy_room(np.arange(7)).record())


def test_rooms_in_which_nothing_happened_have_all_columns_too():
    tables = toy_room(("judge",), np.arange(2)).record()
    check_schema(tables)
    assert [tables[name].n for name in NAMES] == [2, 0, 0, 0]


def test_the_places_of_a_run_are_on_every_row():
    room = round_room(("advisor", "judge"))
    room.speak("advisor", Explanation)
    room.decide("judge")
    for name, table in room.record().items():
        assert (table["tick"] == 1).all() and (table["block"] == 0).all()
        if "conversation" in TABLES[name].columns:
            assert set(table["conversation"]) == {"toy"} and set(table["split"]) == {"teaching"}


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 11), max_size=3), order=st.permutations(range(11)))
def test_the_record_does_not_depend_on_batches_or_their_order(cuts, order):
    whole = busy_room(np.arange(11)).record()
    edges = sorted({0, 11, *cuts})
    case_id = np.array(order)
    parts = [busy_room(case_id[a:b]).record() for a, b in zip(edges[:-1], edges[1:], strict=True)]
    for name in NAMES:
        merged = Columns.concat([part[name] for part in parts]).sort_by(*TABLES[name].keys)
        assert merged.digest() == whole[name].digest(), name


def test_tokens_and_weights_that_spoke_are_on_record():
    def costly(asks):
        return {"tokens": asks.room_id % 50, "probs": np.tile([1.0, 0.0], (asks.n, 1))}

    room = round_room(("advisor", "judge"), crew=ScriptCrew({"advisor": costly}))
    seat = room._state.seats["advisor"]
    room._state.seats["advisor"] = replace(
        seat, version=np.array([1, 2, 3, 4]), adapter=np.array([9, 8, 7, 6])
    )
    room.speak("advisor", Explanation)
    messages = room.record()["messages"]
    place = [room.room_id.tolist().index(r) for r in messages["room_id"].tolist()]
    assert messages["version"].tolist() == [[1, 2, 3, 4][p] for p in place]
    assert messages["adapter"].tolist() == [[9, 8, 7, 6][p] for p in place]
    np.testing.assert_array_equal(messages["tokens"], messages["room_id"] % 50)


def test_a_rule_change_changes_the_record():
    """The digest sees what happened: the same rooms under other rules differ."""

    def digest(**change):
        room = toy_room(Debate.seats, np.arange(5), rules=replace(DEFAULT_RULES, **change))
        Debate(DebateConfig()).converse(room)
        return room.record()["messages"].digest()

    assert digest() == digest()
    assert len({digest(), digest(verification=False), digest(blank_messages=True)}) == 3
