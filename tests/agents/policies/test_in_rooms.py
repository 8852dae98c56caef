"""Policies in real rooms: what comes out of a whole conversation."""

from dataclasses import dataclass

import numpy as np
import pytest

from agents.human_proxy.policy import HumanProxy
from agents.human_proxy.presets import HumanProxyConfig
from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.expert import Expert, ExpertConfig
from agents.policies.scripted import Scripted, ScriptedConfig
from coordination.cohort import Answers, Asks, Cohort
from coordination.protocols.consultancy import Consultancy
from coordination.protocols.debate import Debate
from coordination.room import RoomRules
from coordination.toy import ToyWorld, toy_room

N = 600
RULES = RoomRules(
    topology="complete", verification=True, word_limit=150, max_quotes=4, both_orders=True
)


@dataclass
class Ready:
    answers: Answers

    def result(self) -> Answers:
        return self.answers


class Seated:
    """A crew with one policy per seat."""

    def __init__(self, **policies: Cohort) -> None:
        self.policies = policies

    def reads_text(self, agent_id) -> bool:
        return False

    def ask(self, asks: Asks) -> Ready:
        policy = self.policies[asks.seat]
        return Ready(policy.answer(asks, policy.initial_minds(asks.agent_id)))


def verdict(protocol, rules=RULES, n=N, **policies):
    room = toy_room(protocol.seats, np.arange(n), Seated(**policies), rules)
    protocol.converse(room)
    return room.verdict("judge"), room


def experts(**settings) -> dict[str, Expert]:
    return {s: Expert(ExpertConfig(**settings), 1) for s in ("proponent", "opponent")}


def full_posterior(n=N):
    world = ToyWorld()
    return world.full_posterior(world.deal(np.arange(n)))


def test_a_long_debate_reveals_all_that_helps_either_side_of_two_options():
    judge = Bayesian(BayesianConfig(), 1)
    got, _ = verdict(Debate(Debate.Config(rounds=4)), judge=judge, **experts())
    two = ToyWorld().deal(np.arange(N)).n_options == 2
    assert two.any()
    assert np.allclose(got.probs[two], full_posterior()[two], atol=1e-12)
    assert (got.fault == 0).all()


def test_the_rational_person_gives_the_bayesian_verdict_in_a_room():
    debate = Debate(Debate.Config(rounds=2))
    one, _ = verdict(debate, judge=Bayesian(BayesianConfig(), 1), **experts())
    person = HumanProxy(HumanProxyConfig(preset="rational"), 1)
    two, _ = verdict(debate, judge=person, **experts())
    assert np.array_equal(one.probs, two.probs) and np.array_equal(one.choice, two.choice)


def test_verified_forgeries_do_not_exist_and_unmarked_ones_work_only_without_verification():
    debate = Debate(Debate.Config(rounds=1))
    liars = experts(honesty=1.0, fabrication=1.0, quotes_per_message=1)
    judge = Bayesian(BayesianConfig(), 1)
    clean, _ = verdict(debate, judge=judge, **experts(quotes_per_message=1))
    marked, _ = verdict(debate, judge=judge, **liars)
    assert np.array_equal(clean.probs, marked.probs)
    open_rules = RoomRules(
        topology="complete", verification=False, word_limit=150, max_quotes=4, both_orders=True
    )
    unmarked, _ = verdict(debate, open_rules, judge=judge, **liars)
    assert (np.abs(unmarked.probs - clean.probs).max(axis=1) > 0.05).mean() > 0.5


def test_collusion_hurts_the_judge():
    debate = Debate(Debate.Config(rounds=2))
    truth = full_posterior(3 * N).argmax(axis=1)
    judge = Bayesian(BayesianConfig(), 1)
    fair, _ = verdict(debate, n=3 * N, judge=judge, **experts())
    thrown, _ = verdict(debate, n=3 * N, judge=judge, **experts(collude=True))
    assert (thrown.choice == truth).mean() < (fair.choice == truth).mean() - 0.1


def test_a_credulous_judge_rules_as_its_assigned_consultant_argues():
    consultancy = Consultancy(Consultancy.Config())
    policies = {
        "consultant": Expert(ExpertConfig(), 1),
        "judge": Scripted(ScriptedConfig(script="credulous"), 1),
    }
    n = 4000
    got, room = verdict(consultancy, n=n, **policies)
    messages = room.record()["messages"]
    argued = messages.take(messages["sender"] == room.seats.index("consultant"))
    stance = dict(zip(argued["room_id"].tolist(), argued["stance"].tolist(), strict=True))
    assert [stance[r] for r in got.room_id.tolist()] == got.choice.tolist()
    two = ToyWorld().deal(np.arange(n)).n_options == 2
    right = (got.choice == full_posterior(n).argmax(axis=1))[two]
    assert right.mean() == pytest.approx(0.5, abs=0.05)


def test_a_flat_random_judge_decides_in_both_orders():
    got, _ = verdict(
        Debate(Debate.Config(rounds=1)),
        judge=Scripted(ScriptedConfig(script="random_judge"), 1),
        **experts(),
    )
    assert (got.choice >= 0).all()
