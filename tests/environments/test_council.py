"""Councils: PettingZoo's own tests, and one implementation for one case or thousands."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.council import Council, parallel_env
from environments.hidden_profile.environment import HiddenProfile, HiddenProfileConfig
from environments.jury.environment import Jury, JuryConfig
from environments.reading.world import Reading, ReadingConfig

PLAN = SplitPlan({Split.TEACHING: 4096})
PROFILE = HiddenProfile(HiddenProfileConfig(), PLAN)
JURY = Jury(JuryConfig(accuracy=[0.9, 0.9, 0.6, 0.6, 0.6], rule="weighted", prior=0.6), PLAN)
MAKERS = [lambda: PROFILE.council(2), lambda: JURY.council(), lambda: JURY.council(1)]
IDS = PROFILE.case_ids(Split.TEACHING, 0)


@pytest.mark.parametrize("make", MAKERS, ids=["hidden_profile", "jury", "talking_jury"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_pettingzoo_accepts_it(make):
    parallel_api_test(parallel_env(make()), num_cycles=60)
    parallel_seed_test(lambda: parallel_env(make()), num_cycles=30)


@pytest.mark.parametrize("make", MAKERS, ids=["hidden_profile", "jury", "talking_jury"])
def test_thousands_at_once_equal_one_at_a_time(make):
    council = make()
    ids = council.environment.case_ids(Split.TEACHING, 0)
    observed, played, outcomes = [council.reset(ids)], [], []
    for turn in range(council.horizon):
        played.append(
            {
                seat: Keyed(1, seat).integers(council.action_space(seat).n, ids, turn)
                for seat in council.seats
            }
        )
        observation, *outcome = council.step(played[-1])
        observed.append(observation)
        outcomes.append(outcome)
    env = parallel_env(make())
    for row in range(0, len(ids), 211):
        observation, _ = env.reset(options={"case_id": ids[row]})
        for turn, (rewards, terminated, truncated) in enumerate(outcomes):
            _same(observation, observed[turn], row)
            actions = {seat: played[turn][seat][row] for seat in council.seats}
            observation, reward, ended, cut, _ = env.step(actions)
            assert reward == {seat: rewards[seat][row] for seat in council.seats}
            assert set(ended.values()) == {terminated[row]} and set(cut.values()) == {False}
            assert not truncated.any()
        _same(observation, observed[-1], row)
        assert not env.agents


def _same(one, many, row):
    for seat, observation in one.items():
        for name, value in observation.items():
            assert np.array_equal(value, many[seat][name][row])


def test_disclosing_shows_own_items_to_all_and_nothing_else():
    council = PROFILE.council(2)
    seen = council.reset(IDS[:1])
    held = {seat: seen[seat]["held"][0].astype(bool) for seat in council.seats}
    mine = int(np.flatnonzero(held["member_1"] & ~held["member_2"])[0])
    assert not seen["member_2"]["llr"][0, mine].any()
    seen, reward, ended, _ = council.step(
        {"member_1": np.array([1 + mine]), "member_2": np.array([1 + mine])}
    )
    assert np.flatnonzero(council.disclosed[0]).tolist() == [mine]
    assert np.array_equal(seen["member_2"]["llr"][0, mine], seen["member_1"]["llr"][0, mine])
    assert not reward["member_1"].any() and not ended.any()
    other = int(np.flatnonzero(held["member_1"] & ~held["member_2"])[1])
    council.step({"member_2": np.array([1 + other])})  # member 2 does not hold it
    assert np.flatnonzero(council.disclosed[0]).tolist() == [mine]


def test_the_majority_decides_and_every_decision_spends_one_truth():
    council = PROFILE.council(1)
    n, first = 100, 1 + PROFILE.max_evidence
    truth = PROFILE.seal().reveal(IDS[:n], "test")
    council.reset(IDS[:n])
    vote = {seat: np.full(n, first) + truth for seat in council.seats}
    council.step(vote)  # votes before the voting round do nothing
    assert (council.choice == -1).all() and not council.truth.spent
    vote["member_1"] = first + (truth + 1) % 3
    vote["member_2"] = np.where(np.arange(n) < 50, vote["member_2"], 0)
    vote["member_3"] = np.where(np.arange(n) < 90, vote["member_3"], 0)
    vote = {seat: np.where(np.arange(n) < 95, action, 0) for seat, action in vote.items()}
    _, reward, ended, _ = council.step(vote)
    assert ended.all() and len({tuple(r) for r in reward.values()}) == 1
    assert reward["member_4"][:90].all() and not reward["member_4"][95:].any()
    assert (council.choice[95:] == -1).all()
    assert council.truth.spent == {"reward": 95}
    with pytest.raises(ConfigError, match="ended after 2 rounds; call reset"):
        council.step(vote)


def test_a_team_that_discloses_everything_and_adds_up_is_always_right():
    council = PROFILE.council(PROFILE.max_evidence)
    seen = council.reset(IDS)
    for item in range(PROFILE.max_evidence):
        seen, *_ = council.step({s: np.full(len(IDS), 1 + item) for s in council.seats})
    total = seen["member_1"]["llr"].sum(axis=1)
    votes = 1 + PROFILE.max_evidence + total.argmax(axis=1)
    _, reward, _, _ = council.step({"member_1": votes})
    assert reward["member_1"].mean() == 1.0


def test_observations_cannot_be_written_and_are_in_their_spaces():
    council = JURY.council()
    for seat, observation in council.reset(IDS[:1]).items():
        assert not any(value.flags.writeable for value in observation.values())
        row = {name: value[0] for name, value in observation.items()}
        assert council.observation_space(seat).contains(row)


def test_render_shows_case_and_disclosed_facts_only():
    env = parallel_env(PROFILE.council(1), render_mode="ansi")
    observation, _ = env.reset(seed=3)
    before = env.render()
    item = int(np.flatnonzero(observation["member_2"]["held"])[0])
    env.step({"member_2": 1 + item})
    assert before.startswith("Who should lead") and "Fact" not in before
    assert env.render().startswith(before + f"\nFact {item + 1}: ")
    assert parallel_env(PROFILE.council(1)).render() is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Council(PROFILE, -1), "rounds=-1; 0 or more"),
        (lambda: Council(JURY, 0, np.ones(3)), r"weights has shape \(3,\)"),
        (lambda: parallel_env(JURY.council(), Split.TEST), "no cases to draw from"),
    ],
)
def test_impossible_councils(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_any_environment_with_member_groups_makes_a_council():
    reading = Reading(ReadingConfig(), PLAN)
    assert Council(reading, 1).seats == ("expert",)


def test_bad_actions_are_refused():
    council = JURY.council()
    council.reset(IDS[:2])
    for actions in ({"cook": [0, 0]}, {"member_1": [0]}, {"member_1": [0, 3]}):
        with pytest.raises(ConfigError):
            council.step(actions)
