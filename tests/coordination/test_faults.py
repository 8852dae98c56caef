"""Budgets, faults and visibility: exact fates, and that nobody sees what did not reach it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.channels.budgets import bits_of
from coordination.channels.settings import (
    Budget,
    BudgetSettings,
    ChannelSettings,
    Corruption,
    Delay,
    Truncation,
    check_settings,
)
from coordination.ledger.balance import balance
from coordination.ledger.heard import received
from coordination.messages import Alteration, Argument, Critique, Delivery, Explanation, Question
from coordination.protocols.consultancy import Consultancy, ConsultancyConfig
from coordination.protocols.debate import Debate, DebateConfig
from coordination.protocols.explanation import ExplanationProtocol
from coordination.toy import DEFAULT_RULES, ToyWorld, toy_room
from environments.core.columns import Columns
from environments.core.errors import ConfigError
from tests.coordination.doubles import RoundWorld, ScriptCrew, quoting, round_room, saying

SEATS = ("proponent", "judge", "opponent")


def rules(topology="complete", **channel):
    return replace(DEFAULT_RULES, topology=topology, channel=ChannelSettings(**channel))


def fates(room, sender=None):
    rows = room.record()["deliveries"]
    rows = rows if sender is None else rows.take(rows["sender"] == sender)
    return {d.name.lower(): n for d in Delivery if (n := int((rows["status"] == d).sum()))}


def words(*counts):
    """Say so many words, turn by turn."""
    return lambda asks: {"words": np.full(asks.n, counts[asks.turn])}


# -- budgets ----------------------------------------------------------------------------------


def test_a_message_over_a_seats_budget_reaches_nobody_and_costs_nothing():
    crew = ScriptCrew({"proponent": words(40, 70, 60, 1)})
    budget = BudgetSettings(seat=Budget(words=100))
    room = round_room(SEATS, crew=crew, rules=rules(budget=budget))
    for _ in range(4):
        room.speak("proponent", Argument)
    status = room.record()["deliveries"]["status"].reshape(4, 4, 2)  # room, turn, recipient
    over, fine = int(Delivery.OVER_BUDGET), int(Delivery.DELIVERED)
    assert (status == np.array([fine, over, fine, over])[None, :, None]).all(), "40, then 60: full"
    room.speak("opponent", Argument)
    heard = crew.last("opponent").heard
    assert heard.turn.tolist() == [0, 2] * 4, "and the other seat has its own budget"
    assert balance(room.record()).holds


@pytest.mark.parametrize("unit", ["messages", "words", "tokens", "bits"])
def test_each_unit_of_a_rooms_budget_is_shared_by_its_seats(unit):
    def speech(asks):
        return {"words": np.full(asks.n, 10), "tokens": np.full(asks.n, 7)}

    crew = ScriptCrew({"proponent": speech, "opponent": speech})
    one = {"messages": 1, "words": 10, "tokens": 7, "bits": 4 + 2 + 1 + 1 + 3}[unit]
    for limit, reached in ((3 * one, 3), (3 * one - 1, 2), (one, 1)):
        budget = BudgetSettings(room=Budget(**{unit: limit}))
        room = round_room(SEATS, n=1, crew=crew, rules=rules(budget=budget))
        for _ in range(2):
            with room.simultaneous():
                room.speak("proponent", Argument)
                room.speak("opponent", Argument)
        assert fates(room) == {"delivered": 2 * reached, "over_budget": 2 * (4 - reached)}


def test_truncate_cuts_to_what_is_left_of_the_words():
    crew = ScriptCrew({"proponent": saying("one two three four five")})
    budget = BudgetSettings(
        seat=Budget(words=2), seats={"proponent": Budget(words=7)}, truncate=True
    )
    room = round_room(SEATS, n=1, crew=ScriptCrew(crew.scripts, (1,)), rules=rules(budget=budget))
    for _ in range(3):
        room.speak("proponent", Argument)
    room.speak("judge", Question)
    heard = room._state.crew.last("judge").heard
    assert heard.text.tolist() == ["one two three four five", "one two"]
    assert heard.words.tolist() == [5, 2]
    rows = room.record()["deliveries"]
    mine = rows.take(rows["sender"] == 0)
    assert mine["words"].tolist() == [5, 5, 2, 2, 0, 0]
    assert mine["altered"].tolist() == [0, 0, 1, 1, 0, 0]
    assert fates(room, 0) == {"delivered": 4, "over_budget": 2}
    # The judge's question is worth 10 words and may have 2.
    assert rows.take(rows["sender"] == 1)["words"].tolist() == [2, 2]


def test_bits_are_those_of_the_documented_code():
    def full(asks):
        return {
            "text": np.full(asks.n, "näh"),  # 4 bytes
            "stance": np.zeros(asks.n, np.int64),
            "confidence": np.full(asks.n, 0.5),
            "probs": np.tile([0.25, 0.75], (asks.n, 1)),
            "quotes": np.tile([3, 1], (asks.n, 1)),
        }

    room = round_room(SEATS, n=2, crew=ScriptCrew({"proponent": full}))
    room.speak("proponent", Explanation)
    kind, stance, confidence, stated, count, item = 4, 2, 9, 9, 3, 3  # 11, K+1=3, 1+8, …, E+K=8
    expected = kind + stance + confidence + stated + count + 2 * item + 8 * 4
    assert room.record()["messages"]["bits"].tolist() == [expected] * 2
    said = room._state.said[0]
    assert (bits_of(replace(said, fault=np.ones(2, np.int64)), room.cases) == 0).all()


def test_forks_share_what_was_spent_before_them_and_no_more():
    budget = BudgetSettings(seat=Budget(messages=2))
    room = round_room(SEATS, n=2, rules=rules(budget=budget))
    room.speak("proponent", Argument)
    forks = room.fork(2)
    for _ in range(2):
        forks.speak("proponent", Argument)
    room.speak("proponent", Argument)
    tables = room.record()
    assert balance(tables).over_budget == 4 * 2, "one of the two in each of four forks"
    assert balance(tables).delivered == 2 * 2 * 2 + 4 * 2


# -- faults -----------------------------------------------------------------------------------


def spoken(n=4000, turns=1, seed=0, **channel):
    case_id = np.arange(n) + 100_000 * seed
    room = toy_room(SEATS, case_id, rules=rules(**channel))
    for _ in range(turns):
        room.speak("proponent", Argument)
    return room


def test_loss_and_geometric_delay_have_their_stated_frequencies():
    n = 4000
    lost = fates(spoken(n, loss=0.3))["dropped"] / (2 * n)
    assert abs(lost - 0.3) < 4 * np.sqrt(0.3 * 0.7 / (2 * n)), "4 standard errors"
    room = spoken(n, delay=Delay("geometric", 2.0))
    rows = room.record()["deliveries"]
    late = rows["delivered_turn"] - rows["turn"] - 1
    assert abs(late.mean() - 2.0) < 4 * np.sqrt(6.0 / (2 * n)), "variance (1-p)/p² = 6"
    assert abs((late == 0).mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / (2 * n))
    pair = late.reshape(n, 2)
    assert abs(np.corrcoef(pair.T)[0, 1]) < 4 / np.sqrt(n), "recipients are drawn separately"


def test_a_fixed_delay_shows_at_its_turn_and_not_before():
    crew = ScriptCrew()
    room = round_room(SEATS, n=2, crew=crew, rules=rules(delay=Delay("fixed", 2)))
    for turn in range(4):
        room.speak("proponent" if turn == 0 else "opponent", Argument)
        if turn:
            heard = crew.last("opponent").heard
            assert (heard.sender == 0).sum() == (2 if turn == 3 else 0)
    assert fates(room) == {"delivered": 2 * 4, "in_flight": 2 * 4}


def test_what_cannot_arrive_in_time_expires_once_its_time_is_over():
    settings = {"delay": Delay("fixed", 5), "expiry": 2}
    room = spoken(3, turns=1, **settings)
    assert fates(room) == {"in_flight": 6}, "there is still a turn for it"
    room = spoken(3, turns=4, **settings)
    assert fates(room) == {"expired": 2 * 3 * 2, "in_flight": 2 * 3 * 2}
    assert (room.record()["deliveries"]["delivered_turn"] == -1).all()
    assert fates(spoken(3, turns=4, delay=Delay("fixed", 1), expiry=2))["delivered"] == 3 * 2 * 3


def test_a_seat_that_hears_from_a_turn_on_gets_what_waited():
    crew = ScriptCrew()
    room = round_room(SEATS, n=1, crew=crew, rules=rules(hears_from={"opponent": 2}))
    seen = []
    for seat in ("proponent", "opponent", "opponent", "judge"):
        room.speak(seat, Argument)
        seen.append([int(s) for s in crew.last(seat).heard.sender if s != SEATS.index(seat)])
    assert seen == [[], [], [0], [0, 2, 2]]


def test_visibility_is_by_kind_of_message():
    settings = {"visibility": {"argument": ["judge"], "question": "all", "critique": []}}
    room = round_room(SEATS, n=1, rules=rules(**settings))
    for seat, kind in (
        ("proponent", Argument), ("judge", Question), ("opponent", Critique),
        ("opponent", Explanation),
    ):  # fmt: skip
        room.speak(seat, kind)
    rows = room.record()["deliveries"]
    assert list(zip(rows["sender"].tolist(), rows["recipient"].tolist(), strict=True)) == [
        (0, 1), (1, 0), (1, 2), (2, 0), (2, 1),
    ]  # fmt: skip
    assert room.record()["messages"]["sent"].tolist() == [1, 2, 0, 2]


def test_faults_do_not_depend_on_the_batch_or_on_other_speakers():
    channel = {
        "loss": 0.3, "delay": Delay("geometric", 1.0), "expiry": 2,
        "corruption": Corruption(0.5), "truncation": Truncation(0.3, 0.5),
        "budget": BudgetSettings(seat=Budget(messages=2), truncate=True),
    }  # fmt: skip

    def tables(case_id):
        room = toy_room(Debate.seats, case_id, rules=rules(**channel))
        Debate(DebateConfig(rounds=3)).converse(room)
        return room.record()

    whole, parts = tables(np.arange(12)), [tables(np.arange(a, a + 4)) for a in (8, 0, 4)]
    for name, keys in (("deliveries", 4), ("messages", 3), ("decisions", 4)):
        order = ("room_id", "turn", "sender", "recipient", "presentation")
        merged = Columns.concat([part[name] for part in parts])
        merged = merged.sort_by(*[key for key in order if key in merged][:keys])
        assert merged.digest() == whole[name].digest(), name


# -- altered copies ---------------------------------------------------------------------------


def altered_pair(script, seed=0, n=300, reads=True, **channel):
    """Let the proponent speak once; return what the judge got and the ledger's own replay."""
    crew = ScriptCrew({"proponent": script}, readers=(1,) if reads else ())
    room = round_room(SEATS, n=n, crew=crew, rules=rules(**channel))
    room.speak("proponent", Explanation)
    room.speak("judge", Question)
    tables = room.record()
    copies = received(tables, RoundWorld())
    mine = copies.take((copies["recipient"] == 1) & (copies["sender"] == 0))
    order = np.argsort(room.room_id[crew.last("judge").heard.row], kind="stable")
    return crew.last("judge").heard.take(order), mine, tables


