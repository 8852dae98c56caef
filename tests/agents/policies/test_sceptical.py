"""The sceptical judge: silence is evidence, in exact numbers."""

import numpy as np
import pytest

from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.expert import Expert, ExpertConfig
from agents.policies.sceptical import Sceptical, ScepticalConfig
from coordination.protocols.propaganda import Propaganda
from environments.core.errors import ConfigError
from tests.agents.policies.build import Said, ask, log, make_asks
from tests.agents.policies.oversight import held

FLAT = log(0.5, 0.5)
THREE = np.log(3.0)  # the log-likelihood ratio of an item that is right three times out of four


def judge(low=0.75, high=0.75, **settings) -> Sceptical:
    return Sceptical(ScepticalConfig(reliability_low=low, reliability_high=high, **settings), 3)


def items(*signs):
    """Items of reliability 3/4 that speak for option 0 (+1) or 1 (-1)."""
    return np.array([[THREE * s / 2, -THREE * s / 2] for s in signs])


def odds(answers):
    return answers.probs[0, 0] / answers.probs[0, 1]


def test_what_was_not_quoted_speaks_against_the_speaker():
    """One item of four is quoted where two would fit: the others must be the other way."""
    asks = make_asks(FLAT, items(1, -1, -1, -1), [Said(0, 0, (0,), stance=0)])
    assert odds(ask(judge(), asks)) == pytest.approx(3.0**1 / 3.0**3, rel=1e-6)
    silent = make_asks(FLAT, items(-1, -1, -1, -1), [Said(0, 0, (), stance=0)])
    assert odds(ask(judge(), silent)) == pytest.approx(3.0**-4, rel=1e-6)


def test_with_all_said_by_one_side_it_is_the_full_information_bayesian():
    """Unravelling: items of known strength, unlimited disclosure, one consultant on either side."""
    rows = [(1, 1, -1, 1), (-1, 1, -1, -1), (1, 1, 1, 1), (-1, -1, -1, -1)]
    for signs in rows:
        for side, sign in ((0, 1), (1, -1)):
            helpful = tuple(e for e, s in enumerate(signs) if s == sign)
            said = [Said(0, 0, helpful, stance=side)]
            asks = make_asks(log(0.3, 0.7), items(*signs), said)
            full = make_asks(log(0.3, 0.7) + items(*signs).sum(axis=0), items(*signs), held=True)
            got, want = ask(judge(quotes_per_message=5), asks), ask(judge(), full)
            assert got.probs == pytest.approx(want.probs, rel=1e-6)


def test_a_full_message_proves_nothing_about_the_rest_when_items_are_alike():
    asks = make_asks(FLAT, items(1, 1, 1, -1), [Said(0, 0, (0, 1), stance=0)])
    assert odds(ask(judge(), asks)) == pytest.approx(9.0, rel=1e-6)
    then = [Said(0, 0, (0, 1), stance=0), Said(0, 1, (2,), stance=0)]
    assert odds(ask(judge(), make_asks(FLAT, items(1, 1, 1, -1), then))) == pytest.approx(9.0)


@pytest.mark.parametrize("n_options, stance", [(2, 1), (3, 2), (5, 0)])
def test_the_chance_of_silence_is_the_integral_over_reliabilities(n_options, stance):
    """Against a Riemann sum of the model: items weaker than the weakest quoted one stay unsaid."""
    low, high, weakest = 0.55, 0.9, 0.8
    llr = np.zeros((3, n_options))
    llr[0, stance] = weakest
    asks = make_asks(np.full(n_options, -np.log(n_options)), llr, [Said(0, 0, (0,), stance=stance)])
    got = ask(judge(low, high, quotes_per_message=1), asks).probs[0]
    r = low + (high - low) * (np.arange(200_000) + 0.5) / 200_000
    other = (1 - r) / (n_options - 1)
    weak = np.log(r / other) <= weakest
    silent = np.array(
        [np.mean(1 - np.where(k == stance, r, other) * ~weak) for k in range(n_options)]
    )
    want = np.exp(llr[0]) * silent**2
    assert got == pytest.approx(want / want.sum(), rel=1e-4)  # the sum's own error


