"""Team protocols with numeric members on the jury and on hidden profiles: exact numbers."""

from dataclasses import replace

import numpy as np
import pytest

from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.discussant import Discussant, DiscussantConfig
from agents.policies.facilitator import Facilitator, FacilitatorConfig
from coordination.messages import MessageKind
from coordination.protocols.deliberation import Deliberation, DeliberationConfig
from coordination.protocols.mediated import Mediated, MediatedConfig
from coordination.protocols.vote import Vote, VoteConfig
from coordination.protocols.weighted_vote import WeightedVote, WeightedVoteConfig
from environments.base import SplitPlan
from environments.cases import Split
from environments.hidden_profile.environment import HiddenProfile, HiddenProfileConfig
from environments.jury.environment import Jury, JuryConfig
from tests.agents.policies.teams import RULES, accuracy, hold, shared_items

BAYES = Bayesian(BayesianConfig(), 0)
PANEL = [0.9, 0.9, 0.6, 0.6, 0.6]
WORLD = HiddenProfile(HiddenProfileConfig(), SplitPlan({Split.TEACHING: 10}))
FOUR = tuple(f"member_{i + 1}" for i in range(4))
IDS = np.arange(400)


def jury(n, accuracy, cases):
    world = Jury(JuryConfig(n_members=n, accuracy=accuracy), SplitPlan({Split.TEACHING: 1}))
    return world, np.arange(cases), tuple(f"member_{i + 1}" for i in range(n))


@pytest.mark.parametrize(("n", "exact"), [(3, 0.648), (5, 0.68256), (11, 0.7535), (25, 0.8462)])
def test_condorcet_by_vote(n, exact):
    world, ids, seats = jury(n, [0.6], 20_000 if n < 25 else 8000)
    room = hold(Vote(VoteConfig()), world, ids, BAYES, seats)
    signals = world.deal(ids).evidence.llr.argmax(axis=2)
    np.testing.assert_array_equal(
        room.verdict("team").choice, (signals.sum(axis=1) * 2 > n).astype(int)
    )
    # 4.5 standard errors of independent juries
    assert abs(accuracy(room, world) - exact) < 4.5 * np.sqrt(exact * (1 - exact) / len(ids))


def test_nitzan_and_paroush_by_weighted_vote():
    world, ids, seats = jury(5, PANEL, 20_000)
    known = hold(WeightedVote(WeightedVoteConfig(accuracy=PANEL)), world, ids, BAYES, seats)
    majority = hold(Vote(VoteConfig()), world, ids, BAYES, seats)
    found = {
        0.92664: accuracy(known, world),
        0.87696: accuracy(majority, world),
        0.9: accuracy(known, world, "member_1"),
    }
    for exact, got in found.items():
        # 4.5 standard errors of 20 000 independent juries
        assert abs(got - exact) < 4.5 * np.sqrt(exact * (1 - exact) / len(ids))
    stated = hold(WeightedVote(WeightedVoteConfig()), world, ids, BAYES, seats)
    product = hold(Vote(VoteConfig(rule="product")), world, ids, BAYES, seats)
    full = np.exp(world.assess(world.deal(ids), "source", ids))
    for room in (known, stated, product):
        np.testing.assert_array_equal(room.verdict("team").choice, full.argmax(axis=1))
        np.testing.assert_allclose(room.verdict("team").probs, full, atol=1e-9)


# -- hidden profiles ------------------------------------------------------------------------------

TALKATIVE = DiscussantConfig(recall=1.0, repetition=0.0, asked_recall=1.0, asked_repetition=0.0)
"""Says all it holds, one item after the other, nothing twice."""


def mediated(member, rounds, facilitator=None, **config):
    protocol = Mediated(MediatedConfig(rounds=rounds, **config))
    guide = facilitator or Facilitator(FacilitatorConfig(), 0)
    return hold(protocol, WORLD, IDS, member, FOUR, facilitator=guide)


def test_full_pooling_is_the_full_information_answer():
    """Six shared and twelve unshared facts: nobody has more than nine to say."""
    room = mediated(Discussant(TALKATIVE, 0), rounds=9, questions=False, summary=False)
    assert (shared_items(room, WORLD)["mentions"] > 0).all()
    assert accuracy(room, WORLD) == 1.0
    cases = WORLD.deal(IDS)
    full = np.exp(WORLD.assess(cases, "source", IDS))
    for seat in FOUR:
        np.testing.assert_allclose(room.verdict(seat).probs, full, atol=1e-12)


def test_who_agrees_at_once_says_nothing():
    """Everybody alone prefers the decoy, so deliberation ends before any fact is exchanged."""
    protocol = Deliberation(DeliberationConfig(rounds=9))
    room = hold(protocol, WORLD, IDS, Discussant(TALKATIVE, 0), FOUR)
    assert room.record()["messages"].n == 0 and accuracy(room, WORLD) == 0.0


def test_deliberation_pools_what_a_torn_jury_knows():
    world, ids, seats = jury(5, PANEL, 2000)
    protocol = Deliberation(DeliberationConfig(rounds=1))
    room = hold(protocol, world, ids, Discussant(TALKATIVE, 0), seats)
    signals = world.deal(ids).evidence.llr.argmax(axis=2)
    torn = (signals != signals[:, :1]).any(axis=1)
    np.testing.assert_array_equal(room.turn, np.where(torn, 4, 2))
    full = world.assess(world.deal(ids), "source", ids).argmax(axis=1)
    np.testing.assert_array_equal(room.verdict("team").choice, full)