def test_a_flipped_stance_argues_for_the_other_option_with_the_probabilities_exchanged():
    def script(asks):
        return {
            "stance": np.zeros(asks.n, np.int64),
            "probs": np.tile([0.9, 0.1], (asks.n, 1)),
            "quotes": np.tile([0, 1], (asks.n, 1)),
        }

    heard, copies, tables = altered_pair(script, corruption=Corruption(0.25, ["stance"]))
    hit = copies["altered"] == Alteration.STANCE
    assert abs(hit.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 300)
    for found in (heard.stance, copies["stance"]):
        assert (found == hit).all()
    np.testing.assert_array_equal(heard.stated[:, 0], np.where(hit, 0.1, 0.9))
    assert heard.verified[:, :2].all() and (tables["messages"]["stance"][::2] == 0).all()


def test_lost_marks_leave_the_quotes_unmarked_and_truncation_keeps_the_first():
    script = {"marks": Corruption(1.0, ["marks"]), "cut": Truncation(1.0, 0.6)}
    quotes = lambda asks: {**quoting(4, 2, 0)(asks), "words": np.full(asks.n, 10)}  # noqa: E731
    heard, _, _ = altered_pair(quotes, n=5, corruption=script["marks"])
    assert heard.quotes.tolist() == [[4, 2, 0, -1]] * 5 and not heard.verified.any()
    heard, copies, _ = altered_pair(quotes, n=5, truncation=script["cut"])
    assert heard.quotes.tolist() == [[4, -1, -1, -1]] * 5, "floor(3 · 6 / 10)"
    assert heard.words.tolist() == copies["words"].tolist() == [6] * 5
    assert heard.verified.tolist() == [[True, False, False, False]] * 5


