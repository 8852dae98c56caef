"""The estimation world: exact likelihoods, exact references, and what advice is worth in play."""

import numpy as np
import pytest
from scipy import integrate, stats

from environments.advice.environment import Advice, AdviceConfig
from environments.advice.law import EstimateLaw
from environments.advice.proofs import play, proofs
from environments.advice.simulator import BatchedAdvice
from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError

PLAN = SplitPlan(dict.fromkeys(Split, 400))
WORLD = Advice(AdviceConfig(), PLAN)


@pytest.mark.parametrize(
    "config",
    [
        AdviceConfig(),
        AdviceConfig(world_seed=3, n_options=16, n_advisors=1, correlation=0.9),
        AdviceConfig(n_options=2, n_advisors=32, judge_sd=500.0, judge_sees=5),
        AdviceConfig(n_options=3, prior_mean=-20, prior_sd=50, judge_sd=5, advisor_sd=20),
    ],
)
def test_it_conforms(config):
    assert_environment(Advice(config, PLAN))


def test_all_proofs_hold():
    assert not [proof for proof in proofs() if not proof.ok]


def test_likelihoods_are_the_integrated_gaussian():
    law = EstimateLaw(10.0, 4.0, (3.0,), 0.0, 3, 0)
    edges = [-np.inf, *law.bounds.tolist(), np.inf]
    for x in (-5.0, 8.0, 11.0, 30.0):
        density = [
            integrate.quad(
                lambda q: stats.norm.pdf(x, q, 3.0) * stats.norm.pdf(q, 10.0, 4.0) * 3,  # noqa: B023
                max(low, -60.0),
                min(high, 80.0),
                points=None,
            )[0]
            for low, high in zip(edges, edges[1:], strict=False)
        ]
        llr = law.log_likelihood(np.array([x]), 3.0)[0]
        assert np.allclose(np.diff(llr), np.diff(np.log(density)), rtol=1e-6)
    far = law.log_likelihood(np.array([-1e3, 1e3]), 3.0)
    assert np.isfinite(far).all() and far.argmax(axis=1).tolist() == [0, 2]


def test_estimates_have_their_stated_errors_and_correlation():
    world = Advice(
        AdviceConfig(judge_sd=80.0, advisor_sd=40.0, correlation=0.5, n_advisors=2), PLAN
    )
    ids = np.arange(100_000)
    error = world.law.estimates(ids) - world.law.quantity(ids)[:, None]
    assert np.allclose(error.std(axis=0), [80, 40, 40], rtol=0.012)
    assert np.allclose(np.corrcoef(error.T)[np.triu_indices(3, 1)], 0.5, atol=0.012)
    assert np.abs(error.mean(axis=0) / [80, 40, 40]).max() < 4.5 / np.sqrt(len(ids))


def test_quadrature_equals_sheppards_closed_form():
    # P(the sign of x agrees with that of q) = 1/2 + arcsin(corr) / π (Sheppard 1899).
    world = Advice(AdviceConfig(n_options=2), PLAN)
    expected = 0.5 + np.arcsin(100 / np.hypot(100, 60)) / np.pi
    assert world.reference_values()["no_communication"].value == pytest.approx(expected, abs=1e-6)


def test_exact_references_are_reached_in_simulation():
    world = Advice(AdviceConfig(correlation=0.4, n_advisors=4), PLAN)
    ids = np.arange(60_000)
    truth = world.seal().reveal(ids, "test")
    values = world.reference_values()
    cases = world.deal(ids)
    alone = world.assess(cases, "judge", np.zeros(len(ids), dtype=np.int64)).argmax(axis=1)
    joint = world.joint_posterior(ids)
    assert np.allclose(joint.sum(axis=1), 1)
    for guess, name in ((alone, "no_communication"), (joint.argmax(axis=1), "full_information")):
        exact = values[name].value
        tolerance = 4.5 * np.sqrt(exact * (1 - exact) / len(ids))
        assert abs((guess == truth).mean() - exact) < tolerance
    error = world.law.pool(world.law.estimates(ids)) - world.law.quantity(ids)
    assert (error**2).mean() == pytest.approx(values["error_pooled"].value, rel=0.03)
    # The joint posterior is calibrated; adding up correlated items is overconfident.
    summed = np.exp(world.assess(cases, "source", np.zeros(len(ids), dtype=np.int64)))
    assert abs(joint.max(axis=1).mean() - (joint.argmax(axis=1) == truth).mean()) < 0.01
    assert summed.max(axis=1).mean() > (summed.argmax(axis=1) == truth).mean() + 0.05


