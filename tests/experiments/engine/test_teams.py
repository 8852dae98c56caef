"""Teams without a judge through the engine: verdicts, members, probes; the same on any runtime."""

from __future__ import annotations

import numpy as np
import pytest

from coordination.messages import MessageKind
from experiments.analysis.ledger_view import NEEDED, faults, seat_decisions, verdicts, with_costs
from experiments.config.load import from_yaml_text
from experiments.runs.directory import RunDirectory
from tests.experiments.engine.small import drive, run

TEXT = """
name: team
seeds: 2
environment: {name: hidden_profile}
splits: {teaching: 48}
agents:
  guide: {role: strong, policy: facilitator}
  member:
    {role: weak, information: "member_#", copies: 4, policy: {name: discussant, recall: 0.6}}
conversations:
  vote: {protocol: vote, seats: {member: member}}
  mediated:
    protocol: {name: mediated, rounds: 3}
    seats: {facilitator: guide, member: member}
    initial: true
    influence: true
  delphi: {protocol: delphi, seats: {member: member}}
  deliberation: {protocol: {name: deliberation, quorum: 0.75}, seats: {member: member}}
schedule: {ticks: 2, block: 16, snapshot_every: 1}
analysis: {bootstrap: 50}
runtime: {name: inprocess, conversation_hosts: 1, cohort_hosts: 1}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(from_yaml_text(TEXT), tmp_path_factory.mktemp("runs") / "team")


@pytest.fixture(scope="module")
def tables(finished):
    opened = RunDirectory.open(finished.path)
    return {name: opened.read(name, columns=columns) for name, columns in NEEDED.items()}


def test_the_teams_decision_is_the_verdict(finished, tables):
    found = verdicts(tables)
    rooms = 2 * 48
    assert found.n == 4 * rooms and set(found["seat"].tolist()) == {"team"}
    vote = found.take(found["conversation"] == "vote")
    metrics = finished.summary["metrics"]
    assert metrics["conversation.vote.judge_accuracy"]["value"] == vote["correct"].mean()
    assert vote["correct"].mean() == 0.0, "everybody alone prefers the decoy"
    lines = RunDirectory.open(finished.path).metrics()
    assert lines[2]["conversations"]["vote"] == 0.0
    mediated = found.take(found["conversation"] == "mediated")
    assert mediated["correct"].mean() > 0.1
    assert faults(tables, found) == {}


def test_members_keep_their_own_results(tables):
    every = seat_decisions(tables)
    vote = every.take(every["conversation"] == "vote")
    members = [f"member_{i}" for i in range(1, 5)]
    assert sorted(set(vote["seat"].tolist())) == [*members, "team"]
    by_room = vote.n // 5
    votes = vote["choice"].reshape(by_room, 5)  # sorted by room and sender; the team comes last
    assert (votes[:, :4] == votes[:, :1]).all() and (votes[:, 4] == votes[:, 0]).all()
    assert set(every["agent_id"][every["seat"] == "team"].tolist()) == {-1}


def test_costs_are_those_of_the_whole_team(tables):
    found = with_costs(tables, verdicts(tables))
    mediated = found.take(found["conversation"] == "mediated")
    assert set(mediated["messages"].tolist()) == {3 * 4 + 3}
    said = mediated["words"]
    np.testing.assert_array_equal(mediated["heard_words"], 4 * said)  # everybody hears the others


def test_initial_and_influence_probes(tables):
    decisions = tables["decisions"]
    probes = decisions.take(decisions["probe"])
    assert set(probes["conversation"].tolist()) == {"mediated"}
    conditions = probes["condition"]
    members = 4 * 2 * 48
    assert {c: int((conditions == c).sum()) for c in set(conditions.tolist())} == {
        "initial": members,
        "everything": members,
        **{f"without {k.name.lower()}": members for k in _HEARD},
    }
    initial = probes.take(conditions == "initial").sort_by("case_id", "replicate", "sender")
    vote = decisions.take((decisions["conversation"] == "vote") & (decisions["presentation"] == 0))
    vote = vote.take(vote["seat"] != "team").sort_by("case_id", "replicate", "sender")
    np.testing.assert_allclose(initial["probs"], vote["probs"])
    unmoved = probes.take(conditions == "without question")["choice"]
    np.testing.assert_array_equal(unmoved, probes.take(conditions == "everything")["choice"])
    silent = probes.take(conditions == "without argument").sort_by("case_id", "replicate", "sender")
    np.testing.assert_array_equal(silent["choice"], initial["choice"])


_HEARD = (MessageKind.ARGUMENT, MessageKind.QUESTION, MessageKind.EXPLANATION)


def test_any_number_of_hosts(finished, tmp_path):
    other = drive(from_yaml_text(TEXT, ["runtime.conversation_hosts=3"]), tmp_path / "hosts")
    assert other.ledger_digest == finished.summary["ledger_digest"]


@pytest.mark.slow
@pytest.mark.ray
def test_both_runtimes_agree(finished, tmp_path):
    overrides = ["runtime.name=ray", "runtime.conversation_hosts=2"]
    other = drive(from_yaml_text(TEXT, overrides), tmp_path / "ray")
    assert other.ledger_digest == finished.summary["ledger_digest"]
