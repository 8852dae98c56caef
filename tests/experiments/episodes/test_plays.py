"""What players make of an environment's game: exact numbers and published contrasts.

Means of sampled episodes are compared with exact values to within four standard errors, which a
right implementation misses once in 16 000 draws; seeds are fixed.
"""

import numpy as np
import pytest

from environments.advice.environment import Advice, AdviceConfig
from environments.advice.weight import error_ratio
from environments.base import SplitPlan
from environments.cases import Split
from environments.core.errors import ConfigError, UnknownNameError
from environments.dec_tiger.environment import DecTiger, DecTigerConfig
from environments.opinion_network.environment import OpinionNetwork, OpinionNetworkConfig
from environments.plan_explanation.environment import PlanExplanation, PlanExplanationConfig
from environments.preferences.environment import Preferences, PreferencesConfig
from experiments.episodes.advice import AdvisedJudge, AdvisedJudgeConfig
from experiments.episodes.explanation import ExplainedPlan, ExplainedPlanConfig
from experiments.episodes.opinions import Opinions, OpinionsConfig
from experiments.episodes.preferences import RewardLearner, RewardLearnerConfig
from experiments.episodes.tiger import TigerOptimum, TigerOptimumConfig, TigerPair, TigerPairConfig


def world(cls, config, n):
    """Return an environment and n of its teaching cases."""
    made = cls(config, SplitPlan({Split.TEACHING: n}))
    return made, made.case_ids(Split.TEACHING, 0)


def near(values, exact):
    """Say whether a sample's mean is within four standard errors of an exact value."""
    values = np.asarray(values, dtype=np.float64)
    return abs(values.mean() - exact) < 4 * values.std() / np.sqrt(len(values)) + 1e-9


# -- Dec-Tiger --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiger():
    return world(DecTiger, DecTigerConfig(), 20_000)


def pair(tiger, **settings):
    return TigerPair(TigerPairConfig(**settings)).episodes(*tiger, 0)


@pytest.mark.parametrize(("communication", "value"), [("silent", 5.190812), ("shared", 13.0155)])
def test_exact_policies_earn_the_published_optimum(tiger, communication, value):
    play = TigerOptimum(TigerOptimumConfig(communication=communication))
    assert near(play.episodes(*tiger, 0)["reward"], value)


def test_two_bayesians_who_open_at_nine_tenths_play_the_silent_optimum(tiger):
    optimum = TigerOptimum(TigerOptimumConfig()).episodes(*tiger, 0)
    alone = pair(tiger)
    assert (alone["reward"] == optimum["reward"]).all()


def test_a_complete_relay_and_a_complete_call_come_to_the_same(tiger):
    relay, call = pair(tiger, facilitator="relay"), pair(tiger, facilitator="call")
    assert (relay["reward"] == call["reward"]).all()
    assert not relay["apart"].any()
    assert (relay["messages"] == 4).all() and (call["messages"] == 6).all()


def test_where_hearings_get_lost_only_calling_the_move_helps(tiger):
    silent = pair(tiger)["reward"]
    relay = pair(tiger, facilitator="relay", reach=0.8)
    call = pair(tiger, facilitator="call", reach=0.8)
    assert relay["apart"].mean() > 0.2 and not call["apart"].any()
    gain = call["reward"] - relay["reward"]
    assert gain.mean() > 8 * gain.std() / np.sqrt(len(gain))
    assert relay["reward"].mean() - silent.mean() < 1 < call["reward"].mean() - silent.mean()


def test_nothing_that_reaches_is_as_good_as_nobody(tiger):
    deaf = pair(tiger, facilitator="relay", reach=0.0)
    assert (deaf["reward"] == pair(tiger)["reward"]).all()
    assert not deaf["messages"].any()


# -- opinion network --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return world(OpinionNetwork, OpinionNetworkConfig(n_members=12, degree=4), 200)


def opinions(network, **settings):
    return Opinions(OpinionsConfig(**settings)).episodes(*network, 0)


def test_degroot_ends_at_the_consensus(network):
    env, ids = network
    truth = np.where(env.seal().reveal(ids, "test") == 0, 1.0, -1.0)
    found = opinions(network, rounds=1000)
    reached = env.weights.consensus(env.impressions(ids))
    assert found["distance"] == pytest.approx(np.abs(reached - truth), abs=1e-9)
    assert found["right"] == pytest.approx((np.sign(reached) == truth).astype(float))
    assert found["spread"] == pytest.approx(0, abs=1e-9) and not found["moved"].any()


