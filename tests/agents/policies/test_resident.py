"""The resident: what skill, memory, trust, honesty and values do to its answers, exactly."""

from dataclasses import replace

import numpy as np
import pytest

from agents.conformance import check_policy, example_asks
from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.resident import Resident, ResidentConfig
from coordination.messages import MessageKind
from environments.core.columns import Columns
from environments.core.errors import ConfigError

POLICY = Resident(ResidentConfig(), 0)


def minds(asks, **columns):
    return Columns({"agent_id": asks.agent_id, **columns})


def silent(asks):
    return replace(asks, heard=asks.heard.take(np.zeros(0, dtype=np.int64)))


def test_it_conforms():
    assert [f for f in check_policy(Resident(ResidentConfig(skill=0.7), 0)) if not f.ok] == []


def test_with_full_skill_and_nothing_heard_it_is_the_bayesian():
    asks = silent(example_asks(200))
    ours = POLICY.answer(asks, minds(asks))
    theirs = Bayesian(BayesianConfig(), 0).answer(asks, minds(asks))
    np.testing.assert_allclose(ours.probs, theirs.probs, atol=1e-12)
    assert (ours.choice == theirs.choice).all()


def test_skill_is_how_often_it_reads_rightly_and_how_sure_it_is():
    asks = silent(example_asks(4000, n_options=2))
    sure = np.log(np.where(np.arange(2) == 0, 0.9, 0.1))
    asks = replace(asks, assessment=np.tile(sure, (asks.n, 1)))
    got = POLICY.answer(asks, minds(asks, skill=np.full(asks.n, 0.7)))
    assert abs((got.choice == 0).mean() - 0.7) < 0.03  # 4 sigma of 4000 draws
    np.testing.assert_allclose(got.probs.max(axis=1), 0.7 * 0.9 + 0.3 * 0.1)


def test_what_it_remembers_adds_to_what_it_reads():
    asks = silent(example_asks(100, n_options=2))
    plain = POLICY.answer(asks, minds(asks)).probs
    knows = POLICY.answer(asks, minds(asks, remembered=np.full((asks.n, 1), 1.5))).probs
    odds = np.log(knows[:, 1] / knows[:, 0]) - np.log(plain[:, 1] / plain[:, 0])
    np.testing.assert_allclose(odds, 1.5)


def test_trust_weighs_what_is_stated():
    asks = example_asks(1, n_options=2, rounds=1, quotes=0)
    one = asks.heard.take([0])
    asks = replace(asks, heard=replace(one, stated=np.array([[0.2, 0.8]]), row=np.array([0])))
    alone = POLICY.answer(silent(asks), minds(asks)).probs[0]
    for trust in (0.0, 0.5, 1.0):
        table = np.full((1, 3), 0.0)
        table[0, asks.heard.sender[0]] = trust
        told = POLICY.answer(asks, minds(asks, trust=table)).probs[0]
        moved = np.log(told[1] / told[0]) - np.log(alone[1] / alone[0])
        np.testing.assert_allclose(moved, trust * np.log(4), atol=1e-12)


def test_the_dishonest_state_the_contrary_and_vote_as_they_believe():
    asks = silent(example_asks(50, intent=MessageKind.EXPLANATION, n_options=2))
    candid = POLICY.answer(asks, minds(asks, honest=np.ones(50, dtype=bool)))
    liar = POLICY.answer(asks, minds(asks, honest=np.zeros(50, dtype=bool)))
    np.testing.assert_array_equal(liar.probs, candid.probs[:, ::-1])
    assert (liar.stance == 1 - candid.stance).all()
    vote = silent(example_asks(50, n_options=2))
    assert (
        POLICY.answer(vote, minds(vote, honest=np.zeros(50, dtype=bool))).choice
        == POLICY.answer(vote, minds(vote)).choice
    ).all()


def test_values_move_the_vote_and_not_the_belief():
    asks = silent(example_asks(50, n_options=2))
    plain = POLICY.answer(asks, minds(asks))
    wishes = POLICY.answer(asks, minds(asks, values=np.full((50, 1), 99.0)))
    assert (wishes.choice == 1).all() and (plain.choice == 0).any()
    np.testing.assert_array_equal(wishes.probs, plain.probs)


def test_a_skill_is_a_probability():
    with pytest.raises(ConfigError, match=r"resident.skill"):
        Resident(ResidentConfig(skill=1.2), 0)
