"""What a conversation did to its decider, from runs of the engine."""

from __future__ import annotations

import pytest

from experiments.analysis.ledger_view import NEEDED
from experiments.analysis.loading import load_run
from experiments.config.load import load_scenario
from experiments.engine.run import run_scenario
from experiments.progress import NullProgress
from experiments.runs.directory import RunDirectory

SMALL = ["runtime=inprocess", "seeds=2", "splits.teaching=32", "schedule.block=16",
         "schedule.ticks=1", "analysis.bootstrap=50", "runtime.conversation_hosts=1"]  # fmt: skip
PROBES = ["conversations.consultancy.initial=true", "conversations.consultancy.influence=true",
          "conversations.debate.influence=true"]  # fmt: skip


def analysed(path, *settings):
    config = load_scenario("debate", [*SMALL, *settings])
    run_scenario(config, path, NullProgress(), report=False)
    with RunDirectory.open(path) as run:
        return load_run(run).analysis


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("reliance") / "probed", *PROBES)


def test_a_probe_at_the_start_and_the_judge_alone_are_the_same_belief(probed, tmp_path):
    """Two ways to know what the judge thought at first agree to the last digit."""
    plain = analysed(tmp_path / "plain")
    asked, derived = (a.conversation("consultancy").metrics for a in (probed, plain))
    naive = plain.conversation("naive").metrics["judge_accuracy"].value
    assert asked["initial_accuracy"].value == derived["initial_accuracy"].value == naive
    for name in ("persuasion", "persuasion_truth", "synergy", "augmentation", "rair", "rsr"):
        assert asked[name] == derived[name]


def test_the_parts_fit_together(probed):
    found = probed.conversation("consultancy").metrics
    gain, augmentation = found["gain_over_naive"], found["augmentation"]
    assert augmentation.value == pytest.approx(gain.value)
    assert found["synergy"].value == pytest.approx(
        found["judge_accuracy"].value
        - max(found["initial_accuracy"].value, found["advice_accuracy"].value)
    )
    for one, other in (("rair", "under_reliance"), ("rsr", "over_reliance")):
        assert found[one].value + found[other].value == pytest.approx(1)
    assert found["accuracy_per_kiloword"].value == pytest.approx(
        1000 * found["judge_accuracy"].value / found["words_per_room"].value
    )
    assert 0 < found["influence_tv"].value <= 1 and found["influence_kl"].value > 0
    assert found["influence_tv"] == found["influence_tv_argument"]


def test_without_its_only_messages_the_decision_is_the_initial_one(probed):
    """Persuasion and influence of the only kind are the same move: |p_final - p_initial|."""
    found = probed.conversation("consultancy").metrics
    debate = probed.conversation("debate").metrics
    assert found["influence_tv"].value == pytest.approx(found["persuasion"].value, abs=0.02)
    # In a debate between two options what one side wins the other loses.
    assert debate["persuasion"].value == pytest.approx(0, abs=1e-12)


def test_a_credulous_judge_relies_blindly(tmp_path):
    """It takes all advice: RAIR 1, RSR 0, accuracy that of the advice, ASD 0."""
    judge = ["agents.judge.policy.preset=over_truster",
             "agents.judge.policy.perceive.unverified_weight=1.0",
             "agents.judge.policy.update.evidence_weight=50.0",
             "conversations.consultancy.protocol.stance=assigned"]  # fmt: skip
    found = analysed(tmp_path / "run", *judge).conversation("consultancy").metrics
    assert found["rair"].value == 1.0 and found["rsr"].value == 0.0
    assert found["judge_accuracy"].value == found["advice_accuracy"].value
    assert found["asd_accuracy"].value == 0.0


def test_what_does_not_apply_is_null_with_its_reason(probed):
    naive, debate = (probed.conversation(name).metrics for name in ("naive", "debate"))
    for name in ("rair", "persuasion", "asd_log_odds", "influence_tv", "gain_over_naive"):
        assert naive[name].value is None and naive[name].reason
    assert debate["rair"].value is None and "one adviser" in debate["rair"].reason
    assert debate["accuracy_per_kilotoken"].reason == "no tokens were spent"
    assert "stated" in NEEDED["messages"]
    gains = [probed.conversation(n).metrics["gain_over_naive_p_holm"] for n in ("debate", "naive")]
    assert gains[0].reason and gains[1].value is None
