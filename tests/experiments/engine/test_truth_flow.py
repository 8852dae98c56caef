"""Truth reaches nobody who does not pay for it, and what learners learn rests on what was said."""

import numpy as np
import pytest

from experiments.runs.directory import RunDirectory
from experiments.runs.snapshots import read_snapshot_file
from tests.experiments.engine.small import flagship, run

HONEST = ("A1", "A5", "A6", "C1", "C2", "C4a", "C4b", "C5", "U1")


def weights_by_arm(config, path):
    """Return arm -> every student's final weights, concatenated."""
    from experiments.engine.plan import Plan

    plan = Plan(config)
    directory = RunDirectory.open(path)
    snapshot = directory.manifest.snapshots[-1]
    state = {}
    for file in snapshot.files:
        if file.name.startswith("learner"):
            folder = directory.checkpoint_root / snapshot.folder
            state |= read_snapshot_file(folder, file.name, file)
    return {
        arm: np.concatenate(
            [
                np.ravel(value)
                for r in plan.replicates
                for value in state[f"student/{plan.student_id(r, arm)}/weights"].values()
            ]
        )
        for arm in plan.arms
    }


@pytest.fixture(scope="module")
def config():
    return flagship()


@pytest.fixture(scope="module")
def plain(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("runs") / "plain")


def test_permuting_the_truth_changes_no_weight_that_did_not_pay(config, plain, tmp_path):
    permuted = run(flagship("mutations.permute_truth=true"), tmp_path / "permuted")
    before = weights_by_arm(config, plain.path)
    after = weights_by_arm(config, permuted.path)
    for arm in ("A0", "A2", "A3", "A4", *HONEST):
        assert np.array_equal(before[arm], after[arm]), arm
    for arm in ("U2", "C3"):
        assert not np.array_equal(before[arm], after[arm]), arm
    metric = "conversation.debate.judge_accuracy"
    assert (
        permuted.summary["metrics"][metric]["value"]
        < 0.5
        < plain.summary["metrics"][metric]["value"]
    )


def test_truth_is_counted_by_purpose_and_arm(config, plain):
    extra = RunDirectory.open(plain.path).manifest.ticks[-1].extra
    teaching = config.splits.teaching * config.seeds
    assert extra["truth_spent"] == {
        "analysis": teaching,
        "ceiling": teaching,
        "warm_start": config.splits.warm_start * config.seeds,
    }
    assert extra["truth_spent_by_arm"] == {"C3": teaching, "U2": teaching}


def test_the_floor_does_not_move_and_the_others_do(config, plain):
    weights = weights_by_arm(config, plain.path)
    assert all(not np.array_equal(weights["A0"], weights[a]) for a in weights if a != "A0")
    labels = RunDirectory.open(plain.path).read("labels")
    floor = labels.take(labels["arm"] == "A0")
    assert (floor["weight"] == 0).all()


def test_arms_share_their_starting_weights_and_their_cases(config, plain):
    labels = RunDirectory.open(plain.path).read("labels")
    first = labels.take(labels["arm"] == "A2")["case_id"]
    for arm in config.arms:
        assert np.array_equal(np.sort(labels.take(labels["arm"] == arm)["case_id"]), np.sort(first))
    curve = RunDirectory.open(plain.path).read("scores", where={"split": "curve"})
    start = curve.take((curve["tick"] == 0) & (curve["presentation"] == -1))
    plan_order = np.lexsort([start["agent_id"], start["case_id"], start["replicate"]])
    by_student = start["p_true"][plan_order].reshape(-1, len(config.arms))
    assert np.array_equal(by_student, np.repeat(by_student[:, :1], len(config.arms), axis=1))


def test_splits_are_disjoint(config):
    from environments.cases import Split
    from experiments.engine.build import build_environment

    environment = build_environment(config)
    for replicate in (0, 1):
        ids = np.concatenate([environment.case_ids(split, replicate) for split in Split])
        assert len(np.unique(ids)) == len(ids)


@pytest.mark.parametrize("environment", ["reading", "chess_puzzles"])
def test_with_the_passage_shown_to_the_judge_the_arms_coincide(environment, tmp_path):
    shown = run(
        flagship(
            "agents.judge.information=source",
            "agents.judge.policy=bayesian",
            "agents.reader.policy=bayesian",
            arms=("U1",),
            environment=environment,
        ),
        tmp_path / "shown",
    )
    directory = RunDirectory.open(shown.path)
    labels = directory.read("labels").sort_by("replicate", "case_id")
    reference = labels.take(labels["arm"] == "U1")["target"]
    for arm in ("A2", "A3", "A4"):
        target = labels.take(labels["arm"] == arm)["target"]
        assert np.allclose(target, reference, rtol=0, atol=1e-12), arm
    metrics = shown.summary["metrics"]
    accuracies = {metrics[f"arm.{arm}.test_accuracy"]["value"] for arm in ("A2", "A3", "A4", "U1")}
    assert len(accuracies) == 1


def test_blank_messages_leave_the_judge_with_its_prior(tmp_path):
    blank = run(
        flagship("mutations.blank_messages=true", "agents.judge.policy=bayesian", arms=("C1",)),
        tmp_path / "blank",
    )
    labels = RunDirectory.open(blank.path).read("labels").sort_by("replicate", "case_id")
    naive = labels.take(labels["arm"] == "A2")["target"]
    for arm in ("A3", "A4"):
        assert np.array_equal(labels.take(labels["arm"] == arm)["target"], naive)


def test_shuffled_strong_answers_teach_nothing_and_argue_worse(tmp_path):
    """Each answer goes to another case: Φ's labels fall to chance, debate loses its selection.

    Debate does not fall to the judge's prior: a quote of an arbitrary item is still a real one.
    """
    sizes = (
        "splits.teaching=512",
        "schedule.block=128",
        "agents.judge.policy=bayesian",
        "agents.expert_a.policy.honesty=1",
    )
    plain = run(flagship(*sizes, arms=("A5",)), tmp_path / "plain")
    mixed = run(
        flagship(*sizes, "mutations.shuffle_strong=true", arms=("A5",)), tmp_path / "shuffled"
    )
    label, judge = "arm.A5.label_accuracy", "conversation.debate.judge_accuracy"
    before, after = (r.summary["metrics"] for r in (plain, mixed))
    # Fixed seeds, 1 024 cases: standard error of an accuracy near .5 is .016.
    assert before[label]["value"] > 0.9
    assert abs(after[label]["value"] - 0.5) < 0.06
    assert after[judge]["value"] < before[judge]["value"] - 0.05
