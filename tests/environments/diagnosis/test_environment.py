"""Split-evidence diagnosis: pure, sealed, exact, and worth what it claims."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.test import parallel_api_test, parallel_seed_test

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.diagnosis.environment import Diagnosis, DiagnosisConfig
from environments.diagnosis.proofs import proofs
from environments.diagnosis.team import batched_team, parallel_env

PLAN = SplitPlan(dict.fromkeys(Split, 300))
DEPENDENT = DiagnosisConfig(
    targets=["lung"],
    prior="net",
    public_findings=[],
    findings=["asia", "xray", "dysp", "bronc"],
    members=2,
    assignment="random",
    missing=0.3,
    noise=0.1,
)
SINGLE = DiagnosisConfig(
    targets=["bronc"], public_findings=[], findings=["dysp", "smoke"], members=1, world_seed=4
)
WORLDS = [Diagnosis(c, PLAN) for c in (DiagnosisConfig(), DEPENDENT, SINGLE)]
WORLD = WORLDS[0]


def _nobody(n):
    return np.zeros(n, dtype=np.int64)


@pytest.mark.parametrize("world", WORLDS, ids=["default", "dependent", "single"])
def test_it_conforms(world):
    assert_environment(world)


def test_every_proof_holds():
    assert [proof.claim for proof in proofs() if not proof.ok] == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.data())
def test_dealing_is_a_pure_function_of_each_id(ids, data):
    ids = np.array(ids, dtype=np.int64)
    cut = data.draw(st.integers(0, len(ids)))
    for world in WORLDS[:2]:
        whole, parts = world.deal(ids), [world.deal(ids[:cut]), world.deal(ids[cut:])]
        for name in ("llr", "held"):
            joined = np.concatenate([getattr(part.evidence, name) for part in parts])
            assert np.array_equal(getattr(whole.evidence, name), joined)
        truths = [world.seal().reveal(part, "test") for part in (ids[:cut], ids[cut:])]
        assert np.array_equal(world.seal().reveal(ids, "test"), np.concatenate(truths))


@pytest.mark.parametrize("world", WORLDS, ids=["default", "dependent", "single"])
def test_each_group_believes_what_the_net_says(world):
    """Beliefs against the net's own inference with the reported findings (no noise, one target)."""
    clean = dataclasses.replace(world.config, noise=0.0, targets=["bronc"], prior="net")
    clean.findings = [f for f in clean.findings if f != "bronc"]
    world = Diagnosis(clean, PLAN)
    cases = world.deal(world.case_ids(Split.TEST, 0)[:60])
    codes = world._law.codes(cases.case_id)
    shared = len(clean.public_findings)
    for g, group in enumerate(world.information):
        held = cases.evidence.held[:, : len(clean.findings), g]
        known = np.concatenate([codes[:, :shared], np.where(held, codes[:, shared:], 0)], axis=1)
        evidence = {name: known[:, f] - 1 for f, name in enumerate(world._law.findings)}
        expected = world.net.posterior("bronc", evidence)
        belief = np.exp(world.assess(cases, group, _nobody(cases.n)))
        shown = np.take_along_axis(expected, cases.public["shown"], axis=1)
        assert np.abs(belief - shown).max() < 1e-12


def test_findings_come_as_often_as_the_net_says():
    """Half of lung cancer patients in this design; P(shadow | lung cancer) = .98 and so on."""
    world = Diagnosis(
        dataclasses.replace(SINGLE, targets=["lung"], findings=["xray", "smoke"]), PLAN
    )
    ids = np.arange(40_000)
    option, codes = world._law.option(ids), world._law.codes(ids)
    assert abs((option == 0).mean() - 0.5) < 4.5 * 0.5 / 200
    for k, state in enumerate(("yes", "no")):
        for f, name in enumerate(("xray", "smoke")):
            p = float(world.net.posterior(name, {"lung": state})[0])
            n = int((option == k).sum())
            share = (codes[option == k, f] == 1).mean()
            assert abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / n)