def test_what_was_not_heard_is_not_known():
    """Items whose quotes were lost on the way are no evidence for the recipient."""
    quotes = lambda asks: {**quoting(4, 2, 0)(asks), "words": np.full(asks.n, 10)}  # noqa: E731
    crew = ScriptCrew({"proponent": quotes})
    room = round_room(SEATS, n=2, crew=crew, rules=rules(truncation=Truncation(1.0, 0.6)))
    room.speak("proponent", Argument)
    room.decide("judge")
    assert np.flatnonzero(crew.last("judge").llr[0, :, 0]).tolist() == [4]
    room.speak("proponent", Argument)
    assert crew.last("proponent").heard.quotes[0].tolist() == [4, 2, 0, -1], "speakers know better"


def test_cut_or_shuffled_speech_is_searched_again_for_its_quotes():
    text = (
        "Hear this: <quote>fact 1 of case number 0</quote> and also "
        "<quote>fact 3 of case number 0</quote> so there you are at last"
    )
    heard, copies, tables = altered_pair(saying(text), n=1, truncation=Truncation(1.0, 0.5))
    assert tables["messages"]["quotes"][0].tolist() == [1, 3, -1, -1]
    assert heard.quotes.tolist() == [[1, -1, -1, -1]] and heard.verified.sum() == 1
    assert heard.text[0] == copies["text"][0] and len(heard.text[0].split()) == 11
    heard, copies, _ = altered_pair(saying(text), n=1, corruption=Corruption(1.0, ["words"]))
    assert heard.quotes.max() == -1 and not heard.verified.any()
    assert heard.text[0] == copies["text"][0] != text


