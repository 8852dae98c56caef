"""Cross-examination as a game: one and many, exact play of both sides, and what the judge sees."""

import numpy as np
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.computation_tree import rules
from environments.computation_tree.environment import ComputationTree, ComputationTreeConfig
from environments.computation_tree.simulator import hide
from environments.core.keyed import Keyed
from environments.playing_conformance import check_simulator

PLAN = SplitPlan({Split.TEACHING: 200})
WORLDS = [{}, {"rule": "and", "branching": 3}, {"rule": "xor", "errors": "redrawn"}]
WORLDS += [{"rule": "majority", "branching": 3, "depth": 2}, {"rule": "or", "depth": 1}]


def world(**fields):
    return ComputationTree(ComputationTreeConfig(**fields), PLAN)


@pytest.mark.parametrize("fields", WORLDS, ids=str)
def test_pettingzoo_and_many_at_once(fields):
    env = world(**fields)
    findings = check_simulator(env.simulator, env.case_ids(Split.TEACHING, 0))
    assert not [str(f) for f in findings if not f.ok]


def play(env, blind=False):
    """Both sides play: the proponent hides anywhere, the opponent disputes what is wrong."""
    game = env.simulator()
    seen = game.reset(env.case_ids(Split.TEACHING, 0))
    draw = Keyed(1, "play")
    for _ in range(game.horizon - 1):
        own = seen["opponent"]
        wrong = own["parts"] != own["values"]
        anywhere = draw.integers(env.law.branching, game.case_id, game.round)
        pick = np.where(wrong.any(axis=1) & (not blind), wrong.argmax(axis=1), anywhere)
        seen, rewards, ended, _ = game.step({"proponent": anywhere, "opponent": pick})
        assert not ended.any() and not rewards["judge"].any()
    judge = seen["judge"]
    upheld = judge["claim"] == judge["reading"]
    choice = np.where(upheld, judge["argued"], 1 - judge["argued"])
    _, rewards, ended, _ = game.step({"judge": choice})
    assert ended.all() and judge["read"].all() and not judge["values"].any()
    return game, rewards


@pytest.mark.parametrize("fields", WORLDS, ids=str)
def test_against_an_opponent_who_sees_no_hiding_place_helps(fields):
    game, rewards = play(world(**fields))
    assert rewards["judge"].all()
    assert game.truth.spent["reward"] == 200
    honest = game.argued == game.truth.reveal(game.case_id, "test")
    np.testing.assert_array_equal(rewards["proponent"], honest)
    np.testing.assert_array_equal(rewards["opponent"], ~honest)


def test_a_blind_opponent_finds_one_of_two_hiding_places_a_level():
    env = ComputationTree(ComputationTreeConfig(depth=3), SplitPlan({Split.TEACHING: 8000}))
    game, rewards = play(env, blind=True)
    lies = game.argued != game.truth.reveal(game.case_id, "test")
    caught, n = rewards["judge"][lies].mean(), int(lies.sum())
    assert abs(caught - 1 / 8) < 4.5 * np.sqrt(1 / 8 * 7 / 8 / n)
    assert rewards["judge"][~lies].all()


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
