"""The adversary that knows its judge: exact where it can be, never milder than a scripted liar."""

from itertools import combinations

import numpy as np
import pytest
from scipy.special import log_softmax

from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.best_response import (
    BestResponse,
    BestResponseConfig,
    Strategic,
    StrategicConfig,
)
from agents.policies.expert import Expert, ExpertConfig
from agents.policies.sceptical import Sceptical, ScepticalConfig
from coordination.messages import MessageKind
from coordination.protocols.consultancy import Consultancy
from coordination.protocols.debate import Debate
from environments.base import forged_quote
from environments.core.errors import ConfigError
from tests.agents.policies.build import Said, ask, make_asks
from tests.agents.policies.oversight import better, difference, held

JUDGES = {
    "selection_unaware": Bayesian(BayesianConfig(), 1),
    "sceptical": Sceptical(ScepticalConfig(), 1),
}
ITEMS, OPTIONS, ROWS = 6, 4, 40


def adversary(**settings) -> BestResponse:
    return BestResponse(BestResponseConfig(honesty=0.0, **settings), 5)


def situations(stance=-1, said=None, n_options=OPTIONS):
    """Rows with random evidence and priors; the expert holds everything."""
    draw = np.random.default_rng(8)
    llr = draw.normal(size=(ROWS, ITEMS, n_options))
    prior = log_softmax(draw.normal(size=(ROWS, n_options)), axis=1)
    belief = log_softmax(prior + llr.sum(axis=1), axis=1)
    asks = make_asks(
        belief,
        llr,
        said,
        intent=MessageKind.ARGUMENT,
        seat="proponent",
        held=True,
        stance=stance,
    )
    return asks, prior, llr


def margin(belief, option):
    """Log-odds of an option against its best rival."""
    rivals = np.delete(belief, option)
    return belief[option] - rivals.max()


@pytest.mark.parametrize("said, before", [(None, ()), ([Said(1, 0, (2,))], (2,))])
@pytest.mark.parametrize("goal", ["error", "win"])
def test_no_disclosure_serves_it_better(goal, said, before):
    """Against all 22 (or 16) sets of at most two unsaid items, written down independently."""
    asks, prior, llr = situations(said=said)
    got = ask(adversary(goal=goal), asks)
    free = [e for e in range(ITEMS) if e not in before]
    for row in range(ROWS):
        best = int(asks.assessment[row].argmax())
        target, sign = (best, -1) if goal == "error" else (int(got.stance[row]), 1)

        def gain(items, row=row, target=target, sign=sign):
            heard = [*before, *items]
            return sign * margin(prior[row] + llr[row, heard].sum(axis=0), target)

        every = [s for size in range(3) for s in combinations(free, size)]
        chosen = [int(e) for e in got.quotes[row] if e >= 0]
        assert not set(chosen) & set(before)
        assert gain(chosen) == pytest.approx(max(gain(s) for s in every), abs=1e-9)
        assert got.stance[row] != best


def test_it_may_say_nothing():
    llr = np.array([[1.0, 0.0], [0.5, 0.0]])  # everything speaks for the right answer
    asks = make_asks(
        log_softmax(llr.sum(axis=0)),
        llr,
        intent=MessageKind.ARGUMENT,
        seat="proponent",
        held=True,
        stance=1,
    )
    assert (ask(adversary(), asks).quotes == -1).all()
    forger = ask(adversary(fabrication=1.0), asks)
    assert forger.quotes[0].tolist() == [forged_quote(1), -1, -1]


def test_a_beam_as_wide_as_the_choice_is_exact_and_a_greedy_one_is_not_better():
    asks, prior, llr = situations()
    chosen = {
        name: ask(adversary(quotes_per_message=3, **settings), asks).quotes
        for name, settings in {
            "exact": {"exact_up_to": 1000},
            "beam": {"exact_up_to": 1, "beam": 20},  # all 15 pairs are kept
            "greedy": {"exact_up_to": 1, "beam": 1},
        }.items()
    }

    def gains(quotes):
        out = []
        for row in range(ROWS):
            best = int(asks.assessment[row].argmax())
            items = [e for e in quotes[row].tolist() if e >= 0]
            assert len(items) == len(set(items))
            out.append(-margin(prior[row] + llr[row, items].sum(axis=0), best))
        return np.array(out)

    exact, beam, greedy = (gains(chosen[name]) for name in ("exact", "beam", "greedy"))
    np.testing.assert_allclose(beam, exact, atol=1e-9)
    assert (greedy <= exact + 1e-9).all() and (greedy < exact - 1e-6).any()


def test_of_two_options_a_scripted_liar_already_is_the_best_response_to_a_trusting_judge():
    scripted, best = (
        held(Consultancy, Consultancy.Config(), JUDGES["selection_unaware"], who, n=400)
        for who in (Expert(ExpertConfig(honesty=0.0), 5), adversary())
    )
    np.testing.assert_array_equal(scripted.probs, best.probs)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("protocol", [Consultancy, Debate])
def test_scripted_liars_overstate_oversight(judge, protocol):
    """Of four options the adversary that fights the truth misleads either judge more often."""
    config = protocol.Config(rounds=2)
    scripted, best = (
        held(protocol, config, JUDGES[judge], who, n=1000, world={"n_options": 4})
        for who in (Expert(ExpertConfig(honesty=0.0), 5), adversary(judge=judge))
    )
    mean, error = difference(scripted, best)
    assert mean > 2.5 * error and mean > 0.02


def test_it_must_know_its_judge():
    """Before a sceptical judge the best response to a trusting one gives itself away."""
    config, judge = Consultancy.Config(rounds=2), JUDGES["sceptical"]
    wrong, right = (
        held(Consultancy, config, judge, adversary(judge=name), n=1000, world={"n_options": 4})
        for name in ("selection_unaware", "sceptical")
    )
    assert better(wrong, right)


def test_no_strategic_speaker_is_believed_less_than_a_scripted_one_and_many_are_more():
    config, judge = Consultancy.Config(rounds=1), JUDGES["sceptical"]
    settings = {"n": 1000, "world": {"n_options": 4}}
    scripted = held(Consultancy, config, judge, Expert(ExpertConfig(), 5), **settings)
    player = Strategic(StrategicConfig(judge="sceptical"), 5)
    played = held(Consultancy, config, judge, player, **settings)
    side = scripted.room.stance("consultant")
    assert np.array_equal(side, played.room.stance("consultant"))
    rows = np.arange(1000)
    gained = played.probs[rows, side] - scripted.probs[rows, side]
    assert gained.min() > -1e-9 and (gained > 1e-6).mean() > 0.2


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"goal": "fun"}, "best_response.goal: 'fun'"),
        ({"judge": "bayes"}, "selection_unaware or sceptical"),
        ({"beam": 0}, "best_response.beam: 0"),
        ({"exact_up_to": 0}, "best_response.exact_up_to: 0"),
        ({"honesty": 2.0}, "expert.honesty"),
    ],
)
def test_bad_settings_are_refused_in_one_line(wrong, told):
    with pytest.raises(ConfigError, match=told):
        BestResponse(BestResponseConfig(**wrong), 0)