def test_shuffled_words_cannot_spell_what_their_speaker_could_not():
    text = "I say that in my humble opinion judge: wins"
    heard, _, _ = altered_pair(saying(text), n=200, corruption=Corruption(1.0, ["words"]))
    assert len(set(heard.text.tolist())) > 100
    assert not any(line.lower().startswith("judge:") for line in heard.text.tolist())


# -- all at once ------------------------------------------------------------------------------

shares = st.sampled_from([0.0, 0.2, 0.7, 1.0])
budgets = st.builds(
    Budget,
    messages=st.integers(0, 3),
    words=st.sampled_from([0, 5, 15, 25]),
    tokens=st.just(0),
    bits=st.sampled_from([0, 20, 45]),
)
channels = st.builds(
    ChannelSettings,
    budget=st.builds(BudgetSettings, seat=budgets, room=budgets, truncate=st.booleans()),
    delay=st.sampled_from([Delay(), Delay("fixed", 1), Delay("geometric", 1.5)]),
    loss=shares,
    truncation=st.builds(Truncation, probability=shares, keep=shares),
    corruption=st.builds(
        Corruption,
        probability=shares,
        kinds=st.lists(st.sampled_from(["stance", "marks", "words"]), min_size=1, unique=True),
    ),
    expiry=st.integers(0, 3),
    visibility=st.sampled_from([{}, {"argument": ["judge"]}, {"explanation": [], "vote": "all"}]),
    hears_from=st.sampled_from([{}, {"judge": 2}]),
)  # fmt: skip
held = st.sampled_from(
    [
        Debate(DebateConfig(rounds=2)),
        Debate(DebateConfig(rounds=2, order="sequential")),
        Consultancy(ConsultancyConfig(questions=True)),
        ExplanationProtocol(ExplanationProtocol.Config()),
    ]
)


