"""Every stage's equation, against numbers that follow from its definition."""

from dataclasses import replace

import numpy as np
import pytest

from agents.human_proxy.policy import HumanProxy
from agents.human_proxy.presets import HumanProxyConfig
from coordination.messages import Fault, MessageKind
from environments.base import forged_quote
from environments.core.columns import Columns, frozen
from tests.agents.policies.build import Said, ask, log, make_asks, swapped

LLR = np.array([[1.2, 0.0], [-0.5, 0.0], [0.7, 0.0], [0.0, 2.0]])


def person(preset: str = "rational", seed: int = 3, **stages) -> HumanProxy:
    """A rational proxy with some fields set: person(update={"evidence_weight": .5})."""
    config = HumanProxyConfig(preset=preset)
    for stage, values in stages.items():
        setattr(config, stage, replace(getattr(config, stage), **values))
    return HumanProxy(config, seed)


def log_odds(answers, row: int = 0) -> float:
    return float(np.log(answers.probs[row, 0] / answers.probs[row, 1]))


# -- perceive --------------------------------------------------------------------------------


def test_a_lapse_misses_that_share_of_quotes_and_the_same_ones_when_asked_again():
    proxy = person(perceive={"lapse": 0.3})
    asks = make_asks(log(0.5, 0.5), LLR, [Said(0, 0, (3,))], n=5000)
    got = ask(proxy, asks)
    seen = got.probs[:, 1] > 0.6
    assert seen.mean() == pytest.approx(0.7, abs=0.02)
    assert np.array_equal(got.probs, ask(proxy, swapped(asks)).probs)
    twice = make_asks(log(0.5, 0.5), LLR, [Said(0, 0, (3,)), Said(0, 1, (3,))], n=5000)
    assert (ask(proxy, twice).probs[:, 1] > 0.6).mean() == pytest.approx(0.91, abs=0.02)


def test_an_unverified_forgery_has_no_effect_unless_weighted():
    said = [Said(0, 0, (forged_quote(1),))]
    asks = make_asks(log(0.5, 0.5), LLR, said, forged_strength=2.0)
    assert log_odds(ask(person(), asks)) == 0.0
    assert log_odds(ask(person(perceive={"unverified_weight": 0.5}), asks)) == pytest.approx(-1.0)


# -- remember --------------------------------------------------------------------------------


def test_a_bounded_span_keeps_the_latest_items_and_repetition_refreshes():
    said = [Said(0, 0, (0, 1)), Said(1, 1, (2,)), Said(1, 2, (0,))]  # last heard: 0, then 2, then 1
    asks = make_asks(log(0.5, 0.5), LLR, said)
    for span, expected in ((1, 1.2), (2, 1.9), (3, 1.4), (0, 1.4)):
        assert log_odds(ask(person(remember={"span": span}), asks)) == pytest.approx(expected)


def test_own_items_take_up_no_place_in_memory():
    said = [Said(0, 0, (0,)), Said(0, 1, (3,))]
    asks = make_asks(log(0.5, 0.5), LLR, said)
    held = asks.held.copy()
    held[0, 3] = True
    got = ask(person(remember={"span": 1}), replace(asks, held=frozen(held)))
    assert log_odds(got) == pytest.approx(1.2)


# -- update ----------------------------------------------------------------------------------


def test_biased_bayes_weighs_prior_evidence_and_contrary_evidence():
    said = [Said(0, 0, (0, 3))]  # +1.2 for option 0, -2.0 against it
    asks = make_asks(log(0.7, 0.3), LLR, said)
    settings = {"prior_weight": 0.6, "evidence_weight": 0.4, "contrary_weight": 0.25}
    expected = 0.6 * np.log(7 / 3) + 0.4 * (1.2 - 0.25 * 2.0)
    assert log_odds(ask(person(update=settings), asks)) == pytest.approx(expected)
    flat = make_asks(log(0.5, 0.5), LLR, said)
    unbiased = ask(person(update={"contrary_weight": 0.25}), flat)
    assert log_odds(unbiased) == pytest.approx(-0.8)  # nothing is contrary to a flat prior


def test_a_forged_claim_against_the_favoured_option_is_contrary_too():
    asks = make_asks(log(0.7, 0.3), LLR, [Said(0, 0, (forged_quote(1),))], verification=False)
    got = ask(person(update={"contrary_weight": 0.5}), asks)
    assert log_odds(got) == pytest.approx(np.log(7 / 3) - 0.5)


def test_no_weight_on_the_prior_keeps_impossible_options_impossible():
    asks = make_asks(np.array([-np.inf, np.log(0.9), np.log(0.1)]), np.zeros((1, 3)))
    got = ask(person(update={"prior_weight": 0.0}), asks)
    assert got.probs[0].tolist() == [0.0, 0.5, 0.5]


