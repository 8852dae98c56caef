"""Juries: conformance, and simulated councils that agree with exact enumeration."""

import dataclasses

import numpy as np
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.jury import rules
from environments.jury.environment import Jury, JuryConfig
from environments.jury.proofs import PANEL, proofs

PLAN = SplitPlan(dict.fromkeys(Split, 400))
N = 40_000
BIG = SplitPlan({Split.TEST: N})


@pytest.mark.parametrize(
    "config",
    [
        JuryConfig(),
        JuryConfig(accuracy=list(PANEL), rule="weighted", correlation=0.4, world_seed=3),
        JuryConfig(prior=0.7, n_members=1),
        JuryConfig(n_members=3, accuracy=[0.4, 0.5, 0.625], rule="expert"),
        JuryConfig(n_members=25, accuracy=np.linspace(0.55, 0.9, 25).tolist()),
    ],
)
def test_it_conforms(config):
    assert_environment(Jury(config, PLAN))


def test_every_proof_holds():
    assert [proof for proof in proofs() if not proof.ok] == []


@pytest.mark.parametrize("rule", ["majority", "weighted", "expert"])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_councils_of_sincere_members_reach_the_exact_accuracy(rule, correlation):
    config = JuryConfig(
        accuracy=list(PANEL), rule=rule, correlation=correlation, prior=0.6, world_seed=2
    )
    jury = Jury(config, BIG)
    ids = jury.case_ids(Split.TEST, 0)
    signals = np.argmax(jury.deal(ids).evidence.llr, axis=2)
    council = jury.council()
    council.reset(ids)
    _, reward, _, _ = council.step(
        {seat: 1 + signals[:, member] for member, seat in enumerate(council.seats)}
    )
    exact = rules.weighted_accuracy(PANEL, jury.weights, 0.6, correlation, rule == "weighted")
    assert abs(reward["member_1"].mean() - exact) < 4.5 * np.sqrt(exact * (1 - exact) / N)


def test_signals_have_their_accuracy_and_their_correlation():
    for correlation in (0.0, 0.3):
        jury = Jury(JuryConfig(n_members=4, correlation=correlation), BIG)
        ids = jury.case_ids(Split.TEST, 0)
        truth = jury.seal().reveal(ids, "test")
        right = np.argmax(jury.deal(ids).evidence.llr, axis=2) == truth[:, None]
        assert np.abs(right.mean(axis=0) - 0.6).max() < 4.5 * 0.49 / np.sqrt(N)
        pairs = np.corrcoef(right.T)[np.triu_indices(4, 1)]
        assert np.abs(pairs - correlation).max() < 5 / np.sqrt(N)
    mixed = Jury(JuryConfig(accuracy=list(PANEL), correlation=0.8), BIG)
    right = np.argmax(mixed.deal(ids).evidence.llr, axis=2)
    right = right == mixed.seal().reveal(ids, "test")[:, None]
    assert np.abs(right.mean(axis=0) - PANEL).max() < 4.5 * 0.49 / np.sqrt(N)


def test_correlation_one_gives_equal_members_one_signal():
    jury = Jury(JuryConfig(correlation=1.0), PLAN)
    llr = jury.deal(jury.case_ids(Split.TEST, 0)).evidence.llr
    assert (llr == llr[:, :1]).all()


def test_the_source_reader_reaches_the_optimum_of_independent_signals():
    jury = Jury(JuryConfig(accuracy=list(PANEL), prior=0.7), BIG)
    ids = jury.case_ids(Split.TEST, 0)
    belief = jury.assess(jury.deal(ids), "source", np.zeros(N, dtype=np.int64))
    hit = belief.argmax(axis=1) == jury.seal().reveal(ids, "test")
    optimum = jury.reference_values()["full_information"].value
    assert optimum == rules.optimal_accuracy(PANEL, 0.7)
    assert abs(hit.mean() - optimum) < 4.5 * np.sqrt(optimum * (1 - optimum) / N)
    p = np.exp(belief[np.arange(N), belief.argmax(axis=1)])
    assert abs(p.mean() - hit.mean()) < 4.5 * 0.5 / np.sqrt(N)  # calibrated


def test_references_are_exact_and_ordered():
    values = Jury(JuryConfig(accuracy=list(PANEL)), PLAN).reference_values()
    assert all(reference.exact for reference in values.values())
    assert round(values["majority"].value, 5) == 0.87696
    assert round(values["full_information"].value, 5) == 0.92664
    assert round(values["perfect_facilitation"].value, 5) == 0.02664
    assert values["no_communication"].value == 0.9 and values["chance"].value == 0.5


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_perfect_facilitation_adds_to_no_communication(correlation):
    values = Jury(JuryConfig(correlation=correlation), PLAN).reference_values()
    full, alone = (values[name].value for name in ("full_information", "no_communication"))
    added = values["perfect_facilitation"].value
    assert added == pytest.approx(full - alone, abs=1e-12)
    assert not f"{added:.3f}".startswith("-")


def test_references_that_cannot_be_enumerated_are_left_out():
    many = JuryConfig(n_members=30, accuracy=np.linspace(0.51, 0.8, 30).tolist())
    values = Jury(many, PLAN).reference_values()
    assert "full_information" not in values and values["expert"].value == pytest.approx(0.8)


def test_texts_say_what_the_numbers_say():
    jury = Jury(JuryConfig(n_members=3, accuracy=[0.4, 0.5, 0.625], prior=0.7), PLAN)
    ids = jury.case_ids(Split.TEST, 0)
    cases = jury.deal(ids)
    signals, likelier = jury._signals(ids), jury._likelier(ids)
    for row, (context, names, facts) in enumerate(
        zip(
            jury.render_context(cases),
            jury.render_options(cases),
            jury.render_evidence(cases),
            strict=True,
        )
    ):
        assert context.endswith(f"In 70 of 100 such cases it was {names[likelier[row]]}.")
        assert facts[0].startswith("Signal 1: member 1, right 40 times in 100, saw ")
        for i in (0, 2):
            assert facts[i].endswith(f"saw {names[signals[row, i]]}.")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("n_members", 0, "accuracy has 1 numbers|n_members=0"),
        ("accuracy", [0.6, 0.7], "accuracy has 2 numbers; expected 1 for all members or 5"),
        ("accuracy", [], "accuracy has 0 numbers"),
        ("accuracy", [1.0], r"accuracy\[0\]=1.0 is not in 0.01 … 0.99"),
        ("correlation", -0.1, "correlation=-0.1"),
        ("prior", 0.4, "prior=0.4 is not in 0.5 … 0.99"),
        ("rule", "majorty", "did you mean majority"),
    ],
)
def test_a_bad_field_is_named(field, value, message):
    with pytest.raises(ConfigError, match=message):
        Jury(dataclasses.replace(JuryConfig(), **{field: value}), PLAN)
