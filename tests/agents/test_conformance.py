"""The checker passes our policies, and catches each way of breaking the contract."""

from dataclasses import replace

import numpy as np
import pytest

from agents import POLICIES
from agents.conformance import check_policy, example_asks, require_conformance
from agents.human_proxy.policy import HumanProxy
from agents.human_proxy.presets import PRESETS, HumanProxyConfig
from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.best_response import (
    BestResponse,
    BestResponseConfig,
    Strategic,
    StrategicConfig,
)
from agents.policies.expert import Expert, ExpertConfig
from agents.policies.sceptical import Sceptical, ScepticalConfig
from agents.policies.scripted import SCRIPTS, Scripted, ScriptedConfig
from environments.core.columns import Columns
from environments.core.errors import ConformanceError


def biased_person() -> HumanProxy:
    config = HumanProxyConfig(preset="over_truster")
    config.perceive.lapse, config.remember.span = 0.3, 2
    config.update.contrary_weight, config.choose.position_bias = 0.4, 0.7
    return HumanProxy(config, 3)


OURS = [
    Bayesian(BayesianConfig(unverified_weight=0.3), 0),
    Expert(ExpertConfig(honesty=0.5, fabrication=0.5), 0),
    Sceptical(ScepticalConfig(unverified_weight=0.3), 0),
    Expert(ExpertConfig(honesty=0.5, variety=1.0), 0),
    BestResponse(BestResponseConfig(honesty=0.5, judge="sceptical", quotes_per_message=1), 0),
    Strategic(StrategicConfig(honesty=0.5, exact_up_to=1, beam=2, quotes_per_message=2), 0),
    Expert(ExpertConfig(strategy="candid", collude=True, quotes_per_message=9), 0),
    *(Scripted(ScriptedConfig(script=s), 0) for s in SCRIPTS),
    *(HumanProxy(HumanProxyConfig(preset=p), 0) for p in PRESETS),
    biased_person(),
]


@pytest.mark.parametrize("policy", OURS, ids=lambda p: f"{type(p).__name__}")
@pytest.mark.filterwarnings("error")
def test_our_policies_conform(policy):
    assert [f for f in check_policy(policy) if not f.ok] == []


@pytest.mark.parametrize(
    "name",
    ["bayesian", "sceptical", "expert", "best_response", "strategic", "scripted", "human_proxy"],
)
def test_registered_policies_build_from_their_default_config_and_describe_themselves(name):
    cls = POLICIES.get(name)
    assert cls.Config().name == name
    require_conformance(cls(cls.Config(), 0))
    first, source = POLICIES.describe(name)
    assert first and source


@pytest.mark.parametrize("policy", OURS[:7] + OURS[-3:], ids=lambda p: f"{type(p).__name__}")
@pytest.mark.parametrize("n_options", [2, 5])
def test_bits_do_not_depend_on_the_batch_at_vector_sizes(policy, n_options):
    """Long enough that whole SIMD lanes, their tails and single rows all occur."""
    asks = example_asks(1003, n_options=n_options, seed=4)
    finding = {f.check: f for f in check_policy(policy, [asks])}
    assert finding["answers do not depend on the batch"].ok
    assert finding["answers do not depend on the order of rows"].ok


class Broken(Bayesian):
    """A policy whose answers are spoiled by `spoil`."""

    def __init__(self, spoil) -> None:
        super().__init__(BayesianConfig(), 0)
        self.spoil, self.calls = spoil, 0

    def answer(self, asks, minds):
        self.calls += 1
        return self.spoil(self, asks, super().answer(asks, minds))


def first_row(array, value):
    out = array.copy()
    out[:1] = value
    return out


def centred(policy, asks, a):
    return replace(a, confidence=np.clip(a.confidence - np.nanmean(a.confidence), 0, 1))


def writes(policy, asks, a):
    asks.assessment[0] = 0.0
    return a


def sneaks(policy, asks, a):
    whole = asks.assessment
    while isinstance(whole.base, np.ndarray):  # to the array behind the read-only views
        whole = whole.base
    whole += 1.0
    return a


def crashes(policy, asks, a):
    if np.isnan(asks.assessment).any():
        raise ValueError("no belief")
    return a


BREAKS = {
    "the same asks give the same answers": lambda p, q, a: replace(a, words=a.words + p.calls),
    "answers do not depend on the batch": centred,
    "answers do not depend on the order of rows": lambda p, q, a: replace(a, words=np.arange(a.n)),
    "arguments are left alone": sneaks,
    "answers have the right shapes and types": lambda p, q, a: replace(a, choice=a.choice * 1.0),
    "distributions are proper": lambda p, q, a: replace(a, probs=a.probs * 0.9),
    "choices, stances and quotes are possible": lambda p, q, a: replace(
        a, choice=first_row(a.choice, 2)
    ),
    "a bad row is a value and stays alone": crashes,
}


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("check", BREAKS)
def test_each_check_can_fail(check):
    asks = [example_asks(12, n_options=2)]
    finding = {f.check: f for f in check_policy(Broken(BREAKS[check]), asks)}[check]
    assert not finding.ok and "intent ruling, seat judge" in finding.detail


def test_writing_to_a_received_array_is_found():
    failed = [f for f in check_policy(Broken(writes), [example_asks(12)]) if not f.ok]
    assert any("read-only" in f.detail for f in failed)


def test_state_checks_can_fail():
    class Forgetful(Bayesian):
        def settle(self, minds, outcomes):
            return minds.take(np.arange(1))

        def initial_minds(self, agent_id):
            return Columns({"agent_id": agent_id, "crowd": np.full(len(agent_id), len(agent_id))})

    failed = [f.check for f in check_policy(Forgetful(BayesianConfig(), 0), []) if not f.ok]
    assert len(failed) == 2
    with pytest.raises(ConformanceError, match="Forgetful breaks the contract of policies"):
        require_conformance(Forgetful(BayesianConfig(), 0))


def test_example_asks_are_a_pure_function_and_take_rows_consistently():
    one, two = example_asks(40, seed=2), example_asks(40, seed=2)
    assert Columns({"p": one.assessment, "r": one.room_id}).digest() == (
        Columns({"p": two.assessment, "r": two.room_id}).digest()
    )
    assert one.heard.n > 0 and (one.heard.quotes <= -2).any() and (one.heard.quotes >= 0).any()
    assert np.allclose(np.exp(one.assessment).sum(axis=1), 1.0)
    assert set(np.unique(one.n_options)) == {2, 3}
    text = example_asks(5, text=True).text
    assert text is not None and len(text.options[0]) == example_asks(5).n_options[0]