def test_friedkin_johnsen_ends_at_its_limit(network):
    env, ids = network
    truth = np.where(env.seal().reveal(ids, "test") == 0, 1.0, -1.0)
    found = opinions(network, rounds=500, susceptibility=0.8)
    limit = env.weights.friedkin_johnsen_limit(env.impressions(ids), np.full(12, 0.8))
    assert found["distance"] == pytest.approx(np.abs(limit - truth[:, None]).mean(axis=1))


def test_whoever_never_moves_gets_all_influence(network):
    """Golub & Jackson 2010: the stubborn own DeGroot's consensus, however few they are."""
    env, ids = network
    found = opinions(network, rounds=1000, dishonest=1)
    lie = -np.sign(env.impressions(ids).mean(axis=1)) * 3.0
    truth = np.where(env.seal().reveal(ids, "test") == 0, 1.0, -1.0)
    assert found["distance"] == pytest.approx(np.abs(lie - truth), abs=1e-6)


def test_what_holds_liars_back(network):
    plain = opinions(network, dishonest=2)
    for helped in (
        {"susceptibility": 0.8},
        {"trim": 2},
        {"facilitator": 0.5, "announces": "first"},
    ):
        found = opinions(network, dishonest=2, **helped)
        assert found["right"].mean() > plain["right"].mean() + 0.3
        assert found["moved"].mean() < plain["moved"].mean() / 2


def test_resilient_listeners_stay_within_the_honest_range():
    """W-MSR's guarantee where everybody hears everybody: F liars cannot pull beyond the honest."""
    config = OpinionNetworkConfig(n_members=8, topology="complete", signal=1.0)
    env, ids = world(OpinionNetwork, config, 100)
    play = Opinions(OpinionsConfig(dishonest=2, trim=2, push=10.0))
    last, _ = play._played(env, ids, lying=True)
    honest = env.impressions(ids)[:, 2:]
    assert (last <= honest.max(axis=1, keepdims=True) + 1e-9).all()
    assert (last >= honest.min(axis=1, keepdims=True) - 1e-9).all()


# -- advice -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def advice():
    return world(Advice, AdviceConfig(n_advisors=1), 20_000)


@pytest.mark.parametrize(
    ("judge", "weight", "ratio"),
    [
        ("rational", 0.0, 1.0),
        ("typical_person", 0.39, 0.5242),
        ("optimum", 0.5, 0.5),
        ("over_truster", 0.8, 0.68),
        ("under_truster", 0.1, 0.82),
    ],
)
def test_what_a_weight_of_advice_is_worth(advice, judge, weight, ratio):
    found = AdvisedJudge(AdvisedJudgeConfig(judge=judge)).episodes(*advice, 0)
    assert error_ratio(weight, 60, 60) == pytest.approx(ratio)
    assert found["woa"] == pytest.approx(weight)
    assert near(found["error_ratio"], ratio)


def test_the_informed_judge_reaches_the_full_information_references(advice):
    found = AdvisedJudge(AdvisedJudgeConfig(judge="informed")).episodes(*advice, 0)
    known = advice[0].reference_values()
    assert near(found["error_ratio"], known["error_ratio_full_information"].value)
    assert near(found["right"], known["full_information"].value)


def test_the_best_weight_of_the_mean_of_several_advisors():
    env, ids = world(Advice, AdviceConfig(n_advisors=3), 2_000)
    found = AdvisedJudge(AdvisedJudgeConfig(judge="optimum")).episodes(env, ids, 0)
    assert found["woa"] == pytest.approx(0.75)
    assert near(found["error_ratio"], env.reference_values()["error_pooled"].value / 60**2)


# -- preferences ------------------------------------------------------------------------------


def learned(n=300, **settings):
    env, ids = world(Preferences, PreferencesConfig(), n)
    return RewardLearner(RewardLearnerConfig(**settings)).episodes(env, ids, 0), env


def test_answers_at_random_teach_nothing():
    found, env = learned(beta=0.0)
    assert near(found["regret"], env.reference_values()["regret_untaught"].value)
    assert near(found["alignment"], 0.0) and near(found["labels_right"], 0.5)


def test_the_reward_is_recovered_from_many_answers():
    found, _ = learned(n=50, queries=400)
    assert found["alignment"].mean() > 0.97 and found["regret"].mean() < 0.02


