"""Outside environments as simulators: PettingZoo's tests, N rows equal N episodes, masks, ends."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test

from environments.adapters.gymnasium_episode import GymnasiumEpisode, registered
from environments.adapters.openspiel_episode import OpenSpielEpisode
from environments.adapters.pettingzoo_episode import pettingzoo_episode
from environments.adapters.simulator import OutsideSimulator, episode_seed
from environments.core.errors import ConfigError
from environments.core.extras import require
from environments.core.keyed import Keyed
from environments.simulator import SimulatorParallelEnv
from tests.environments.adapters.games import Careless, Corridor, Meeting, TicTacToe, Vague

MAKES = {
    "aec": lambda: pettingzoo_episode(TicTacToe),
    "parallel": lambda: pettingzoo_episode(Meeting),
    "gymnasium": lambda: GymnasiumEpisode(registered("CartPole-v1", {})),
    "mapping": lambda: GymnasiumEpisode(Corridor),
    "cards": lambda: OpenSpielEpisode("kuhn_poker"),
    "secret": lambda: OpenSpielEpisode("goofspiel(num_cards=4)"),
}
each_kind = pytest.mark.parametrize("kind", MAKES)


def legal_moves(game, seen, turn):
    """Return keyed random legal actions of every seat."""
    moves = {}
    for code, seat in enumerate(game.seats):
        draw = Keyed(code, "moves").uniform(game.case_id, turn)
        space = game.action_space(seat)
        if isinstance(space, spaces.Discrete):
            mask = seen[seat]["action_mask"].astype(float)
            mask = np.where(mask.sum(axis=1, keepdims=True) > 0, mask, 1.0)
            below = draw[:, None] * mask.sum(axis=1, keepdims=True)
            moves[seat] = (np.cumsum(mask, axis=1) <= below).sum(axis=1)
        else:
            moves[seat] = (2 * draw - 1)[:, None] * np.ones(space.shape)
    return moves


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_games_of_these_tests_are_proper_pettingzoo_environments():
    api_test(TicTacToe(), num_cycles=50)
    parallel_api_test(Meeting(), num_cycles=50)


@each_kind
@pytest.mark.filterwarnings("error::UserWarning")
def test_pettingzoo_accepts_it(kind):
    def env():
        return SimulatorParallelEnv(OutsideSimulator(MAKES[kind], horizon=15), np.arange(20))

    parallel_api_test(env(), num_cycles=40)
    parallel_seed_test(env, num_cycles=20)


@each_kind
def test_many_rows_equal_single_episodes(kind):
    game = OutsideSimulator(MAKES[kind], horizon=15)
    ids = np.arange(40) * 7 + 3
    seen = game.reset(ids)
    observed, played, outcomes = [seen], [], []
    for turn in range(15):
        played.append(legal_moves(game, seen, turn))
        seen, *outcome = game.step(played[-1])
        observed.append(seen)
        outcomes.append(outcome)
    ends = sum(o[1].astype(int) + o[2] for o in outcomes)
    assert (ends == 1).all(), "every episode ends exactly once"
    assert any(o[0][seat].any() for o in outcomes for seat in game.seats)
    one = SimulatorParallelEnv(OutsideSimulator(MAKES[kind], horizon=15), ids)
    for row in range(0, 40, 13):
        told, _ = one.reset(options={"case_id": ids[row]})
        turn = 0
        while True:
            for seat in game.seats:
                assert one.observation_space(seat).contains(told[seat])
                for name, value in told[seat].items():
                    assert np.array_equal(value, observed[turn][seat][name][row]), name
            if not one.agents:
                break
            moves = {seat: action[row] for seat, action in played[turn].items()}
            told, rewards, terminated, truncated, _ = one.step(moves)
            for seat in game.seats:
                assert rewards[seat] == outcomes[turn][0][seat][row]
                assert terminated[seat] == outcomes[turn][1][row]
                assert truncated[seat] == outcomes[turn][2][row]
            turn += 1


def test_an_episode_is_gymnasiums_own_under_the_same_seed():
    game = OutsideSimulator(MAKES["gymnasium"], horizon=500, seed=4)
    seen = game.reset([9])
    env = gymnasium.make("CartPole-v1")
    expected, _ = env.reset(seed=episode_seed(4, 9))
    for turn in range(500):
        assert np.array_equal(seen["agent"]["observation"][0], expected)
        action = turn // 2 % 2
        seen, reward, terminated, truncated = game.step({"agent": [action]})
        expected, paid, ended, cut, _ = env.step(action)
        assert (reward["agent"][0], terminated[0], truncated[0]) == (paid, ended, cut)
        if ended or cut:
            return
    raise AssertionError("the pole never fell")


def test_turns_masks_and_rewards_of_a_turn_based_game():
    game = OutsideSimulator(MAKES["aec"], horizon=20)
    seen = game.reset([0, 1])
    assert seen["cross"]["acts"].tolist() == [1, 1] and not seen["nought"]["acts"].any()
    assert not seen["nought"]["action_mask"].any()
    crosses, noughts = [0, 1, 2], [3, 4, 5]
    for turn in range(5):
        cell = (crosses if turn % 2 == 0 else noughts)[turn // 2]
        seen, reward, terminated, truncated = game.step({s: [cell, cell] for s in game.seats})
    assert reward["cross"].tolist() == [1, 1] and reward["nought"].tolist() == [-1, -1]
    assert terminated.all() and not truncated.any()


def test_an_agent_that_has_left_observes_nothing_and_the_rest_goes_on():
    game = OutsideSimulator(lambda: pettingzoo_episode(lambda: Meeting(9, 6)), horizon=20)
    ids = np.arange(30)
    seen = game.reset(ids)
    apart = np.ones(30, dtype=bool)
    for turn in range(6):
        # Discrete actions start at 0 here: 1 is the environment's own 0, standing still.
        still = {"ann": np.ones(30, dtype=int), "bob": np.zeros((30, 1))}
        seen, _, terminated, truncated = game.step(still)
        apart &= ~terminated
        if turn == 2:
            assert (seen["bob"]["acts"] == 0)[apart].all()
            assert (seen["ann"]["acts"] == 1)[apart].all()
    assert truncated[apart].all() and apart.any() and not apart.all()
    assert not seen["bob"]["observation"][apart].any()


def test_bad_actions_and_worlds_are_one_clear_line():
    game = OutsideSimulator(MAKES["aec"], horizon=5)
    game.reset([0, 1])
    with pytest.raises(ConfigError, match="no action of 'cross', whose turn it is"):
        game.step({"nought": [0, 0]})
    game.step({"cross": [0, 4]})
    with pytest.raises(ConfigError, match=r"action 4 of 'nought' is not legal in episode 1"):
        game.step({"nought": [4, 4]})
    with pytest.raises(ConfigError, match="observes Text"):
        OutsideSimulator(lambda: GymnasiumEpisode(Vague))
    with pytest.raises(ConfigError, match="horizon=0"):
        OutsideSimulator(MAKES["aec"], horizon=0)
    with pytest.raises(ConfigError, match="is not registered with Gymnasium"):
        registered("os:system", {})
    with pytest.raises(ConfigError, match="cannot be made"):
        registered("CartPole-v1", {"wheels": 3})()
    with pytest.raises(ConfigError, match="returns a Corridor; a PettingZoo"):
        pettingzoo_episode(Corridor)
    with pytest.raises(ConfigError, match="'tiny_hanaby' is not an OpenSpiel game"):
        OpenSpielEpisode("tiny_hanaby")


def test_a_missing_extra_is_named():
    with pytest.raises(ConfigError, match=r"pip install 'facilitate\[openspiel\]'"):
        require("pyspiel_that_is_not_there", "openspiel")


def test_an_environment_that_ignores_its_seed_is_found_out():
    game = OutsideSimulator(lambda: GymnasiumEpisode(Careless), horizon=3)
    first = game.reset([1, 2])["agent"]["observation"]
    again = game.reset([1, 2])["agent"]["observation"]
    assert not np.array_equal(first, again)
