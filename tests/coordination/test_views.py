"""What a seat sees: evidence, messages, texts; and what it does not."""

from dataclasses import fields, replace

import numpy as np
import pytest

from coordination.messages import Argument, Explanation
from coordination.rendering import heard_transcript
from coordination.toy import DEFAULT_RULES, toy_room
from environments.base import forged_quote
from environments.core.errors import ProtocolError
from tests.coordination.doubles import (
    ITEMS,
    PRIOR,
    ScriptCrew,
    logit,
    quoting,
    round_room,
    saying,
)

SEATS = ("proponent", "opponent", "judge")
ONE_ORDER = replace(DEFAULT_RULES, both_orders=False)


def test_evidence_that_was_not_told_is_zero():
    crew = ScriptCrew({"proponent": quoting(4, forged_quote(1), 2, -1)})
    room = round_room(SEATS, crew=crew, rules=ONE_ORDER)
    room.decide("judge")
    assert (crew.last("judge").llr == 0).all()
    room.speak("proponent", Argument)
    room.decide("judge")
    judge, expert = crew.last("judge"), crew.last("proponent")
    told = np.zeros(6)
    told[[2, 4]] = ITEMS[[2, 4]]
    np.testing.assert_array_equal(judge.llr[:, :, 0], np.tile(told, (4, 1)))
    assert not judge.held.any()
    np.testing.assert_array_equal(expert.llr[:, :, 0], np.tile(ITEMS, (4, 1)))
    assert expert.held.all()
    assert judge.heard.quotes.tolist() == [[4, -3, 2, -1]] * 4
    assert judge.heard.verified.tolist() == [[True, False, True, False]] * 4


def test_a_fact_counts_once_however_often_it_is_quoted():
    crew = ScriptCrew({"proponent": quoting(0, 0), "opponent": quoting(0)})
    room = round_room(SEATS, crew=crew, rules=ONE_ORDER)
    for _ in range(2):
        room.speak("proponent", Argument)
        room.speak("opponent", Argument)
    room.decide("judge")
    np.testing.assert_allclose(logit(room.verdict().probs[:, 0]), PRIOR + ITEMS[0], rtol=1e-12)
    assert crew.last("judge").heard.quotes[0].tolist() == [0, -1, -1, -1]


def test_a_seat_that_holds_nothing_cannot_reveal_what_nobody_told_it():
    """A lay person who names item 3 proves nothing and shows nothing; one who was told may."""
    crew = ScriptCrew({"judge": quoting(3), "listener": quoting(3)})
    room = round_room(
        ("judge", "listener", "expert"), crew=crew, information={"listener": "public"}
    )
    room.speak("judge", Argument)
    room.speak("listener", Argument)
    assert not crew.last("listener").heard.verified.any()
    assert (crew.last("listener").llr == 0).all()
    crew.scripts["expert"] = quoting(3)
    room.speak("expert", Argument, to=("judge",))
    room.speak("judge", Argument)  # passes on what it was told: real, though not held
    room.speak("listener", Argument)
    heard = crew.last("listener")
    assert (heard.llr[:, 3, 0] == ITEMS[3]).all()
    assert not heard.heard.verified.any()


def test_without_verification_nothing_is_marked_but_evidence_still_tells():
    crew = ScriptCrew({"proponent": quoting(0)})
    room = round_room(SEATS, crew=crew, rules=replace(ONE_ORDER, verification=False))
    room.speak("proponent", Argument)
    room.decide("judge")
    asks = crew.last("judge")
    assert not asks.heard.verified.any() and not asks.verification
    assert (asks.llr[:, 0, 0] == ITEMS[0]).all()
    assert not room.record()["messages"]["verified"].any()


def test_quotes_and_words_are_cut_and_the_delivered_length_is_recorded():
    crew = ScriptCrew(
        {
            "proponent": lambda asks: {
                **quoting(-1, 5, 5, 1, 3, 0)(asks),
                "words": np.full(asks.n, 400),
            },
            "opponent": saying("one two\n three four five"),
        }
    )
    rules = replace(ONE_ORDER, max_quotes=2, word_limit=3)
    room = round_room(SEATS, crew=crew, rules=rules)
    room.speak("proponent", Argument)
    room.speak("opponent", Argument)
    messages = room.record()["messages"].sort_by("sender", "room_id")
    assert messages["quotes"][0].tolist() == [5, 1]
    assert messages["words"].tolist() == [3] * 8
    assert messages["text"].tolist() == [None] * 4 + ["one two\nthree"] * 4


