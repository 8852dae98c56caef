"""The preference world and game: exact labels, sealed rewards, and a reward that can be learnt."""

import numpy as np
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.preferences.environment import Preferences, PreferencesConfig
from environments.preferences.inference import posterior_mode
from environments.preferences.proofs import proofs, recover
from environments.preferences.reward import fit_reward, label_probability, preference_regret
from environments.preferences.simulator import BatchedPreferences

PLAN = SplitPlan(dict.fromkeys(Split, 400))
WORLD = Preferences(PreferencesConfig(), PLAN)


def _nobody(n):
    return np.zeros(n, dtype=np.int64)


@pytest.mark.parametrize(
    "config",
    [
        PreferencesConfig(),
        PreferencesConfig(world_seed=4, n_features=2, n_levels=2, mistake=0.2, shared_labels=2),
        PreferencesConfig(reward_scale=10.0, rationality_high=10.0, n_features=12, n_annotators=1),
        PreferencesConfig(rationality_low=0.0, rationality_high=0.0, n_annotators=32),
    ],
)
def test_it_conforms(config):
    assert_environment(Preferences(config, PLAN))


def test_all_proofs_hold():
    assert not [proof for proof in proofs() if not proof.ok]


def test_labels_are_right_as_often_as_they_say_and_independent():
    world = Preferences(PreferencesConfig(mistake=0.1), PLAN)
    ids = np.arange(60_000)
    cases = world.deal(ids)
    truth = world.seal().reveal(ids, "test")
    hit = world.preferred(cases) == truth[:, None]
    stated = np.exp(cases.evidence.llr.max(axis=2))
    for annotator in range(4):
        for low, high in ((0.5, 0.6), (0.6, 0.75), (0.75, 0.91)):
            rows = (stated[:, annotator] >= low) & (stated[:, annotator] < high)
            gap = hit[rows, annotator].mean() - stated[rows, annotator].mean()
            assert abs(gap) < 4.5 * np.sqrt(0.25 / rows.sum())
    residual = hit - stated
    correlation = np.corrcoef(residual.T)[np.triu_indices(4, 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(ids))
    weights = world.law.weights()
    size = np.abs(world.differences(cases) @ weights)
    expected = label_probability(size[:, None], world.law.annotator_rationality(), 0.1)
    assert np.allclose(stated, expected)


def test_a_reader_of_all_labels_is_calibrated():
    ids = np.arange(40_000)
    belief = np.exp(WORLD.assess(WORLD.deal(ids), "source", _nobody(len(ids))))
    hit = belief.argmax(axis=1) == WORLD.seal().reveal(ids, "test")
    assert abs(belief.max(axis=1).mean() - hit.mean()) < 4.5 * 0.5 / np.sqrt(len(ids))
    values = WORLD.reference_values()
    assert hit.mean() == pytest.approx(values["full_information"].value, abs=0.01)
    assert values["no_communication"].value < values["full_information"].value < 1


def test_a_world_whose_labels_are_coins_teaches_nothing():
    world = Preferences(PreferencesConfig(rationality_low=0.0, rationality_high=0.0), PLAN)
    cases = world.deal(np.arange(500))
    assert (world.preferred(cases) == -1).all()
    assert world.reference_values()["full_information"].value == pytest.approx(0.5)


def test_the_hidden_reward_is_learnt_from_labels_alone():
    config = PreferencesConfig(n_annotators=1, rationality_low=1.0, rationality_high=1.0)
    fitted, weights, _ = recover(config, 5_000)
    test = Preferences(config, PLAN)
    pairs = test.differences(test.deal(test.case_ids(Split.TEST, 0)))
    blind = preference_regret(np.zeros(6), weights, pairs)
    assert preference_regret(fitted.weights, weights, pairs) < 0.02 * blind
    assert recover(config, 50)[0].errors.mean() > 5 * fitted.errors.mean()


def test_permuted_labels_teach_nothing():
    config = PreferencesConfig(n_annotators=1)
    world = Preferences(config, SplitPlan({Split.TEACHING: 5_000}))
    cases = world.deal(world.case_ids(Split.TEACHING, 0))
    label = np.random.default_rng(0).permutation(world.preferred(cases)[:, 0] == 0)
    fitted = fit_reward(world.differences(cases), label)
    assert (np.abs(fitted.weights) < 4.5 * fitted.errors).all()


def test_every_principal_has_its_own_direction():
    weights = WORLD.law.weights(np.arange(4_000))
    assert np.allclose((weights**2).sum(axis=1), 1)
    assert np.abs(weights.mean(axis=0)).max() < 4.5 / np.sqrt(6 * 4_000)
    assert np.array_equal(weights[7], WORLD.law.weights(7))


def test_a_model_that_reads_the_labels_beats_one_that_does_not_and_more_queries_help():
    ids = WORLD.case_ids(Split.TEACHING, 0)
    regret = {}
    for queries in (5, 20, 80):
        game = BatchedPreferences(WORLD, queries)
        game.reset(ids)
        for _ in range(queries):
            seen, *_ = game.step({})
        assert (seen["model"]["labels"] != 0).all() and not seen["model"]["pair"].any()
        state = seen["model"]
        best = posterior_mode(state["differences"], state["labels"], 1.5, 1 / np.sqrt(6))
        _, reward, *_ = game.step({"model": best})
        regret[queries] = -reward["model"].mean()
        assert game.truth.spent == {"reward": len(ids)}
        assert np.nanmean(game.alignment()) > 0.4
    still = BatchedPreferences(WORLD, 5)
    still.reset(ids)
    for _ in range(6):
        _, reward, *_ = still.step({})
    assert -reward["model"].mean() > 1.5 * regret[5]
    assert regret[5] > 1.3 * regret[20] > 1.3**2 * regret[80]


def test_only_the_principal_sees_its_gap_and_a_perfect_model_has_no_regret():
    game = BatchedPreferences(WORLD, 2)
    seen = game.reset(np.arange(50))
    assert "gap" in seen["principal"] and "gap" not in seen["model"]
    weights = WORLD.law.weights(np.arange(50))
    pair = seen["principal"]["pair"]
    expected = ((pair[:, 0] - pair[:, 1]) * weights).sum(axis=1)
    assert np.allclose(seen["principal"]["gap"][:, 0], expected)
    seen, *_ = game.step({"principal": np.zeros(50, dtype=np.int64)})
    assert (seen["model"]["labels"] == [1, 0]).all()
    game.step({})
    _, reward, *_ = game.step({"model": weights})
    assert (reward["principal"] == 0).all() and np.allclose(game.alignment(), 1)
    assert game.truth.spent == {"reward": 50, "alignment": 50}


def test_texts_name_the_item_that_the_label_prefers():
    cases = WORLD.deal(np.arange(40))
    options, evidence = WORLD.render_options(cases), WORLD.render_evidence(cases)
    preferred = WORLD.preferred(cases)
    for row in range(40):
        for item in range(4):
            level = options[row][preferred[row, item]].split()[-1]
            assert evidence[row][item].endswith(f"brevity {level}.")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_features", 1),
        ("n_levels", 11),
        ("reward_scale", 0),
        ("n_annotators", 0),
        ("rationality_low", -1),
        ("rationality_high", 0.1),
        ("mistake", 0.6),
        ("shared_labels", 5),
    ],
)
def test_fields_out_of_range_are_named(field, value):
    with pytest.raises(ConfigError, match=f"environment.{field}="):
        Preferences(PreferencesConfig(**{field: value}), PLAN)
