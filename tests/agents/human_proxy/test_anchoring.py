import numpy as np
import pytest

from agents.human_proxy.estimates import Estimator, advised, anchoring_index, weight_on_advice
from agents.human_proxy.situations import situations
from environments.core.errors import ConfigError
from tests.agents.human_proxy.people import answers, person, two
from tests.agents.policies.build import Said, ask, log, make_asks


def test_the_first_statement_draws_the_belief_whoever_made_it():
    said = [Said(1, 1, stance=1), Said(0, 0, stated=(0.9, 0.1)), Said(0, 2, stance=1)]
    asks = make_asks(log(0.4, 0.6), said=said)
    got = ask(person(anchor={"weight": 0.49}), asks)
    assert got.probs[0, 0] == pytest.approx(0.51 * 0.4 + 0.49 * 0.9)


def test_an_anchor_is_not_weighed_again_as_advice_but_later_words_are():
    proxy = person(anchor={"weight": 0.49}, advice={"weight": 0.39})
    once = make_asks(log(0.4, 0.6), said=[Said(0, 0, stated=(0.9, 0.1))])
    assert ask(proxy, once).probs[0, 0] == pytest.approx(0.51 * 0.4 + 0.49 * 0.9)
    twice = make_asks(
        log(0.4, 0.6), said=[Said(0, 0, stated=(0.9, 0.1)), Said(0, 1, stated=(0.2, 0.8))]
    )
    anchored = 0.51 * 0.4 + 0.49 * 0.9
    assert ask(proxy, twice).probs[0, 0] == pytest.approx(0.61 * anchored + 0.39 * 0.2)


def test_messages_without_a_claim_and_ones_own_words_anchor_nobody():
    said = [Said(2, 0, stance=0), Said(1, 1), Said(0, 2, stance=0)]
    got = ask(person(anchor={"weight": 0.5}), make_asks(log(0.4, 0.6), said=said))
    assert got.probs[0, 0] == pytest.approx(0.5 * 0.4 + 0.5)
    silent = ask(person(anchor={"weight": 0.5}), make_asks(log(0.4, 0.6)))
    assert silent.probs[0, 0] == pytest.approx(0.4)


def test_the_index_of_the_preset_is_the_published_one():
    own = np.linspace(0.2, 0.8, 41)
    low, high = (
        answers(person("anchored"), situations(two(own), advice=two(a, 41))).probs[:, 0]
        for a in (0.05, 0.95)
    )
    assert anchoring_index(low, high, 0.05, 0.95) == pytest.approx(0.49, abs=1e-12)


def test_estimates_move_to_anchors_and_advice_by_their_weights():
    people = Estimator(spread=50.0, anchor_weight=0.49, advice_weight=0.39, seed=5)
    rows = np.arange(3000)
    plain = people.first(100.0, rows, 1)
    assert plain.mean() == pytest.approx(100, abs=3.5) and plain.std() == pytest.approx(50, abs=2.5)
    assert np.array_equal(people.first(100.0, rows[7:9], 1), plain[7:9])
    anchored = people.first(100.0, rows, 1, 300.0)
    assert anchored == pytest.approx(advised(plain, 300.0, 0.49))
    final = people.revise(plain, 400.0)
    assert weight_on_advice(plain, 400.0, final) == pytest.approx(np.full(3000, 0.39))


def test_woa_is_undefined_where_advice_is_the_estimate_and_clips_on_request():
    woa = weight_on_advice([10, 10, 10, 10], [10, 20, 20, 20], [12, 5, 15, 40])
    assert np.isnan(woa[0]) and woa[1:].tolist() == [-0.5, 0.5, 3.0]
    clipped = weight_on_advice([10, 10], [20, 20], [5, 40], clip=True)
    assert clipped.tolist() == [0.0, 1.0]


def test_impossible_weights_are_refused():
    with pytest.raises(ConfigError, match="human_proxy.anchor.weight: 1.2"):
        person(anchor={"weight": 1.2})
    with pytest.raises(ConfigError, match="estimator.advice_weight: -0.1"):
        Estimator(spread=1.0, advice_weight=-0.1)
    with pytest.raises(ConfigError, match="high_anchor"):
        anchoring_index([1.0], [2.0], 3.0, 3.0)