def test_two_sides_bound_what_is_left_between_them():
    """An item that neither side would leave out cannot exist: then silence says nothing."""
    said = [Said(0, 0, (0,), stance=0), Said(1, 0, (1,), stance=1)]
    asks = make_asks(FLAT, items(1, -1, 1, 1), said)
    assert odds(ask(judge(), asks)) == pytest.approx(1.0)
    full = [Said(0, 0, (0, 2), stance=0), Said(1, 0, (1,), stance=1)]
    # The one item left can only be one more for option 0, too weak for a full message.
    got = ask(judge(), make_asks(FLAT, items(1, -1, 1, 1), full))
    assert odds(got) == pytest.approx(3.0 * 3.0 / 3.0 * 3.0)


def test_without_a_speaker_or_with_the_source_it_is_the_plain_bayesian():
    plain = Bayesian(BayesianConfig(), 3)
    for asks in (
        make_asks(log(0.4, 0.6), items(1, -1)),
        make_asks(log(0.4, 0.6), items(1, -1), [Said(0, 0, (0,))]),  # takes no side
        make_asks(log(0.4, 0.6), items(1, -1), [Said(0, 0, (0,), stance=0)], held=True),
        make_asks(log(0.4, 0.6), None, [Said(0, 0, (), stance=0)]),
    ):
        assert np.array_equal(ask(judge(), asks).probs, ask(plain, asks).probs)


def test_unmarked_quotes_are_not_taken_for_disclosure():
    unmarked = Said(0, 0, (0, 1), stance=0, verified=(False, False))
    got = ask(judge(), make_asks(FLAT, items(1, 1, -1), [unmarked]))
    assert odds(got) == pytest.approx(3.0**-3, rel=1e-6)
    told = ask(judge(), make_asks(FLAT, items(1, 1, -1), [unmarked], verification=False))
    assert odds(told) == pytest.approx(9.0, rel=1e-6)


def test_how_many_items_there_are_can_be_told():
    asks = make_asks(FLAT, items(1, -1, -1, -1), [Said(0, 0, (0,), stance=0)])
    assert odds(ask(judge(items=2), asks)) == pytest.approx(1.0, rel=1e-6)
    assert odds(ask(judge(items=1), asks)) == pytest.approx(3.0, rel=1e-6)


def test_in_a_world_like_its_model_it_is_calibrated_and_the_naive_reader_is_not():
    """20 000 rooms, one speech of two quotes: stated probabilities are frequencies."""
    world = {"lay_knowledge": 0.0}
    config = Propaganda.Config()
    experts = Expert(ExpertConfig(), 1)
    gap, score = {}, {}
    for name, who in (("sceptical", Sceptical(ScepticalConfig(), 1)), ("unaware", None)):
        reader = who or Bayesian(BayesianConfig(), 1)
        out = held(Propaganda, config, reader, experts, n=20_000, world=world)
        sure = np.abs(out.probs.max(axis=1))
        gap[name] = float(np.mean(out.right - sure))
        score[name] = float(np.mean(np.log(np.where(out.truth == 0, *out.probs.T))))
    # The standard error of a share of 20 000 is at most .0035.
    assert abs(gap["sceptical"]) < 0.012
    assert gap["unaware"] < -0.2
    assert score["sceptical"] > score["unaware"] + 0.2


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"reliability_low": 0.0}, "sceptical.reliability_low"),
        ({"reliability_high": 0.5}, "reliability_low <= reliability_high"),
        ({"items": -1}, "sceptical.items: -1"),
        ({"quotes_per_message": 0}, "sceptical.quotes_per_message: 0"),
        ({"credulity": -1.0}, "bayesian.credulity"),
    ],
)
def test_bad_settings_are_refused_in_one_line(wrong, told):
    with pytest.raises(ConfigError, match=told):
        Sceptical(ScepticalConfig(**wrong), 0)