# -- advice ----------------------------------------------------------------------------------


def test_weight_on_advice_is_recovered_exactly():
    rng = np.linspace(0.02, 0.98, 97)
    prior = np.stack([np.log(rng), np.log(1 - rng)], axis=1)
    said = [
        Said(0, 0, stated=(float(1 - p) ** 2, 1 - float(1 - p) ** 2), row=i)
        for i, p in enumerate(rng)
    ]
    got = ask(person(advice={"weight": 0.39}), make_asks(prior, said=said))
    advice = np.array([m.stated[0] for m in said])
    apart = np.abs(advice - rng) > 1e-6  # undefined where advice equals the estimate
    woa = (got.probs[:, 0] - rng)[apart] / (advice - rng)[apart]
    assert np.abs(woa - 0.39).max() < 1e-9


def test_a_stance_is_advice_with_its_confidence_and_only_the_latest_counts():
    proxy = person(advice={"weight": 0.5})
    said = [Said(0, 0, stance=1, confidence=1.0), Said(0, 1, stance=0, confidence=0.9), Said(0, 2)]
    got = ask(proxy, make_asks(log(0.5, 0.5), said=said))
    assert got.probs[0, 0] == pytest.approx(0.5 * 0.5 + 0.5 * 0.9)
    plain = ask(proxy, make_asks(log(0.5, 0.5), said=[Said(0, 0, stance=0)]))
    assert plain.probs[0, 0] == pytest.approx(0.75)  # a bare stance is a sure one


def test_balanced_opposing_stances_cancel_and_agreeing_ones_add_nothing():
    proxy = person(advice={"weight": 0.39})
    for c in (1.0, 0.7):
        said = [Said(0, 0, stance=0, confidence=c), Said(1, 0, stance=1, confidence=c)]
        got = ask(proxy, make_asks(log(0.3, 0.7), said=said))
        assert got.probs[0] == pytest.approx([0.3, 0.7], abs=1e-12)
    agree = [Said(s, 0, stance=0, confidence=0.8) for s in (0, 1)]
    got = ask(proxy, make_asks(log(0.3, 0.7), said=agree))
    assert got.probs[0, 0] == pytest.approx(0.61 * 0.3 + 0.39 * 0.8)


def test_with_three_options_opponents_still_speak_against_the_third():
    said = [Said(0, 0, stance=0), Said(1, 0, stance=1)]
    p = ask(person(advice={"weight": 0.39}), make_asks(log(0.4, 0.2, 0.4), said=said)).probs[0]
    assert p[2] < 0.4 and p[0] - p[1] == pytest.approx(0.2 * (1 - 0.39 * 0.5))


# -- trust -----------------------------------------------------------------------------------


def outcomes(agent, adviser, feedback) -> Columns:
    n = len(feedback)
    return Columns(
        {
            "agent_id": np.broadcast_to(agent, n).astype(np.int64),
            "room_id": np.arange(n),
            "turn": np.zeros(n, dtype=np.int64),
            "adviser_id": np.broadcast_to(adviser, n).astype(np.int64),
            "feedback": np.asarray(feedback),
        }
    )


def mean_trust(minds: Columns, adviser: int, row: int = 0) -> float:
    at = np.flatnonzero(minds["trust_adviser"][row] == adviser)[0]
    a, b = minds["trust_alpha"][row, at], minds["trust_beta"][row, at]
    return float(a / (a + b))


def test_trust_approaches_its_limit():
    proxy = person("typical_person", trust={"success": 1.5, "failure": 4.0})
    minds, r = proxy.initial_minds(np.array([7])), 0.8
    for _ in range(200):
        minds = proxy.settle(minds, outcomes(7, 90, np.arange(50) % 5 != 0))
    assert mean_trust(minds, 90) == pytest.approx(r * 1.5 / (r * 1.5 + (1 - r) * 4.0), abs=1e-4)


def test_trust_is_kept_per_adviser_and_scales_the_weight_of_advice():
    proxy = person(advice={"weight": 0.3}, trust={"success": 1.0, "failure": 2.0})
    minds = proxy.initial_minds(np.array([7]))
    minds = proxy.settle(minds, outcomes(7, [90, 91], [1, 0]))
    assert mean_trust(minds, 90) == pytest.approx(2 / 3)
    assert mean_trust(minds, 91) == pytest.approx(1 / 4)

    def advised(adviser: int) -> float:
        said = [Said(0, 0, stance=0, agent_id=adviser)]
        return ask(proxy, make_asks(log(0.5, 0.5), said=said), minds).probs[0, 0]

    for adviser, w in ((90, 0.3 * (2 / 3) / 0.5), (91, 0.3 * 0.25 / 0.5), (92, 0.3)):
        assert advised(adviser) == pytest.approx((1 - w) * 0.5 + w)


