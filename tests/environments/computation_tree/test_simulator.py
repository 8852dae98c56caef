"""Cross-examination as a game: one and many, exact play of both sides, and what the judge sees."""

import numpy as np
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.computation_tree import rules
from environments.computation_tree.environment import ComputationTree, ComputationTreeConfig
from environments.computation_tree.proofs import play, proofs
from environments.computation_tree.simulator import hide
from environments.playing_conformance import check_simulator

PLAN = SplitPlan({Split.TEACHING: 200, Split.TEST: 200})
WORLDS = [{}, {"rule": "and", "branching": 3}, {"rule": "xor", "errors": "redrawn"}]
WORLDS += [{"rule": "majority", "branching": 3, "depth": 2}, {"rule": "or", "depth": 1}]


def world(**fields):
    return ComputationTree(ComputationTreeConfig(**fields), PLAN)


@pytest.mark.parametrize("fields", WORLDS, ids=str)
def test_pettingzoo_and_many_at_once(fields):
    env = world(**fields)
    findings = check_simulator(env.simulator, env.case_ids(Split.TEACHING, 0))
    assert not [str(f) for f in findings if not f.ok]


@pytest.mark.parametrize("fields", WORLDS, ids=str)
def test_against_an_opponent_who_sees_no_hiding_place_helps(fields):
    right, lied = play(world(**fields), blind=False)
    assert right.all() and 60 < lied.sum() < 140


def test_sides_are_paid_for_the_judges_choice():
    env = world(depth=1)
    game = env.simulator()
    game.reset(env.case_ids(Split.TEST, 0))
    for _ in range(2):
        _, rewards, ended, _ = game.step({})
        assert not ended.any() and not any(paid.any() for paid in rewards.values())
    choice = game.case_id >> 22 & 1
    _, rewards, ended, _ = game.step({"judge": choice})
    assert ended.all() and game.truth.spent["reward"] == 200
    np.testing.assert_array_equal(rewards["proponent"], choice == game.argued)
    np.testing.assert_array_equal(rewards["opponent"], choice != game.argued)
    truth = game.truth.reveal(game.case_id, "test")
    np.testing.assert_array_equal(rewards["judge"], choice == truth)


def test_all_proofs_hold():
    """Also: a blind opponent finds one of two hiding places a level."""
    assert not [proof for proof in proofs() if not proof.ok]


@pytest.mark.parametrize("rule", rules.RULES)
def test_hidden_lies_add_up_and_change_no_more_than_they_must(rule):
    values = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    for claim in (0, 1):
        for where in range(3):
            told = hide(rule, values, np.full(8, claim), np.full(8, where))
            np.testing.assert_array_equal(rules.apply(rule, told), claim)
            same = rules.apply(rule, values) == claim
            np.testing.assert_array_equal(told[same], values[same])


def test_it_renders_what_all_may_see():
    env = world()
    game = env.simulator()
    game.reset(env.case_ids(Split.TEACHING, 0)[:1])
    assert game.render().startswith("claim: node is ")
    game.step({"proponent": np.array([1])})
    assert "parts: " in game.render()
    game.step({"opponent": np.array([1])})
    assert game.render().startswith("claim: node.2 is ")
    for _ in range(game.horizon - 3):
        game.step({})
    assert "reading: " in game.render()
