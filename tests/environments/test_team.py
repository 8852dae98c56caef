"""The team process: PettingZoo's own tests, and one implementation for one case or ten thousand."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from environments.base import SplitPlan
from environments.cases import Split
from environments.chess_puzzles.config import ChessPuzzlesConfig
from environments.chess_puzzles.environment import ChessPuzzles
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.reading.world import Reading, ReadingConfig
from environments.team import BatchedTeam, parallel_env

SEATS = {"judge": "public", "expert": "expert", "critic": "source"}
READING = Reading(ReadingConfig(), SplitPlan({Split.TEACHING: 10_000}))
CHESS = ChessPuzzles(
    ChessPuzzlesConfig(pairs="all"), SplitPlan({Split.CALIBRATION: 100, Split.TEACHING: 500})
)


@pytest.mark.parametrize("environment", [READING, CHESS], ids=["reading", "chess"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_pettingzoo_accepts_it(environment):
    parallel_api_test(parallel_env(environment, SEATS), num_cycles=100)
    parallel_seed_test(lambda: parallel_env(environment, SEATS), num_cycles=50)


def test_ten_thousand_at_once_equal_one_at_a_time():
    team = BatchedTeam(READING, SEATS, rounds=4)
    ids = READING.case_ids(Split.TEACHING, 0)
    sample = np.arange(0, len(ids), 401)
    observed = [team.reset(ids)]
    played, outcomes = [], []
    for turn in range(4):
        actions = {seat: Keyed(1, seat).integers(team.n_actions(seat), ids, turn) for seat in SEATS}
        observation, rewards, *outcome = team.step(actions)
        observed.append(observation)
        played.append(actions)
        outcomes.append((rewards["judge"], *outcome))
    env = parallel_env(READING, SEATS, rounds=4)
    for row in sample.tolist():
        observation, _ = env.reset(options={"case_id": ids[row]})
        turn = 0
        while True:
            for seat in SEATS:
                for name, value in observation[seat].items():
                    assert np.array_equal(value, observed[turn][seat][name][row])
            if not env.agents:
                break
            observation, reward, terminated, truncated, _ = env.step(
                {seat: played[turn][seat][row] for seat in SEATS}
            )
            for got, whole in zip((reward, terminated, truncated), outcomes[turn], strict=True):
                assert set(got.values()) == {whole[row]}
            turn += 1


def test_disclosed_items_become_visible_to_all_and_only_real_ones():
    team = BatchedTeam(READING, SEATS, rounds=3)
    first = team.reset(READING.case_ids(Split.TEACHING, 0)[:2])
    assert not first["judge"]["llr"].any() and first["expert"]["held"].all()
    n = np.zeros(2, dtype=np.int64)
    seen, *_ = team.step({"judge": n + 1, "expert": np.array([3, 0]), "critic": n})
    assert seen["judge"]["disclosed"][0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert not seen["judge"]["disclosed"][1].any()  # the judge holds nothing to disclose
    assert np.array_equal(seen["judge"]["llr"][0, 2], seen["expert"]["llr"][0, 2])
    assert not seen["judge"]["llr"][0, [0, 1, 3, 4, 5, 6, 7]].any()
    assert seen["judge"]["round"].tolist() == [1, 1]


def test_a_judge_that_adds_what_it_hears_equals_the_source_reader():
    team = BatchedTeam(READING, SEATS, rounds=20)
    team.reset(READING.case_ids(Split.TEACHING, 0)[:200])
    for item in range(READING.max_evidence):
        seen, *_ = team.step({"expert": np.full(200, 1 + item)})
    logits = np.log(seen["judge"]["assessment"]) + seen["judge"]["llr"].sum(axis=1)
    posterior = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(posterior - seen["critic"]["assessment"]).max() < 1e-12


def test_reward_is_one_for_the_right_option_and_truth_is_charged():
    team = BatchedTeam(READING, SEATS, rounds=2)
    ids = READING.case_ids(Split.TEACHING, 0)[:100]
    truth = READING.seal().reveal(ids, "test")
    team.reset(ids)
    choose = 1 + READING.max_evidence + np.where(np.arange(100) < 50, truth, 1 - truth)
    choose[90:] = 0
    _, reward, terminated, truncated = team.step({"judge": choose})
    reward = reward["judge"]
    assert reward.tolist() == [1.0] * 50 + [0.0] * 50
    assert terminated.tolist() == [True] * 90 + [False] * 10 and not truncated.any()
    assert team.truth.spent == {"reward": 90}
    _, reward, terminated, truncated = team.step({"judge": np.zeros(100, dtype=np.int64)})
    assert not reward["judge"].any() and not terminated.any()
    assert truncated.tolist() == [False] * 90 + [True] * 10
    assert team.truth.spent == {"reward": 90} and team.done.all()


def test_an_option_that_does_not_exist_is_no_decision():
    team = BatchedTeam(CHESS, {"judge": "public"}, rounds=2)
    ids = np.flatnonzero(CHESS._n_options == 2)[:5]
    team.reset(ids)
    _, reward, terminated, _ = team.step({"judge": np.full(5, 1 + CHESS.max_evidence + 3)})
    assert not reward["judge"].any() and terminated.all() and (team.choice == -1).all()
    assert not team.truth.spent


def test_observations_cannot_be_written():
    team = BatchedTeam(READING, SEATS)
    for observation in team.reset(READING.case_ids(Split.TEACHING, 0)[:3]).values():
        assert not any(value.flags.writeable for value in observation.values())


def test_render_shows_case_and_disclosed_evidence_only():
    env = parallel_env(READING, SEATS, render_mode="ansi")
    env.reset(seed=3)
    before = env.render()
    env.step({"judge": 0, "expert": 2, "critic": 0})
    assert before.startswith("Who took") and "Fact" not in before
    assert env.render() == before + "\n" + READING.render_evidence(env.simulator.cases)[0][1]


@pytest.mark.parametrize(
    ("seats", "rounds", "message"),
    [
        ({"expert": "expert"}, 2, "no 'judge'"),
        ({"judge": "nobody"}, 2, "seats.judge='nobody' is no information group"),
        (SEATS, 0, "rounds=0"),
    ],
)
def test_impossible_teams(seats, rounds, message):
    with pytest.raises(ConfigError, match=message):
        BatchedTeam(READING, seats, rounds)


def test_bad_actions_and_empty_splits():
    team = BatchedTeam(READING, SEATS)
    team.reset(READING.case_ids(Split.TEACHING, 0)[:2])
    for actions in ({"cook": [0, 0]}, {"judge": [0]}, {"judge": [0, 99]}, {"expert": [0.5, 1]}):
        with pytest.raises(ConfigError):
            team.step(actions)
    with pytest.raises(ConfigError, match="no cases to draw from"):
        parallel_env(READING, SEATS, split=Split.TEST)