def test_split_facts_are_worse_than_full_information():
    config = DiscussantConfig(recall=0.4)
    full = HiddenProfile(HiddenProfileConfig(information="full"), SplitPlan({Split.TEACHING: 1}))
    protocol = Mediated(MediatedConfig(rounds=2, questions=False, summary=False))
    guide = Facilitator(FacilitatorConfig(), 0)
    got = {
        name: accuracy(
            hold(protocol, world, IDS, Discussant(config, 0), FOUR, facilitator=guide), world
        )
        for name, world in (("split", WORLD), ("full", full))
    }
    assert got["full"] == 1.0
    assert got["split"] < 0.6  # the decoy wins most teams; 1 without the split, on the same cases


def test_a_vote_without_words_is_the_no_communication_reference():
    room = hold(Vote(VoteConfig()), WORLD, IDS, BAYES, FOUR)
    assert accuracy(room, WORLD) == WORLD.reference_values()["no_communication"].value == 0.0


def test_sharing_may_rise_without_changing_a_decision():
    """Anchored members hear more because of the facilitator, and decide as before."""
    config = DiscussantConfig(recall=0.4, asked_recall=1.0, asked_repetition=0.0, anchoring=1.0)
    member = Discussant(config, 0)
    silent, asking = (mediated(member, 4, questions=q, summary=False) for q in (False, True))
    shared = [(shared_items(room, WORLD)["mentions"] > 0).mean() for room in (silent, asking)]
    assert shared[1] > shared[0] + 0.1
    np.testing.assert_array_equal(silent.verdict("team").choice, asking.verdict("team").choice)
    free = Discussant(DiscussantConfig(**{**vars(config), "anchoring": 0.0}), 0)
    moved = mediated(free, 4, summary=False)
    assert accuracy(moved, WORLD) > accuracy(asking, WORLD)


# -- members ---------------------------------------------------------------------------------------


def test_shared_facts_come_up_more():
    """All recalled facts are said at once: P = 1 - (1 - p)^n, .870 for four holders, .4 for one."""
    member = Discussant(DiscussantConfig(recall=0.4, items=18), 0)
    protocol = Mediated(MediatedConfig(rounds=1, questions=False, summary=False))
    ids = np.arange(3000)
    guide = Facilitator(FacilitatorConfig(), 0)
    wide = replace(RULES, max_quotes=18)
    room = hold(protocol, WORLD, ids, member, FOUR, wide, facilitator=guide)
    said = shared_items(room, WORLD)["mentions"] > 0
    holders = WORLD.deal(ids).evidence.held[:, :, 1:5].sum(axis=2)
    for n, exact in ((4, 0.8704), (1, 0.4)):
        hits = said[holders == n]
        assert abs(hits.mean() - exact) < 4.5 * np.sqrt(exact * (1 - exact) / hits.size)


def test_repetition_and_advocacy_choose_what_is_said():
    def mentions(**config):
        member = Discussant(DiscussantConfig(recall=1.0, **config), 0)
        room = mediated(member, 3, questions=False, summary=False)
        return shared_items(room, WORLD)["mentions"]

    repeated, new = mentions(repetition=50.0), mentions(repetition=0.0)
    assert (repeated > 0).sum() < 0.7 * (new > 0).sum()
    assert ((new > 0).sum(axis=1) >= 3).all()
    llr = WORLD.deal(IDS).evidence.llr
    own = hold(Vote(VoteConfig()), WORLD, IDS, BAYES, FOUR).verdict("member_1").choice
    supports = np.take_along_axis(llr, own[:, None, None], axis=2)[:, :, 0] >= llr.max(axis=2)
    partial, even = mentions(advocacy=20.0), mentions()
    assert partial[supports].sum() / partial.sum() > even[supports].sum() / even.sum() + 0.05


def test_a_summary_repeats_what_was_said_last_and_takes_no_side():
    room = mediated(Discussant(TALKATIVE, 0), rounds=3)
    messages = room.record()["messages"]
    last = messages.take(messages["kind"] == MessageKind.EXPLANATION)
    assert (last["quotes"] >= 0).all(), "four items"
    assert (last["stance"] == -1).all() and np.isnan(last["stated"]).all()
    assert not last["verified"].any(), "hearsay is never marked"
    spoken = messages.take((messages["turn"] == 4) & (messages["kind"] == MessageKind.ARGUMENT))
    for room_id in room.room_id[:20].tolist():
        recent = spoken["quotes"][spoken["room_id"] == room_id]
        told = last["quotes"][last["room_id"] == room_id]
        assert set(recent[recent >= 0].tolist()) <= set(told.ravel().tolist())
    advising = Facilitator(FacilitatorConfig(opinion=True), 0)
    told = mediated(Discussant(TALKATIVE, 0), 9, advising, questions=False).stated("facilitator")
    full = np.exp(WORLD.assess(WORLD.deal(IDS), "source", IDS))
    np.testing.assert_allclose(told, full, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discussant(DiscussantConfig(recall=1.2), 0), "discussant.recall: 1.2"),
        (lambda: Discussant(DiscussantConfig(repetition=-1.0), 0), "discussant.repetition"),
        (lambda: Discussant(DiscussantConfig(items=0), 0), "discussant.items: 0"),
        (lambda: Facilitator(FacilitatorConfig(items=-1), 0), "facilitator.items: -1"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()