def test_noise_and_missing_findings_have_their_rates():
    ids = np.arange(40_000)
    world = Diagnosis(DEPENDENT, PLAN)
    assert abs((world._law.codes(ids) == 0).mean() - 0.3) < 4.5 * np.sqrt(0.21 / ids.size / 4)
    half = Diagnosis(dataclasses.replace(DEPENDENT, noise=0.5), PLAN)
    values = half.reference_values()
    assert values["full_information"].value == pytest.approx(values["prior"].value, abs=1e-12)


def test_reference_values_are_what_simulation_gives():
    ids = np.arange(60_000)
    for world in WORLDS:
        values, cases = world.reference_values(), world.deal(ids)
        truth = world.seal().reveal(ids, "test")
        names = {"public": "prior", "source": "full_information"}
        for group in world.information:
            belief = world.assess(cases, group, _nobody(cases.n))
            best = belief >= belief.max(axis=1, keepdims=True) - 1e-9
            hit = best[np.arange(len(ids)), truth] / best.sum(axis=1)
            exact = values[names.get(group, group)]
            assert exact.exact
            assert abs(hit.mean() - exact.value) < 4.5 * 0.5 / np.sqrt(len(ids))
        prior = world.assess(cases, "public", _nobody(cases.n))
        single = cases.evidence.llr[:, : len(world.config.findings)].sum(axis=1)
        added = prior + single
        best = added >= added.max(axis=1, keepdims=True) - 1e-9
        hit = best[np.arange(len(ids)), truth] / best.sum(axis=1)
        exact = values["independent_pooling"].value
        assert abs(hit.mean() - exact) < 4.5 * 0.5 / np.sqrt(len(ids))


def test_the_default_clinic_by_hand():
    """X-ray alone: a shadow in .98, .98 and .05 of the three diseases; the chart adds dyspnoea."""
    values = {name: r.value for name, r in WORLD.reference_values().items()}
    dysp = {"tub": 0.0, "lung": 0.0, "bronc": 0.0}
    for name in dysp:
        others = {o: "no" for o in dysp if o != name}
        dysp[name] = float(WORLD.net.posterior("dysp", {name: "yes", **others})[0])
    xray = {"tub": 0.98, "lung": 0.98, "bronc": 0.05}
    alone = 0.0
    for d in (0, 1):
        for x in (0, 1):
            alone += max(
                abs(d - dysp[name]) * abs(x - xray[name]) / 3 for name in ("tub", "lung", "bronc")
            )
    assert values["member_3"] == pytest.approx(alone, abs=1e-12)
    assert values["prior"] == pytest.approx((max(dysp.values()) + 1 - min(dysp.values())) / 3)
    assert values["full_information"] > values["no_communication"] > values["prior"]


def test_dependent_findings_get_a_joint_reading_and_independent_ones_do_not():
    assert not WORLD._law.dependent and WORLD.max_evidence == 3
    single = WORLDS[2]
    assert single._law.dependent and single.max_evidence == 3
    cases = single.deal(single.case_ids(Split.TEST, 0))
    assert cases.evidence.held[:, -1, 1:].all()  # the one member holds everything
    assert np.abs(cases.evidence.llr[:, -1]).max() > 0.05
    text = single.render_evidence(cases)[0][-1]
    assert text.startswith("joint reading: all findings together make bronchitis is ")


def test_members_hold_disjoint_findings_that_make_up_the_whole():
    world = WORLDS[1]
    cases = world.deal(world.case_ids(Split.TEST, 0))
    own = len(world.config.findings)
    held = cases.evidence.held[:, :own]
    assert (held[:, :, 1:-1].sum(axis=2) == held[:, :, -1]).all()
    assert len(np.unique(world._law.owner(cases.case_id), axis=0)) > 4  # dealt anew
    fixed = WORLD.deal(WORLD.case_ids(Split.TEST, 0)).evidence.held
    assert (fixed == fixed[:1]).all() and fixed[0, :, 1:4].tolist() == np.eye(
        3, dtype=bool
    ).tolist()


