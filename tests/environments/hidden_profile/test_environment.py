"""Hidden profiles: conformance, and the profile that each case is promised to have."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.hidden_profile.environment import HiddenProfile, HiddenProfileConfig
from environments.hidden_profile.proofs import proofs

PLAN = SplitPlan(dict.fromkeys(Split, 400))
WORLD = HiddenProfile(HiddenProfileConfig(), PLAN)
IDS = WORLD.case_ids(Split.TEST, 0)


def _favourites(world, ids):
    """Return what every member believes most likely alone, [N, n]."""
    cases = world.deal(ids)
    members = [g for g in world.information if g.startswith("member_")]
    agent = np.zeros(len(ids), dtype=np.int64)
    return np.stack([world.assess(cases, g, agent).argmax(axis=1) for g in members], axis=1)


def _truth(world, ids):
    return world.seal().reveal(ids, "test")


@pytest.mark.parametrize(
    "config",
    [
        HiddenProfileConfig(),
        HiddenProfileConfig(n_options=2, n_members=2, n_shared=3, n_unshared=2, world_seed=4),
        HiddenProfileConfig(n_options=8, n_members=6, n_shared=5, misjudgement=1.0),
        HiddenProfileConfig(profile="random", n_shared=0, n_unshared=1, prior_strength=0.7),
        HiddenProfileConfig(profile="manifest", n_unshared=0, information="full"),
        HiddenProfileConfig(prior_strength=0.6, weight=0.3),
    ],
)
def test_it_conforms(config):
    assert_environment(HiddenProfile(config, PLAN))


def test_every_proof_holds():
    assert [proof for proof in proofs() if not proof.ok] == []


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 6),
    k=st.integers(2, 5),
    own=st.integers(1, 4),
    extra=st.integers(0, 6),
    contrary=st.floats(0, 1),
    neutral=st.floats(0, 0.9),
    prior=st.sampled_from([0.0, 0.4, 2.0]),
    seed=st.integers(0, 2**31),
)
def test_hidden_profiles_are_hidden_whatever_the_settings(
    n, k, own, extra, contrary, neutral, prior, seed
):
    config = HiddenProfileConfig(
        n_members=n,
        n_options=k,
        n_shared=own + 1 + extra,
        n_unshared=own,
        contrary=contrary,
        neutral=neutral,
        prior_strength=prior,
        world_seed=seed,
    )
    if own + 1 + extra >= n * own:
        with pytest.raises(ConfigError, match="allow no hidden profile"):
            HiddenProfile(config, PLAN)
        return
    world = HiddenProfile(config, PLAN)
    ids = world.case_ids(Split.TEST, 0)[:60]
    favourites, truth = _favourites(world, ids), _truth(world, ids)
    assert (favourites == favourites[:, :1]).all()
    assert (favourites[:, 0] != truth).all()
    source = world.assess(world.deal(ids), "source", np.zeros(60, dtype=np.int64))
    assert (source.argmax(axis=1) == truth).all()
    lead = np.sort(source, axis=1)
    assert (lead[:, -1] - lead[:, -2] > 1e-9).all()  # the truth is unique


def test_shared_facts_alone_favour_the_decoy():
    cases = WORLD.deal(IDS)
    shared = cases.evidence.held[:, :, 1:-1].all(axis=2)
    score = np.where(shared[:, :, None], cases.evidence.llr, 0.0).sum(axis=1)
    favourites = _favourites(WORLD, IDS)
    assert (score.argmax(axis=1) == favourites[:, 0]).all()
    assert (shared.sum(axis=1) == 6).all()
    assert (cases.evidence.held[:, :, 1:-1].sum(axis=2)[~shared] == 1).all()


def test_manifest_profiles_show_every_member_the_truth():
    world = HiddenProfile(HiddenProfileConfig(profile="manifest"), PLAN)
    ids = world.case_ids(Split.TEST, 0)
    assert (_favourites(world, ids) == _truth(world, ids)[:, None]).all()


def test_full_information_gives_the_same_cases_to_all():
    full = HiddenProfile(HiddenProfileConfig(information="full"), PLAN)
    one, other = WORLD.deal(IDS), full.deal(IDS)
    assert np.array_equal(one.evidence.llr, other.evidence.llr)
    assert np.array_equal(_truth(WORLD, IDS), _truth(full, IDS))
    assert other.evidence.held[:, :, 1:].all()
    assert (_favourites(full, IDS) == _truth(full, IDS)[:, None]).all()


def test_neither_position_nor_public_columns_tell_who_holds_a_fact():
    ids = np.arange(6_000)
    shared = WORLD.deal(ids).evidence.held[:, :, 1:-1].all(axis=2)
    gap = np.abs(shared.mean(axis=0) - 6 / 18)
    assert gap.max() < 4.5 * np.sqrt(6 / 18 * 12 / 18 / len(ids))


def test_misjudgement_is_each_members_own_and_spares_the_source():
    world = HiddenProfile(HiddenProfileConfig(misjudgement=1.5), PLAN)
    cases = world.deal(IDS)
    beliefs = [world.assess(cases, "member_1", np.full(400, agent)) for agent in (1, 2)]
    exact = WORLD.assess(cases, "member_1", np.zeros(400, dtype=np.int64))
    assert not np.array_equal(*beliefs)
    error = (beliefs[0] - beliefs[0].mean(axis=1, keepdims=True)) - (
        exact - exact.mean(axis=1, keepdims=True)
    )
    # Three independent errors, their mean taken away, keep 2/3 of the variance.
    assert error.std() == pytest.approx(1.5 * np.sqrt(2 / 3), rel=0.1)
    for group in ("public", "source"):
        agents = (np.zeros(400, dtype=np.int64), np.ones(400, dtype=np.int64))
        assert np.array_equal(*(world.assess(cases, group, agent) for agent in agents))


def test_references_are_exact_where_construction_settles_them():
    hidden = WORLD.reference_values()
    assert (hidden["no_communication"].value, hidden["full_information"].value) == (0.0, 1.0)
    assert hidden["perfect_facilitation"].value == 1.0 and hidden["single_member"].exact
    random = HiddenProfile(HiddenProfileConfig(profile="random"), PLAN).reference_values()
    values = [random[k].value for k in ("chance", "single_member", "no_communication")]
    assert all(a < b for a, b in pairwise([*values, 1.0]))
    assert not random["no_communication"].exact and random["no_communication"].n == 20_000


def test_texts_say_what_the_numbers_say():
    world = HiddenProfile(HiddenProfileConfig(prior_strength=0.5), PLAN)
    cases = world.deal(IDS)
    strong = {0: "", 1: "somewhat", 2: "clearly", 3: "exceptionally"}
    level = np.rint(cases.evidence.llr / world.config.weight).astype(int)
    seen = set()
    for row in range(100):
        names = world.render_options(cases.take([row]))[0]
        impressions = world.render_context(cases.take([row]))[0].partition("impressions: ")[2]
        prior = world.assess(cases.take([row]), "public", np.zeros(1, dtype=np.int64))[0]
        ranks = {"poor": 0, "fair": 1, "good": 2}
        told = [ranks[word.split()[1].strip(",.")] for word in impressions.split(", ")]
        assert np.allclose(np.subtract.outer(prior, prior), 0.5 * np.subtract.outer(told, told))
        for e, fact in enumerate(world.render_evidence(cases.take([row]))[0]):
            assert fact.startswith(f"Fact {e + 1}: ")
            (about,) = np.flatnonzero(level[row, e]) if level[row, e].any() else (None,)
            if about is not None:
                assert f"{names[about]} is {strong[abs(level[row, e, about])]} " in fact
                seen.add((fact.rstrip(".").split()[-1], int(np.sign(level[row, e, about]))))
            else:
                assert not any(f" {word} " in fact for word in list(strong.values())[1:])
    traits = {trait for trait, _ in seen}
    assert len(traits) == len(seen)  # a trait always speaks the same way


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("n_members", 1, "n_members=1 is not in 2"),
        ("n_options", 9, "n_options=9 is not in 2 … 8"),
        ("profile", "secret", "profile='secret' .allowed: hidden, random, manifest"),
        ("information", "none", "information='none' .allowed: split, full"),
        ("n_levels", 4, "n_levels=4"),
        ("n_shared", 12, "allow no hidden profile"),
        ("n_shared", 1, "allow no hidden profile"),
        ("n_unshared", 40, "166 facts; 1 … 96 are allowed"),
        ("contrary", float("nan"), "contrary=nan"),
        ("weight", 0.0, "weight=0.0"),
    ],
)
def test_a_bad_field_is_named(field, value, message):
    with pytest.raises(ConfigError, match=message):
        HiddenProfile(dataclasses.replace(HiddenProfileConfig(), **{field: value}), PLAN)
