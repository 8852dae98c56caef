"""Outside environments as decisions: conformance, truth by definition, evidence that helps."""

from functools import cache

import numpy as np
import pytest

from environments import ENVIRONMENTS
from environments.adapters.decision import (
    GymnasiumConfig,
    GymnasiumDecision,
    OpenSpielConfig,
    OpenSpielDecision,
    PettingZooConfig,
    PettingZooDecision,
)
from environments.adapters.states import Explorer
from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.core.modules import allow
from environments.generated import reference_ids
from tests.environments.adapters import games

allow("tests.environments.adapters.games")
PLAN = SplitPlan({Split.TEACHING: 12, Split.TEST: 12})
FEW = {"truth_rollouts": 8, "expert_rollouts": 3, "calibration_cases": 40}
MAKE = f"{games.__name__}:"
MAKERS = {
    "gymnasium": lambda: GymnasiumDecision(GymnasiumConfig(horizon=20, **FEW), PLAN),
    "aec": lambda: PettingZooDecision(
        PettingZooConfig(make=MAKE + "TicTacToe", max_moves=5, **FEW), PLAN
    ),
    "parallel": lambda: PettingZooDecision(
        PettingZooConfig(make=MAKE + "Meeting", settings={"size": 5}, seat="ann", **FEW), PLAN
    ),
    "openspiel": lambda: OpenSpielDecision(OpenSpielConfig(**FEW), PLAN),
}


WORLDS = {kind: cache(make) for kind, make in MAKERS.items()}


@pytest.mark.parametrize("kind", WORLDS)
def test_it_conforms_and_evidence_helps(kind):
    world = WORLDS[kind]()
    assert_environment(world)
    values = world.reference_values()
    if kind != "aec":  # random play tells little of a game that one move decides
        # Three standard errors of a share of 40 cases are .24 at most.
        assert values["full_information"].value > values["chance"].value + 0.24
    fixed = kind == "aec"
    assert world.details()["chance"] == ("fixed by the case's seed" if fixed else "drawn anew")
    again = MAKERS[kind]().deal(world.case_ids(Split.TEST, 0)[:5])
    assert np.array_equal(again.evidence.llr, world.deal(again.case_id).evidence.llr)


def test_truth_is_the_option_with_the_highest_mean_return():
    world = WORLDS["aec"]()
    ids = world.case_ids(Split.TEST, 0)[:12]
    truth = world.seal().reveal(ids, "test")
    fresh = Explorer(world.episode(), "", 5, 4, world.config.horizon, 0)
    for case, right in zip(ids.tolist(), truth.tolist(), strict=True):
        state = world._work(case).state
        values = fresh.values(state, world.config.truth_rollouts, "truth")
        assert values.argmax() == right and (values == values.max()).sum() == 1
        board = fresh.at(state)._env.board
        assert not board[list(state.options)].any()
        assert (board != 0).sum() == len(state.moves)


def test_a_winning_move_is_the_truth():
    """Whoever can complete a line at once earns 1 by it in every rollout: nothing is better."""
    world = WORLDS["aec"]()
    found = 0
    for case in reference_ids(FEW["calibration_cases"]).tolist():
        row = world._work(case)
        board = world._explorer.at(row.state)._env.board
        side = 1 if row.state.seat == "cross" else -1
        wins = [
            k
            for k, cell in enumerate(row.state.options)
            if any(cell in line and sorted(board[list(line)] * side) == [0, 1, 1]
                   for line in games.LINES)
        ]  # fmt: skip
        if len(wins) == 1:
            found += 1
            values = world._explorer.values(row.state, 8, "truth")
            assert values[wins[0]] == 1.0 == values.max() and row.truth == wins[0]
    assert found >= 3


def test_texts_tell_who_acts_and_what_was_tried():
    world = WORLDS["openspiel"]()
    cases = world.deal(world.case_ids(Split.TEST, 0)[:3])
    context, options = world.render_context(cases)[0], world.render_options(cases)[0]
    assert context.startswith("You play player_")
    assert len(options) == 3 and all("a" in text for text in options)
    assert "earned" in world.render_evidence(cases)[0][0]
    assert world.simulator(5).seats == ("player_0", "player_1")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gymnasium", {"id": "os:system"}, "not registered with Gymnasium"),
        ("gymnasium", {"id": "MountainCarContinuous-v0"}, "has continuous actions"),
        ("gymnasium", {"id": "FrozenLake-v1", "max_moves": 0, "horizon": 1}, "unequal worth"),
        ("gymnasium", {"seat": "cook"}, r"environment.seat='cook' \(allowed: agent\)"),
        ("gymnasium", {"experts": 0}, "environment.experts=0 is not in 1"),
        ("pettingzoo", {"make": ""}, "expected module:function"),
        ("pettingzoo", {"make": "os:system"}, "import its module explicitly, with --import os"),
        ("pettingzoo", {"make": MAKE + "Nobody"}, "has no function 'Nobody'"),
        ("pettingzoo", {"make": MAKE + "Meeting", "settings": {"weight": 1}}, "unexpected keyword"),
        ("openspiel", {"game": "nothing"}, "is not an OpenSpiel game"),
    ],
)
def test_what_cannot_be_is_one_clear_line(name, settings, message):
    cls = ENVIRONMENTS.get(name)
    with pytest.raises(ConfigError, match=message) as caught:
        cls(cls.Config(**settings), PLAN)
    assert "\n" not in str(caught.value)