def test_mistakes_and_vagueness_cost_the_principal():
    regret = [
        learned(beta=beta, mistake=mistake)[0]["regret"].mean()
        for beta, mistake in ((1.0, 0.0), (1.0, 0.1), (1.0, 0.3))
    ]
    assert regret == sorted(regret)
    assert learned(beta=0.3)[0]["regret"].mean() > regret[0]


# -- plan explanation -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plans():
    return world(PlanExplanation, PlanExplanationConfig(), 600)


def explained(plans, **settings):
    return ExplainedPlan(ExplainedPlanConfig(**settings)).episodes(*plans, 0)


def test_every_explanation_brings_agreement_and_only_monotonic_ones_last(plans):
    found = {kind: explained(plans, kind=kind) for kind in ("mce", "mme", "mpe")}
    assert all(one["agrees"].all() for one in found.values())
    assert found["mme"]["agrees_later"].all() and found["mpe"]["agrees_later"].all()
    assert not found["mce"]["agrees_later"].all()
    sizes = [found[kind]["updates"] for kind in ("mce", "mme", "mpe")]
    assert (sizes[0] <= sizes[1]).all() and (sizes[1] <= sizes[2]).all()
    known = plans[0].reference_values()
    for kind, one in found.items():
        assert near(one["updates"], known[f"size_{kind}"].value)


def test_untold_humans_agree_as_often_as_their_own_model_allows(plans):
    found = explained(plans, kind="none")
    assert near(found["agrees"], plans[0].reference_values()["human_model"].value)
    assert not found["cost"].any()


def test_the_best_order_costs_no_more_than_the_listed_one(plans):
    listed, best = (explained(plans, release=way) for way in ("listed", "progressive"))
    assert (best["cost"] <= listed["cost"]).all() and best["cost"].sum() < listed["cost"].sum()
    assert (best["updates"] == listed["updates"]).all() and listed["load"].max() == 1


def test_an_online_explanation_is_no_larger_and_spreads_the_load(plans):
    once, online = explained(plans), explained(plans, release="online")
    assert online["agrees"].all() and (online["updates"] == once["updates"]).all()
    assert online["load"].sum() < once["load"].sum()


# -- all --------------------------------------------------------------------------------------


def test_results_do_not_depend_on_the_batch(tiger, network, advice, plans):
    plays = (
        (TigerPair(TigerPairConfig(facilitator="relay", reach=0.5)), tiger),
        (Opinions(OpinionsConfig(dishonest=2, trim=1)), network),
        (AdvisedJudge(AdvisedJudgeConfig()), advice),
        (ExplainedPlan(ExplainedPlanConfig()), plans),
    )
    for play, (env, ids) in plays:
        whole, part = play.episodes(env, ids[:60], 1), play.episodes(env, ids[40:60], 1)
        for measure in play.measures:
            assert np.array_equal(whole[measure.name][40:], part[measure.name], equal_nan=True)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: TigerPair(TigerPairConfig(reach=1.2)), "play.reach: given 1.2"),
        (lambda: TigerPair(TigerPairConfig(facilitator="x")), "allowed: nobody, relay, call"),
        (lambda: TigerOptimum(TigerOptimumConfig(communication="x")), "allowed: silent, shared"),
        (lambda: Opinions(OpinionsConfig(announces="x")), "allowed: present, first"),
        (lambda: Opinions(OpinionsConfig(rounds=0)), "play.rounds: given 0"),
        (lambda: RewardLearner(RewardLearnerConfig(mistake=0.6)), "play.mistake: given 0.6"),
        (lambda: ExplainedPlan(ExplainedPlanConfig(kind="x")), "allowed: none, mce, mme, mpe"),
        (lambda: ExplainedPlan(ExplainedPlanConfig(kind="mme", release="online")), "minimally"),
        (lambda: AdvisedJudge(AdvisedJudgeConfig(judge="typical")), "did you mean"),
    ],
)
def test_settings_out_of_range_are_refused(make, told):
    with pytest.raises((ConfigError, UnknownNameError)) as refused:
        make()
    assert told in str(refused.value)


def test_more_liars_than_members_are_refused(network):
    with pytest.raises(ConfigError, match=r"play.dishonest: given 12, opinions allows 0 to 11"):
        opinions(network, dishonest=12)
