"""Batched simulators: PettingZoo's own tests, and one implementation for one game or thousands."""

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo.test import parallel_api_test, parallel_seed_test

from environments.advice import simulator as advice
from environments.advice.environment import Advice, AdviceConfig
from environments.base import SplitPlan
from environments.cases import Split
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.opinion_network import simulator as opinions
from environments.opinion_network.environment import OpinionNetwork, OpinionNetworkConfig
from environments.preferences import simulator as preferences
from environments.preferences.environment import Preferences, PreferencesConfig

PLAN = SplitPlan({Split.TEACHING: 10_000})
ADVICE = Advice(AdviceConfig(correlation=0.3, judge_sees=1), PLAN)
OPINIONS = OpinionNetwork(OpinionNetworkConfig(n_members=6, topology="scale_free"), PLAN)
PREFERENCES = Preferences(PreferencesConfig(mistake=0.1), PLAN)

GAMES = {
    "advice": (
        lambda: advice.BatchedAdvice(ADVICE, 2),
        lambda **k: advice.parallel_env(ADVICE, 2, **k),
    ),
    "opinions": (
        lambda: opinions.BatchedOpinions(OPINIONS, 3),
        lambda **k: opinions.parallel_env(OPINIONS, 3, **k),
    ),
    "preferences": (
        lambda: preferences.BatchedPreferences(PREFERENCES, 4),
        lambda **k: preferences.parallel_env(PREFERENCES, 4, **k),
    ),
}
each_game = pytest.mark.parametrize("game", GAMES)


def _actions(simulator, ids, turn):
    """Return keyed random actions; beyond the box now and then, to be clipped."""
    actions = {}
    for code, seat in enumerate(simulator.seats):
        space, draw = simulator.action_space(seat), Keyed(code, "actions")
        if isinstance(space, spaces.Discrete):
            actions[seat] = draw.integers(int(space.n), ids, turn)
        else:
            middle, half = (space.high + space.low) / 2, (space.high - space.low) / 2
            actions[seat] = middle + half * draw.normal(ids, turn, shape=space.shape)
    return actions


@each_game
@pytest.mark.filterwarnings("error::UserWarning")
def test_pettingzoo_accepts_it(game):
    env = GAMES[game][1]
    parallel_api_test(env(), num_cycles=60)
    parallel_seed_test(env, num_cycles=30)


@each_game
def test_ten_thousand_at_once_equal_one_at_a_time(game):
    make, env = GAMES[game]
    simulator, one = make(), env()
    ids = ADVICE.case_ids(Split.TEACHING, 0)
    observed, played, outcomes = [simulator.reset(ids)], [], []
    for turn in range(simulator.horizon):
        played.append(_actions(simulator, ids, turn))
        observation, *outcome = simulator.step(played[-1])
        observed.append(observation)
        outcomes.append(outcome)
    assert outcomes[-1][1].all() and not outcomes[-2][1].any()
    assert len({float(r) for r in outcomes[-1][0][simulator.seats[0]]}) > 1
    for row in range(0, len(ids), 997):
        observation, infos = one.reset(options={"case_id": ids[row]})
        assert {info["case_id"] for info in infos.values()} == {ids[row]}
        for turn in range(simulator.horizon + 1):
            for seat in simulator.seats:
                assert one.observation_space(seat).contains(observation[seat])
                for name, value in observation[seat].items():
                    assert np.array_equal(value, observed[turn][seat][name][row])
            if turn == simulator.horizon:
                break
            actions = {seat: action[row] for seat, action in played[turn].items()}
            observation, rewards, terminated, truncated, _ = one.step(actions)
            whole_rewards, ended, _ = outcomes[turn]
            for seat in simulator.seats:
                assert rewards[seat] == whole_rewards[seat][row]
                assert terminated[seat] == ended[row] and not truncated[seat]
        assert not one.agents


@each_game
def test_seats_left_out_and_observations_that_cannot_be_written(game):
    simulator = GAMES[game][0]()
    for _ in range(2):
        simulator.reset(np.arange(3))
        for _ in range(simulator.horizon):
            observations, rewards, *_ = simulator.step({})
            for observation in observations.values():
                assert not any(value.flags.writeable for value in observation.values())
        assert sorted(rewards) == sorted(simulator.seats)
    assert simulator.truth.spent == {"reward": 6}


@each_game
def test_bad_actions_are_one_clear_line(game):
    simulator = GAMES[game][0]()
    with pytest.raises(ConfigError, match="has not begun"):
        simulator.step({})
    simulator.reset(np.arange(2))
    with pytest.raises(ConfigError, match="unknown seat 'cook'"):
        simulator.step({"cook": [0, 0]})
    for seat in simulator.seats:
        space = simulator.action_space(seat)
        if isinstance(space, spaces.Discrete):
            wrong = {"must be in 0 … 1": [0, 2], "must be 2 integers": [0.5, 1]}
        else:
            bad = np.zeros((2, *space.shape))
            bad[0, 0] = np.nan
            wrong = {"must be finite": bad, "must be numbers of shape": np.zeros((3, *space.shape))}
        for message, action in wrong.items():
            with pytest.raises(ConfigError, match=message):
                simulator.step({seat: action})
    for _ in range(simulator.horizon):
        simulator.step({})
    with pytest.raises(ConfigError, match="ended after"):
        simulator.step({})


@each_game
def test_render_and_empty_splits(game):
    env = GAMES[game][1]
    assert env().render() is None
    shown = env(render_mode="ansi")
    shown.reset(seed=2)
    before = shown.render()
    shown.step({})
    assert shown.render() != before
    with pytest.raises(ConfigError, match="no cases to draw from"):
        env(split=Split.TEST)


def test_impossible_lengths():
    with pytest.raises(ConfigError, match="exchanges=0"):
        advice.BatchedAdvice(ADVICE, 0)
    with pytest.raises(ConfigError, match="rounds=0"):
        opinions.BatchedOpinions(OPINIONS, 0)
    with pytest.raises(ConfigError, match="queries=0"):
        preferences.BatchedPreferences(PREFERENCES, 0)
    with pytest.raises(ConfigError, match="held_out=0"):
        preferences.BatchedPreferences(PREFERENCES, 1, 0)