def test_settling_in_two_parts_or_another_order_is_the_same():
    proxy = person("typical_person")
    minds = proxy.initial_minds(np.array([5, 7, 9]))
    rng = np.arange(60)
    table = outcomes([5, 9] * 30, 90 + rng % 4, (rng * 7) % 3 == 0)
    once = proxy.settle(minds, table)
    split = proxy.settle(proxy.settle(minds, table.take(rng[:33])), table.take(rng[33:]))
    assert once.digest() == proxy.settle(minds, table.take(rng[::-1])).digest()
    for row, agent in enumerate((5, 7, 9)):
        if agent == 7:
            assert (once["trust_adviser"][row] == -1).all()
        else:
            for adviser in np.unique(table["adviser_id"][table["agent_id"] == agent]):
                assert mean_trust(once, adviser, row) == mean_trust(split, adviser, row)


def test_those_met_when_memory_is_full_stay_strangers():
    proxy = person("typical_person", trust={"advisers": 2})
    minds = proxy.settle(proxy.initial_minds(np.array([7])), outcomes(7, [93, 90, 91], [1, 1, 0]))
    assert minds["trust_adviser"][0].tolist() == [90, 91]
    again = proxy.settle(minds, outcomes(7, [94], [1]))
    assert again.digest() == minds.digest()


# -- choose ----------------------------------------------------------------------------------


def test_noisy_rational_choice_follows_the_logistic_law():
    n = 40_000
    belief = np.log(np.array([np.e, 1.0]) / (1 + np.e))  # Q gap of 1
    got = ask(person(choose={"beta": 1.0}), make_asks(belief, n=n))
    assert (got.choice == 0).mean() == pytest.approx(0.7311, abs=0.008)  # 3.6 standard errors
    assert got.probs[:, 0] == pytest.approx(0.7310586)  # what it reports is its belief
    sharp = ask(person(choose={"beta": 3.0}), make_asks(belief, n=n))
    assert (sharp.choice == 0).mean() == pytest.approx(1 / (1 + np.exp(-3)), abs=0.006)


def test_mistakes_name_another_option_at_their_rate():
    got = ask(person(choose={"mistake": 0.1}), make_asks(log(0.98, 0.01, 0.01), n=20_000))
    share = np.bincount(got.choice, minlength=3) / 20_000
    assert share == pytest.approx([0.9, 0.05, 0.05], abs=0.008)


def test_the_mood_is_the_same_in_both_orders_unless_position_matters():
    plain = person(choose={"beta": 1.0, "mistake": 0.1})
    asks = make_asks(log(0.6, 0.4), n=2000)
    one, two = ask(plain, asks).choice, ask(plain, swapped(asks)).choice
    assert np.array_equal(one, two)
    drawn = person(choose={"beta": 1.0, "position_bias": 1.0})
    one, two = ask(drawn, asks).choice, ask(drawn, swapped(asks)).choice
    assert (one == 0).mean() > 0.6 > 0.5 > (two == 0).mean()
    assert (one == 0).mean() == pytest.approx(0.6 * np.e / (0.6 * np.e + 0.4), abs=0.03)


def test_unsure_people_may_skip():
    asks = make_asks(np.array([log(0.55, 0.45), log(0.9, 0.1)]))
    assert ask(person(choose={"skip_below": 0.6}), asks).choice.tolist() == [-1, 0]


# -- speaking --------------------------------------------------------------------------------


def test_asked_to_speak_it_reports_its_belief_without_noise():
    noisy = person(choose={"beta": 0.1, "mistake": 0.5})
    got = ask(noisy, make_asks(log(0.6, 0.4), n=200, intent=MessageKind.LABEL))
    assert (got.stance == 0).all() and (got.choice == -1).all()
    quiet = ask(noisy, make_asks(log(0.6, 0.4), intent=MessageKind.QUESTION))
    assert np.isnan(quiet.probs).all()


def test_a_row_without_belief_is_a_fault():
    asks = make_asks(np.array([[np.nan] * 2, log(0.5, 0.5)]), said=[Said(0, 0, stance=0)])
    got = ask(person("typical_person"), asks)
    assert got.fault.tolist() == [Fault.ERROR, Fault.NONE] and got.choice[0] == -1


def test_each_judge_fills_its_own_memory():
    proxy = person("typical_person", trust={"advisers": 2})
    table = outcomes([5, 5, 9, 9], [90, 91, 92, 93], [1, 0, 1, 0])
    minds = proxy.settle(proxy.initial_minds(np.array([5, 7, 9])), table)
    assert minds["trust_adviser"].tolist() == [[90, 91], [-1, -1], [92, 93]]