def test_texts_are_only_for_those_who_read_and_show_only_what_was_told():
    crew = ScriptCrew({"proponent": quoting(1, forged_quote(0))}, readers=(2,))
    room = round_room(SEATS, n=2, crew=crew)
    room.speak("proponent", Argument)
    room.decide("judge")
    expert, judge = crew.last("proponent"), crew.last("judge")
    assert expert.text is None and judge.text is not None
    case = judge.text.case[1]
    assert judge.text.context[case] == "case 1"
    assert judge.text.options[case] == ["option 0", "option 1"]
    assert judge.text.evidence[case] == ["", "fact 1 of case number 1", "", "", "", ""]
    assert judge.heard.text[1] == (
        'I argue for option 1. Confidence 66 %.\n[not verified] "There is evidence for option 0."'
        if judge.heard.stance[1] == 1
        else judge.heard.text[1]
    )
    assert "fact" not in judge.heard.text[1], "the reader marks verified quotes itself"
    assert heard_transcript(judge, 1).endswith('> [verified] "fact 1 of case number 1"')
    with pytest.raises(ProtocolError, match="texts"):
        heard_transcript(expert, 0)


def test_rooms_that_share_a_case_do_not_share_what_they_were_told():
    crew = ScriptCrew({"proponent": quoting(2)}, readers=(2,))
    room = round_room(SEATS, n=1, crew=crew, rules=ONE_ORDER)
    forks = room.fork(2)
    forks.where(np.array([True, False])).speak("proponent", Argument)
    forks.decide("judge")
    told, silent = (asks for asks in crew.calls if asks.seat == "judge")
    if told.heard.n == 0:
        told, silent = silent, told
    assert told.text.evidence[told.text.case[0]][2] == "fact 2 of case number 0"
    assert silent.text.evidence[silent.text.case[0]] == [""] * 6
    both = round_room(SEATS, n=1, crew=crew, rules=ONE_ORDER).fork(2)
    both.where(np.array([True, False])).speak("proponent", Argument)
    both.where(np.array([False, True])).speak("opponent", Argument)
    both.decide("judge")
    text = crew.last("judge").text
    assert text.evidence[text.case[0]] != text.evidence[text.case[1]]


def test_heard_is_sorted_and_takes_apart_with_its_asks():
    crew = ScriptCrew()
    room = toy_room(SEATS, np.arange(6), crew)
    for _ in range(2):
        with room.simultaneous():
            room.speak("opponent", Argument)
            room.speak("proponent", Explanation)
    room.decide("judge")
    asks = crew.last("judge")
    keys = list(zip(asks.heard.row, asks.heard.turn, asks.heard.sender, strict=True))
    assert keys == sorted(keys) and len(keys) == 24
    part = asks.take([4, 1])
    assert part.heard.n == 8
    np.testing.assert_array_equal(part.heard.stated[:4], asks.heard.stated[asks.heard.row == 4])


def test_what_a_cohort_receives_is_read_only():
    crew = ScriptCrew(readers=(2,))
    room = toy_room(SEATS, np.arange(3), crew)
    room.speak("proponent", Argument)
    room.decide("judge")
    for asks in crew.calls:
        for part in (asks, asks.heard):
            for field in fields(part):
                value = getattr(part, field.name)
                if isinstance(value, np.ndarray):
                    assert not value.flags.writeable, field.name


def test_ask_ids_never_repeat():
    crew = ScriptCrew()
    room = toy_room(SEATS, np.arange(40), crew)
    for _ in range(2):
        with room.simultaneous():
            room.speak("opponent", Argument)
            room.speak("proponent", Argument)
        room.probe("judge")
        room.probe("judge", given=room.draft("proponent", Argument))
    room.decide("judge")
    room.fork(2).decide("judge")
    ids = np.concatenate([asks.ask_id for asks in crew.calls])
    assert len(np.unique(ids)) == len(ids)
