"""Rejudging: the same judge decides the same; another one decides on the same words."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from experiments import cli
from experiments.analysis.judges import compare_judges
from experiments.analysis.ledger_view import NEEDED
from experiments.rejudge.report import compare_runs, comparison_table
from experiments.runs.reader import CommittedRun

SMALL = ["runtime=inprocess", "seeds=2", "splits.teaching=24", "schedule.block=8",
         "analysis.bootstrap=50"]  # fmt: skip


def held(tmp, *settings: str) -> Path:
    path = tmp / "run"
    assert cli.main(["run", "debate", *SMALL, *settings, "--quiet", f"out={path}"]) == 0
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return held(tmp_path_factory.mktemp("rejudge"))


def digest(path: Path) -> str:
    return CommittedRun.open(path).ledger_digest


def fails(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert cli.main(list(arguments)) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("error: ") and "Traceback" not in "".join(error)
    return error[-1]


def test_the_same_judge_gives_the_same_ledger(finished, capsys):
    assert cli.main(["rejudge", str(finished)]) == 0
    again = finished / "rejudged" / "same"
    assert digest(again) == digest(finished)
    assert CommittedRun.open(again).verify().equal
    found = json.loads((again / "rejudge.json").read_text())
    for one in found["comparisons"]:
        assert one["changed"]["value"] == 0 and one["difference"]["log_score"]["value"] == 0
    assert cli.main(["verify", str(again)]) == 0


@pytest.mark.parametrize(
    "settings",
    [
        ["conversations.consultancy.protocol.questions=true",
         "conversations.debate.protocol.order=sequential", "conversations.debate.topology=star",
         # Trust that grows from audited cases is learned again from the same verdicts.
         "feedback.kind=audited", "feedback.fraction=0.5", "agents.judge.policy.trust.failure=4"],
        ["mutations.blank_messages=true", "conversations.debate.verification=false",
         "conversations.naive.both_orders=false"],
    ],
    ids=["questions and feedback", "blank"],
)  # fmt: skip
def test_the_same_judge_gives_the_same_ledger_whatever_the_rules(tmp_path, settings):
    path = held(tmp_path, *settings)
    assert cli.main(["rejudge", str(path), f"out={tmp_path / 'again'}"]) == 0
    assert digest(tmp_path / "again") == digest(path)


def test_another_judge_decides_on_the_same_words(finished, tmp_path, capsys):
    out = tmp_path / "trusting"
    arguments = ["judge.preset=over_truster", "judge.perceive.unverified_weight=1.0"]
    assert cli.main(["rejudge", str(finished), *arguments, f"out={out}"]) == 0
    assert "Old and new judge" in capsys.readouterr().out
    old, new = CommittedRun.open(finished), CommittedRun.open(out)
    for table in ("rooms", "messages", "deliveries"):
        one, two = old.read(table), new.read(table)
        assert one.digest() == two.digest()
    was, now = old.read("decisions"), new.read("decisions")
    assert was.n == now.n
    assert not np.array_equal(was["probs"], now["probs"])
    silent = was["conversation"] == "naive"
    assert was["agent_id"].tolist() == now["agent_id"].tolist() and silent.any()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["ledger_digest"] == new.ledger_digest
    assert (out / "report.html").is_file()
    capsys.readouterr()
    assert cli.main(["elo", str(out), "--resamples", "10"]) == 0
    short = capsys.readouterr().out
    assert "All conversations" in short and ": pairs" not in short  # two experts: a line each
    assert cli.main(["elo", str(out), "--resamples", "10", "--full"]) == 0
    full = capsys.readouterr().out
    assert "debate, debate game: pairs" in full and "All conversations" not in full


def test_comparisons_stand_in_the_order_of_the_configuration(finished, tmp_path):
    """Ledgers are sorted by room ids, which are hashes: their own order is another one."""
    out = tmp_path / "rational"
    assert cli.main(["rejudge", str(finished), "judge.preset=rational", f"out={out}"]) == 0
    old, new = CommittedRun.open(finished), CommittedRun.open(out)
    one, two = ({n: run.read(n, columns=c) for n, c in NEEDED.items()} for run in (old, new))
    configured = ["naive", "consultancy", "debate"]
    assert [found.conversation for found in compare_judges(one, two, 10, 0)] != configured
    found = compare_runs(old, new, 10, 0)
    assert [one.conversation for one in found] == configured
    written = json.loads((out / "rejudge.json").read_text())["comparisons"]
    assert [one["conversation"] for one in written] == configured
    assert [row[0] for row in comparison_table(found).rows] == configured


def test_a_judge_who_never_states_a_number_has_no_scores_and_no_warning(finished):
    run = CommittedRun.open(finished)
    one = {name: run.read(name, columns=columns) for name, columns in NEEDED.items()}
    none = np.full(one["scores"].n, np.nan)
    two = {**one, "scores": one["scores"].with_(log_score=none, brier=none)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare_judges(one, two, 10, 0)
    assert len(found) == 3
    for comparison in found:
        assert comparison.over_seeds["correct"].value == 0.0
        assert comparison.over_seeds["log_score"].value is None
        assert (
            comparison.first["brier"].value is not None and comparison.second["brier"].value is None
        )


def test_a_judge_with_the_source_needs_nobody(finished, tmp_path):
    """With all evidence of its own, what was said adds nothing: one verdict in every protocol."""
    out = tmp_path / "source"
    arguments = ["judge=bayesian", "judge.information=source", "judge.unverified_weight=0"]
    assert cli.main(["rejudge", str(finished), *arguments, f"out={out}"]) == 0
    decisions = CommittedRun.open(out).read("decisions", where={"presentation": -1})
    decisions = decisions.sort_by("conversation", "replicate", "case_id")
    probs = decisions["probs"].reshape(3, -1, decisions["probs"].shape[1])
    assert probs[1] == pytest.approx(probs[0]) and probs[2] == pytest.approx(probs[0])


def test_a_rejudged_run_can_be_rejudged_back(finished, tmp_path):
    away, back = tmp_path / "away", tmp_path / "back"
    assert cli.main(["rejudge", str(finished), "judge.preset=rational", f"out={away}"]) == 0
    assert digest(away) != digest(finished)
    judge = "judge.preset=typical_person"
    assert cli.main(["rejudge", str(away), judge, f"out={back}"]) == 0
    assert digest(back) == digest(finished)


def test_what_cannot_be_is_one_line_and_leaves_nothing(finished, tmp_path, capsys):
    out = tmp_path / "out"
    for arguments, told in (
        (["judge=nobody"], "unknown policy 'nobody' at judge (allowed: bayesian, "),
        (["judge=typical_person"], "did you mean judge=human_proxy judge.preset=typical_person?"),
        (["judge=over_trustr"], "did you mean judge=human_proxy judge.preset=over_truster?"),
        (["judge.credulous=1"], "credulous"),
        (["judge.information=heaven"], "heaven"),
        (["agents.judge.policy=bayesian"], "only the judge is replaced"),
    ):
        assert told in fails(capsys, "rejudge", str(finished), *arguments, f"out={out}")
    assert list(tmp_path.iterdir()) == []
    assert "no such run" in fails(capsys, "rejudge", str(tmp_path / "none"))
    out.mkdir()
    (out / "mine").write_text("")
    assert "not empty" in fails(capsys, "rejudge", str(finished), f"out={out}")


def test_a_ledger_whose_configuration_was_changed_is_refused(finished, tmp_path, capsys):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    text = (copy / "config.yaml").read_text()
    assert "world_seed: 0" in text
    (copy / "config.yaml").write_text(text.replace("world_seed: 0", "world_seed: 1", 1))
    out = f"out={tmp_path / 'out'}"
    assert "was changed after" in fails(capsys, "rejudge", str(copy), out)
    assert not (tmp_path / "out").exists()
