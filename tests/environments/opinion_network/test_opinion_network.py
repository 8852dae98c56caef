"""The opinion world and game: exact accuracies, reached by members who follow the network."""

import numpy as np
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.opinion_network.environment import OpinionNetwork, OpinionNetworkConfig
from environments.opinion_network.proofs import settled_accuracy
from environments.opinion_network.simulator import BatchedOpinions, parallel_env

PLAN = SplitPlan(dict.fromkeys(Split, 400))
WORLD = OpinionNetwork(OpinionNetworkConfig(), PLAN)


def _values(**config):
    values = OpinionNetwork(OpinionNetworkConfig(**config), PLAN).reference_values()
    return {name: reference.value for name, reference in values.items()}


@pytest.mark.parametrize(
    "config",
    [
        OpinionNetworkConfig(),
        OpinionNetworkConfig(world_seed=2, topology="star", n_members=2, self_weight=0.0),
        OpinionNetworkConfig(topology="complete", n_members=64, noise=1 / 3),
        OpinionNetworkConfig(topology="random", degree=1, n_stubborn=2, susceptibility=0.5),
        OpinionNetworkConfig(topology="ring", know_neighbours=True),
    ],
)
def test_it_conforms(config):
    assert_environment(OpinionNetwork(config, PLAN))


def test_exact_accuracies():
    values = _values()  # Φ(1/2) and Φ(√8/2)
    assert round(values["no_communication"], 4) == 0.6915
    assert round(values["full_information"], 4) == 0.9214
    for config in ({"topology": "complete"}, {"topology": "ring"}):
        assert _values(**config)["network"] == pytest.approx(values["full_information"])


def test_items_add_up_to_the_mean_impression():
    ids = np.arange(50_000)
    cases = WORLD.deal(ids)
    belief = np.exp(WORLD.assess(cases, "source", np.zeros(len(ids), dtype=np.int64)))
    mean = WORLD.impressions(ids).mean(axis=1)
    # log-odds of the sign: 2 μ Σx / σ².
    assert np.allclose(np.log(belief[:, 0] / belief[:, 1]), 2 * 8 * mean / 4)
    truth = WORLD.seal().reveal(ids, "test")
    exact = WORLD.reference_values()["full_information"].value
    tolerance = 4.5 * np.sqrt(exact * (1 - exact) / len(ids))
    assert abs((belief.argmax(axis=1) == truth).mean() - exact) < tolerance


def test_crowds_are_wise_unless_someone_is_too_prominent():
    complete, star = (_values(topology=name) for name in ("complete", "star"))
    assert star["no_communication"] < star["network"] < complete["network"]
    # In a large star the centre keeps half of all influence: the crowd stays as good as a few.
    large = {"n_members": 64, "degree": 4}
    assert _values(topology="star", **large)["network"] < 0.85
    assert _values(topology="ring", **large)["network"] > 0.9999


def test_a_stubborn_minority_costs_accuracy():
    values = [_values(n_stubborn=n)["network"] for n in (0, 1, 2, 8)]
    assert values[0] > values[2] > values[1] > 0.69
    assert values[1] == pytest.approx(values[3])  # one leads all as if each stood alone
    got, error = settled_accuracy(OpinionNetworkConfig(n_stubborn=1), 4_000, 60)
    assert abs(got - values[1]) < 4.5 * error


def test_references_leave_out_the_limit_that_does_not_exist():
    assert "network" not in _values(topology="random", degree=1)
    assert "network" not in _values(topology="line", n_members=2, self_weight=0.0)
    assert "network" in _values(topology="random", degree=1, susceptibility=0.9)


def test_following_members_play_degroot_and_friedkin_johnsen():
    for config in (OpinionNetworkConfig(), OpinionNetworkConfig(n_stubborn=2, susceptibility=0.7)):
        world = OpinionNetwork(config, PLAN)
        ids = world.case_ids(Split.TEACHING, 0)
        game = BatchedOpinions(world, rounds=5)
        game.reset(ids)
        start = world.impressions(ids)
        for turn in range(6):
            game.step(game.follow())
            settled = world.weights.evolve(start, turn, world.susceptibility)
            assert np.array_equal(game.opinions, settled)


def test_a_member_can_compute_degroots_step_from_what_it_observes():
    env = parallel_env(WORLD, rounds=4)
    observations, _ = env.reset(options={"case_id": WORLD.case_ids(Split.TEACHING, 0)[3]})
    assert not any(seen["heard"].any() for seen in observations.values())
    start = WORLD.impressions(WORLD.case_ids(Split.TEACHING, 0)[3:4])
    for turn in range(5):
        actions = {
            seat: seen["impression"] if turn == 0 else [seen["weights"] @ seen["heard"]]
            for seat, seen in observations.items()
        }
        observations, rewards, *_ = env.step(actions)
        assert np.allclose(env.simulator.opinions, WORLD.weights.evolve(start, turn))
    assert set(rewards.values()) <= {0.0, 1.0}


def test_each_member_is_scored_by_the_sign_of_its_last_statement():
    ids = WORLD.case_ids(Split.TEACHING, 0)[:100]
    up = WORLD.seal().reveal(ids, "test") == 0
    says = np.where(up, 1.0, -1.0)[:, None]
    for shared in (False, True):
        game = BatchedOpinions(WORLD, rounds=1, shared=shared)
        game.reset(ids)
        game.step({})
        wrong = {f"member_{i}": -says for i in (1, 2)}
        right = {f"member_{i}": says for i in range(3, 8)}
        _, rewards, *_ = game.step({**wrong, **right, "member_8": 0 * says})
        scores = [float(np.unique(rewards[f"member_{i}"]).item()) for i in range(1, 9)]
        assert scores == ([5 / 8] * 8 if shared else [0, 0, 1, 1, 1, 1, 1, 0])
        assert game.truth.spent == {"reward": 100}


def test_neighbours_impressions_can_be_known():
    world = OpinionNetwork(OpinionNetworkConfig(topology="line", know_neighbours=True), PLAN)
    held = world.deal(np.array([1])).evidence.held[0]
    assert np.flatnonzero(held[:, 1]).tolist() == [0, 1]
    assert np.flatnonzero(held[:, 4]).tolist() == [2, 3, 4]
    assert (WORLD.deal(np.array([1])).evidence.held[0][:, 1:-1] == np.eye(8, dtype=bool)).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_members", 1),
        ("self_weight", 1.5),
        ("susceptibility", -0.1),
        ("n_stubborn", 9),
        ("signal", 0),
        ("noise", 0.1),
        ("degree", 3),
        ("topology", "mesh"),
    ],
)
def test_fields_out_of_range_are_named(field, value):
    with pytest.raises(ConfigError, match=f"environment.{field}"):
        OpinionNetwork(OpinionNetworkConfig(**{field: value}), PLAN)