def test_more_heads_and_less_correlation_are_better():
    def full(**config):
        return Advice(AdviceConfig(**config), PLAN).reference_values()["full_information"].value

    assert full(n_advisors=1) < full(n_advisors=3) < full(n_advisors=8)
    assert full(correlation=0.9) < full(correlation=0.4) < full(correlation=0.0)


def test_two_heads_beat_one_unless_the_advisor_is_much_worse():
    ratio, error, taken = play(0.5, AdviceConfig(n_advisors=1), 20_000)
    assert ratio + 4.5 * error < 1 and taken == pytest.approx(0.5)
    assert play(0.5, AdviceConfig(n_advisors=1, advisor_sd=180.0), 20_000)[0] > 1
    # People's weight is too low for an equal advisor: more of the gain stays on the table.
    assert play(0.39, AdviceConfig(n_advisors=1), 20_000)[0] > ratio


def test_item_groups_and_texts():
    world = Advice(AdviceConfig(n_advisors=2, judge_sees=1), PLAN)
    assert world.information == ("public", "judge", "advisor_1", "advisor_2", "source")
    held = world.held()
    assert held[:, 1].tolist() == [True, True, False] and held[:, 3].tolist() == [
        False,
        False,
        True,
    ]
    cases = world.deal(np.array([5]))
    numbers = np.rint(world.law.estimates(cases.case_id))[0]
    for number, text in zip(numbers, world.render_evidence(cases)[0], strict=True):
        assert f" {number:.0f} " in text
    assert world.render_options(cases) == [["under 433", "433 to 500", "500 to 567", "over 567"]]


def test_several_exchanges_keep_initial_advice_and_final_apart():
    game = BatchedAdvice(WORLD, exchanges=2)
    game.reset(np.arange(2))
    with pytest.raises(ConfigError, match="when the game has ended"):
        game.weight_of_advice()
    for value in (500.0, 520.0, 560.0):
        seats = dict.fromkeys(game.seats, np.full((2, 1), value + 40))
        seen, *_ = game.step({**seats, "judge": np.full((2, 1), value)})
    assert game.initial.tolist() == [500, 500] and game.final.tolist() == [560, 560]
    assert game.advice.tolist() == [560, 560]  # said in round 1, heard before the last statement
    assert game.weight_of_advice().tolist() == [1.0, 1.0]
    assert seen["advisor_1"]["stated"][0].tolist() == [560, 600, 600, 600]


def test_private_estimates_stay_private_and_reward_is_minus_squared_error():
    game = BatchedAdvice(WORLD)
    ids = WORLD.case_ids(Split.TEACHING, 0)
    seen = game.reset(ids)
    assert (seen["judge"]["known"] == [1, 0, 0, 0]).all()
    assert (seen["judge"]["estimates"][:, 1:] == 500).all()
    assert (seen["advisor_2"]["known"] == [0, 0, 1, 0]).all()
    game.step({})
    _, reward, *_ = game.step({"judge": np.full((len(ids), 1), 510.0)})
    quantity = WORLD.seal().reveal_quantity(ids, "test")
    assert np.array_equal(reward["advisor_1"], -((510.0 - quantity) ** 2))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_options", 1),
        ("n_advisors", 0),
        ("judge_sd", 1.0),
        ("advisor_sd", float("nan")),
        ("correlation", 1.0),
        ("judge_sees", 4),
        ("prior_sd", 0.5),
    ],
)
def test_fields_out_of_range_are_named(field, value):
    with pytest.raises(ConfigError, match=f"environment.{field}="):
        Advice(AdviceConfig(**{field: value}), PLAN)


def test_impossible_combinations():
    with pytest.raises(ConfigError, match="read the same in whole numbers"):
        Advice(AdviceConfig(prior_sd=2.0, n_options=16), PLAN)
    with pytest.raises(ConfigError, match="sum of"):
        Advice(AdviceConfig(advisor_sd=10.0, n_advisors=8), PLAN)