def test_texts_say_what_was_found():
    cases = WORLD.deal(WORLD.case_ids(Split.TEST, 0)[:50])
    codes = WORLD._law.codes(cases.case_id)
    words = ["visit to Asia", "smoking", "shadow on the chest X-ray"]
    for row, items in zip(codes[:, 1:].tolist(), WORLD.render_evidence(cases), strict=True):
        for word, code, item in zip(words, row, items, strict=True):
            assert item == f"finding: {word} is {'present' if code == 1 else 'absent'}"
    chart = [c.split(".")[0] for c in WORLD.render_context(cases)]
    assert chart == [f"dyspnoea is {'present' if c == 1 else 'absent'}" for c in codes[:, 0]]
    truth = WORLD.seal().reveal(cases.case_id, "test")
    names = ["tuberculosis", "lung cancer", "bronchitis"]
    option = WORLD._law.option(cases.case_id)
    shown = [o[t] for o, t in zip(WORLD.render_options(cases), truth, strict=True)]
    assert shown == [names[k] for k in option]


def test_a_file_of_ones_own_loads(tmp_path):
    (tmp_path / "net.json").write_text(
        '{"variables": [{"name": "ill", "states": ["a", "b", "c"], "table": [0.5, 0.3, 0.2]},'
        '{"name": "test", "states": ["lo", "hi"], "parents": ["ill"],'
        ' "table": [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]}]}'
    )
    config = DiagnosisConfig(
        net=str(tmp_path / "net.json"), targets=["ill"], public_findings=[], findings=["test"],
        members=1, prior="net",
    )  # fmt: skip
    world = Diagnosis(config, PLAN)
    assert_environment(world)
    values = world.reference_values()
    assert values["prior"].value == pytest.approx(0.5, abs=1e-12)
    assert values["full_information"].value == pytest.approx(0.45 + 0.16, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 4}, "environment.members=4 is not in 1 … 3"),
        ({"noise": 0.6}, "environment.noise=0.6"),
        ({"missing": 1.0}, "environment.missing=1.0"),
        ({"prior": "uniform"}, "environment.prior"),
        ({"assignment": "some"}, "environment.assignment"),
        ({"findings": []}, "environment.findings is empty"),
        ({"targets": ["tub", "flu"]}, "'flu' at environment.targets"),
        ({"findings": ["asia", "smoke", "tub"]}, "'tub' is named twice"),
        ({"present": "perhaps"}, "'perhaps' at environment.present"),
        ({"targets": ["either"], "findings": ["tub", "xray", "asia"]}, "tub=yes is impossible"),
        ({"net": "nowhere"}, "neither packaged"),
    ],
)
def test_a_bad_field_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        Diagnosis(dataclasses.replace(DiagnosisConfig(), **changes), PLAN)


# -- the team ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::UserWarning")
def test_pettingzoo_accepts_it():
    parallel_api_test(parallel_env(WORLD), num_cycles=60)
    parallel_seed_test(lambda: parallel_env(WORLD), num_cycles=30)


@pytest.mark.parametrize("world", WORLDS[:1], ids=["independent"])
def test_a_team_that_discloses_all_reaches_full_information(world):
    plan = SplitPlan({Split.TEACHING: 20_000})
    world = Diagnosis(world.config, plan)
    team = batched_team(world)
    ids = world.case_ids(Split.TEACHING, 0)
    team.reset(ids)
    n = len(ids)
    seen, *_ = team.step({f"member_{m + 1}": np.full(n, 1 + m) for m in range(3)})
    belief = np.log(seen["judge"]["assessment"]) + seen["judge"]["llr"].sum(axis=1)
    choice = 1 + world.max_evidence + np.argmax(belief, axis=1)
    _, reward, terminated, _ = team.step({"judge": choice})
    assert terminated.all()
    exact = world.reference_values()["full_information"].value
    assert abs(reward["judge"].mean() - exact) < 4.5 * 0.5 / np.sqrt(n)