@settings(max_examples=60, deadline=None)
@given(channel=channels, protocol=held, topology=st.sampled_from(["complete", "star"]))
def test_copies_balance_and_views_equal_the_ledger_whatever_the_channel(
    channel, protocol, topology
):
    crew = ScriptCrew()
    room = toy_room(
        protocol.seats, np.arange(6), crew, rules=replace(rules(topology), channel=channel)
    )
    protocol.converse(room)
    tables = room.record()
    found = balance(tables)
    assert found.holds
    assert found.sent == sum(
        (found.delivered, found.in_flight, found.over_budget, found.dropped, found.expired)
    )
    copies = received(tables, ToyWorld())
    for asks in crew.calls:
        code = asks.seats.index(asks.seat)
        mine = (copies["recipient"] == code) & (copies["delivered_turn"] <= asks.turn)
        expected = copies.take(mine)
        others = asks.heard.take(asks.heard.sender != code)
        got = Columns(
            {
                "room_id": asks.room_id[others.row],
                **{
                    name: getattr(others, name)
                    for name in ("turn", "sender", "kind", "stance", "stated", "quotes")
                },
                "verified": others.verified,
                "words": others.words,
            }
        ).sort_by("room_id", "turn", "sender")
        assert got.digest() == expected.select(got).sort_by("room_id", "turn", "sender").digest()
    # No copy has a mark that the message lacks.
    said = {
        key: set(quotes[marks].tolist())
        for *key_, quotes, marks in zip(
            *(tables["messages"][k] for k in ("room_id", "turn", "sender", "quotes", "verified")),
            strict=True,
        )
        for key in [tuple(key_)]
    }
    for i in range(copies.n):
        key = tuple(copies[k][i] for k in ("room_id", "turn", "sender"))
        assert set(copies["quotes"][i][copies["verified"][i]].tolist()) <= said[key]


def test_the_balance_finds_a_copy_that_is_missing_or_too_many():
    tables = dict(spoken(4).record())
    assert balance(tables).holds
    rows = tables["deliveries"]
    assert balance({**tables, "deliveries": rows.take(np.arange(rows.n - 1))}).unbalanced == 1
    stray = rows.with_(turn=rows["turn"] + 9).take([0])
    assert balance({**tables, "deliveries": Columns.concat([rows, stray])}).unbalanced == 1
    with pytest.raises(ValueError, match="1 keys repeat"):
        balance({**tables, "deliveries": Columns.concat([rows, rows.take([0])])})
    with pytest.raises(ValueError, match="unknown status 9"):
        balance({**tables, "deliveries": rows.with_(status=np.full(rows.n, 9))})


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ({"loss": 1.5}, "channel.loss: given 1.5, allowed: 0 to 1"),
        ({"loss": float("nan")}, "channel.loss: given nan"),
        ({"expiry": -1}, "channel.expiry: given -1, allowed: 0 or more"),
        ({"delay": Delay("slow", 1)}, "unknown delay 'slow' at channel.delay.kind"),
        ({"delay": Delay("fixed", 1.5)}, "channel.delay.turns: given 1.5, a fixed delay is whole"),
        ({"delay": Delay("none", 2)}, "channel.delay.kind: none, but delay.turns is 2"),
        ({"delay": Delay("geometric", -1)}, "channel.delay.turns: given -1"),
        ({"truncation": Truncation(2)}, "channel.truncation.probability: given 2"),
        ({"truncation": Truncation(keep=-0.1)}, "channel.truncation.keep: given -0.1"),
        ({"corruption": Corruption(0.1, ["mraks"])}, "did you mean marks?"),
        ({"corruption": Corruption(0.1, [])}, "channel.corruption.kinds: given []"),
        ({"budget": BudgetSettings(room=Budget(bits=-3))}, "channel.budget.room.bits: given -3"),
        (
            {"budget": BudgetSettings(seats={"propnent": Budget()})},
            "unknown seat 'propnent' at channel.budget.seats; did you mean proponent",
        ),
        ({"visibility": {"argumnet": "all"}}, "unknown message kind 'argumnet' at channel.visib"),
        ({"visibility": {"argument": "judge"}}, "given 'judge', expected all or a list of seats"),
        ({"visibility": {"argument": ["boss"]}}, "unknown seat 'boss' at channel.visibility.argum"),
        ({"hears_from": {"judge": -1}}, "channel.hears_from.judge: given -1"),
        ({"hears_from": {"boss": 1}}, "unknown seat 'boss' at channel.hears_from"),
    ],
)
def test_settings_that_cannot_be_are_one_line(channel, message):
    with pytest.raises(ConfigError) as caught:
        check_settings(ChannelSettings(**channel), SEATS)
    assert message in str(caught.value) and "\n" not in str(caught.value)
