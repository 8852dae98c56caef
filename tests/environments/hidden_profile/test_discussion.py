"""Discussions: biased sampling, airtime, repetition, anchored preferences."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.errors import ConfigError
from environments.hidden_profile.discussion import Discussion, discuss, mention_probability
from environments.hidden_profile.environment import HiddenProfile, HiddenProfileConfig
from environments.jury.environment import Jury, JuryConfig

N = 5_000
PLAN = SplitPlan({Split.TEST: N})
WORLD = HiddenProfile(HiddenProfileConfig(misjudgement=1.0), PLAN)
FULL = HiddenProfile(HiddenProfileConfig(misjudgement=1.0, information="full"), PLAN)
EXACT = HiddenProfile(HiddenProfileConfig(), PLAN)
IDS = WORLD.case_ids(Split.TEST, 0)
CASES = WORLD.deal(IDS)
TRUTH = WORLD.seal().reveal(IDS, "test")
HOLDERS = CASES.evidence.held[:, :, 1:-1].sum(axis=2)
TALK = Discussion(rounds=1, recall=0.4)
ERROR = 4.5 * 0.5 / np.sqrt(N)


def _accuracy(how, world=WORLD, seed=1):
    return float((discuss(world, world.deal(IDS), how, seed).choice == TRUTH).mean())


def test_mention_probability_to_the_printed_digits():
    assert f"{mention_probability(0.4, 4):.3f}" == "0.870"
    assert f"{mention_probability(0.4, 1):.3f}" == "0.400"
    assert mention_probability([0, 1], 3).tolist() == [0, 1]


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 1), st.integers(1, 4))
def test_mentions_follow_the_formula_over_rounds(recall, rounds):
    """Unmentioned facts get a fresh chance each round: holders speak n * rounds times."""
    said = discuss(EXACT, CASES, Discussion(rounds=rounds, recall=recall), seed=2).mentioned
    for n in (1, 4):
        expected = float(mention_probability(recall, n * rounds))
        at = np.equal(HOLDERS, n)
        allowed = 4.5 * np.sqrt(max(expected * (1 - expected), 1e-9) / at.sum())
        assert abs(said[at].mean() - expected) <= allowed


def test_full_pooling_is_the_full_information_answer():
    assert _accuracy(Discussion(recall=1.0), EXACT) == 1.0
    everything = discuss(EXACT, CASES, Discussion(recall=1.0), 1)
    assert everything.mentioned.all() and (everything.votes == TRUTH[:, None]).all()


def test_without_a_word_every_team_takes_the_decoy():
    silent = discuss(EXACT, CASES, Discussion(rounds=0), 1)
    assert not silent.mentioned.any() and np.array_equal(silent.before, silent.votes)
    assert not (silent.choice == TRUTH).any()


def test_split_facts_do_worse_than_full_information_and_the_decoy_wins():
    """The direction of 83 % right with full information against 71 % for the decoy with split."""
    assert _accuracy(TALK, FULL) > _accuracy(TALK) + ERROR
    decoy = EXACT.assess(CASES, "member_1", np.zeros(N, dtype=np.int64)).argmax(axis=1)
    assert (discuss(WORLD, CASES, TALK, 1).choice == decoy).mean() > 0.5 + ERROR


def test_more_sharing_helps_open_minds():
    values = [_accuracy(replace(TALK, recall=p)) for p in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.3


def test_more_sharing_need_not_change_decisions_under_anchored_preferences():
    little, much = (
        discuss(WORLD, CASES, Discussion(recall=p, rounds=r, anchoring=1.0), 1)
        for p, r in ((0.2, 1), (0.9, 4))
    )
    assert much.mentioned.mean() > little.mentioned.mean() + 0.3
    assert np.array_equal(little.choice, much.choice)
    assert np.array_equal(little.before, little.votes)
    gains = [_accuracy(replace(TALK, recall=0.9, anchoring=a)) for a in (1.0, 0.8, 0.4, 0.0)]
    assert gains == sorted(gains) and gains[-1] > gains[0] + 0.2


def test_airtime_is_a_limit_and_repetition_wastes_it():
    how = Discussion(rounds=6, recall=0.5, airtime=2)
    fair = discuss(WORLD, CASES, how, 1)
    assert (fair.mentions.sum(axis=1) <= 12).all() and fair.mentions.sum(axis=1).mean() > 11.9
    eager = discuss(WORLD, CASES, replace(how, repetition=5.0), 1)
    assert eager.mentions.sum(axis=1).mean() == pytest.approx(12, abs=0.1)
    unshared = HOLDERS == 1
    assert eager.mentioned[unshared].mean() < fair.mentioned[unshared].mean() - 0.05
    repeats = [(out.mentions - out.mentioned).sum() for out in (fair, eager)]
    assert repeats[1] > 1.2 * repeats[0]


def test_scarce_airtime_goes_to_shared_facts():
    out = discuss(WORLD, CASES, Discussion(rounds=1, recall=0.4, airtime=3), 1)
    assert out.mentioned[HOLDERS == 4].mean() > 2 * out.mentioned[HOLDERS == 1].mean()


def test_a_discussion_does_not_depend_on_the_batch():
    how = Discussion(rounds=3, airtime=2, repetition=2.0, anchoring=0.5)
    whole = discuss(WORLD, CASES, how, 7)
    rows = np.arange(0, N, 97)[::-1]
    part = discuss(WORLD, CASES.take(rows), how, 7)
    for name in ("mentions", "before", "votes", "choice"):
        assert np.array_equal(getattr(whole, name)[rows], getattr(part, name))
        assert not getattr(whole, name).flags.writeable
    other = discuss(WORLD, CASES, how, 8)
    assert not np.array_equal(whole.mentions, other.mentions)


def test_juries_can_talk_too():
    jury = Jury(JuryConfig(n_members=5), PLAN)
    ids = jury.case_ids(Split.TEST, 0)
    out = discuss(jury, jury.deal(ids), Discussion(recall=1.0), 1)
    assert (out.votes == out.votes[:, :1]).all()  # all know all signals


@pytest.mark.parametrize(
    ("field", "value"),
    [("rounds", -1), ("recall", 1.1), ("airtime", -1), ("repetition", 0.0), ("anchoring", 2.0)],
)
def test_a_bad_field_is_named(field, value):
    with pytest.raises(ConfigError, match=f"discussion.{field}={value}"):
        Discussion(**{field: value})
