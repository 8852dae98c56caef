"""The simulator: PettingZoo's checks, one implementation for one or many, and true frequencies."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from environments.core.errors import ConfigError, DataError
from environments.core.keyed import Keyed
from environments.dec_pomdp.policies import joint_policy
from environments.dec_pomdp.simulator import BatchedDecPOMDP, DecPOMDPEnv, play
from environments.dec_pomdp.solve import solve
from environments.dec_pomdp.writer import write_dpomdp
from environments.dec_tiger.problem import DEC_TIGER_FILE, dec_tiger
from tests.environments.dec_pomdp.problems import broadcast_channel


@pytest.mark.parametrize("communication", ["none", "free"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_pettingzoo_accepts_it(communication, tmp_path):
    write_dpomdp(broadcast_channel(), tmp_path / "channel.dpomdp")
    for path in (DEC_TIGER_FILE, tmp_path / "channel.dpomdp"):
        parallel_api_test(DecPOMDPEnv(path, 4, communication), num_cycles=100)
        parallel_seed_test(lambda p=path: DecPOMDPEnv(p, 4, communication), num_cycles=50)


@pytest.mark.parametrize("communication", ["none", "free"])
def test_many_at_once_equal_one_at_a_time(communication):
    game = BatchedDecPOMDP(broadcast_channel(), 5, communication)
    ids = np.arange(10_000)
    observed, outcomes, played = [game.reset(ids)], [], []
    for stage in range(5):
        acts = {s: Keyed(3, s).integers(2, ids, stage) for s in game.seats}
        seen, *outcome = game.step(acts)
        observed.append(seen)
        outcomes.append(outcome)
        played.append(acts)
    env = DecPOMDPEnv(broadcast_channel(), 5, communication)
    for row in range(0, len(ids), 997):
        seen, _ = env.reset(options={"case_id": row})
        for stage in range(6):
            for seat in game.seats:
                for name, value in seen[seat].items():
                    assert np.array_equal(value, observed[stage][seat][name][row])
            if stage == 5:
                break
            seen, reward, terminated, truncated, _ = env.step(
                {s: played[stage][s][row] for s in game.seats}
            )
            rewards, ended, cut = outcomes[stage]
            assert reward == {s: rewards[s][row] for s in game.seats}
            assert set(terminated.values()) == {ended[row]} == {False}
            assert set(truncated.values()) == {cut[row]} == {stage == 4}
        assert not env.agents


def test_observations_rewards_and_transitions_have_the_frequencies_of_the_model():
    game = BatchedDecPOMDP(dec_tiger(), 2, seed=5)
    n = 100_000
    game.reset(np.arange(n))
    tiger = game._state
    assert abs(tiger.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(n)
    seen, reward, _, _ = game.step({s: np.zeros(n, dtype=int) for s in game.seats})
    assert np.array_equal(game._state, tiger) and set(reward["agent_1"]) == {-2.0}
    heard = np.stack([seen[s]["observation"] - 1 for s in game.seats], axis=1)
    right = heard == tiger[:, None]
    for fits, p in ((right.all(axis=1), 0.7225), (~right.any(axis=1), 0.0225)):
        assert abs(fits.mean() - p) < 4.5 * np.sqrt(p * (1 - p) / n)
    open_left = np.where(np.arange(n) % 2 == 0, 1, 0)
    seen, reward, _, over = game.step({"agent_1": open_left, "agent_2": np.zeros(n, dtype=int)})
    expected = np.where(open_left == 1, np.where(tiger == 0, -101.0, 9.0), -2.0)
    assert np.array_equal(reward["agent_2"], expected) and over.all()
    moved = (game._state != tiger)[open_left == 1]
    assert abs(moved.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(len(moved))


def test_playing_a_policy_earns_its_exact_value():
    solution = solve(dec_tiger(), 4)
    earned = play(BatchedDecPOMDP(dec_tiger(), 4, seed=2), solution.policy, np.arange(100_000))
    assert abs(earned.mean() - solution.value) < 4.5 * earned.std() / np.sqrt(len(earned))


def test_episodes_differ_by_id_and_by_seed_only():
    listen = {s: np.zeros(200, dtype=int) for s in ("agent_1", "agent_2")}

    def heard(seed, ids):
        game = BatchedDecPOMDP(dec_tiger(), 3, seed=seed)
        game.reset(ids)
        return game.step(listen)[0]["agent_1"]["observation"]

    ids = np.arange(200)
    assert np.array_equal(heard(0, ids), heard(0, ids[::-1])[::-1])
    assert not np.array_equal(heard(0, ids), heard(1, ids))
    assert set(heard(0, ids)) == {1, 2}


def test_free_communication_shares_every_observation_and_none_shares_nothing():
    listen = {s: np.zeros(500, dtype=int) for s in ("agent_1", "agent_2")}
    alone, shared = (BatchedDecPOMDP(dec_tiger(), 3, mode) for mode in ("none", "free"))
    assert not shared.reset(np.arange(500))["agent_1"]["team"].any()
    alone.reset(np.arange(500))
    a, b = alone.step(listen)[0], shared.step(listen)[0]
    both = np.stack([a[s]["observation"] for s in alone.seats], axis=1)
    assert set(a["agent_1"]) == {"observation", "round"}
    for seat in alone.seats:
        assert np.array_equal(b[seat]["team"], both)
        assert np.array_equal(b[seat]["observation"], a[seat]["observation"])
    assert (both[:, 0] != both[:, 1]).any()
    line = shared.texts("agent_1")[0]
    assert "You observed hear-" in line and "agent_2 observed hear-" in line
    assert "agent_2" not in alone.texts("agent_1")[0]
    assert not any(value.flags.writeable for own in b.values() for value in own.values())


def test_render_names_no_state():
    env = DecPOMDPEnv(dec_tiger(), 2, render_mode="ansi")
    env.reset(seed=1)
    assert env.render() == "stage 0 of 2: nothing has happened"
    env.step({"agent_1": 0, "agent_2": 2})
    text = env.render()
    assert "agent_1 did listen, observed hear-" in text and "agent_2 did open-right" in text
    assert "tiger" not in text
    assert env.reference_values()["no_communication"].value == pytest.approx(-4)


def test_what_cannot_be_played(tmp_path):
    model = dec_tiger()
    with pytest.raises(ConfigError, match="horizon=0"):
        BatchedDecPOMDP(model, 0)
    with pytest.raises(ConfigError, match="communication='loud' is not one of none, free"):
        BatchedDecPOMDP(model, 2, "loud")
    with pytest.raises(DataError, match="cannot be read"):
        DecPOMDPEnv(tmp_path / "none.dpomdp")
    game = BatchedDecPOMDP(model, 1)
    both = {"agent_1": [0], "agent_2": [0]}
    with pytest.raises(ConfigError, match="has not begun"):
        game.step(both)
    game.reset([0])
    for actions in ({"agent_1": [0]}, {**both, "c": [0]}, {**both, "agent_2": [3]}):
        with pytest.raises(ConfigError):
            game.step(actions)
    game.step(both)
    with pytest.raises(ConfigError, match="ended after 1 rounds"):
        game.step(both)
    with pytest.raises(ConfigError, match="a policy for 2 stages cannot play 1"):
        play(game, joint_policy(model, [[0, 0], [0, 0]]), [0])
