"""From ledger tables to the summary: right numbers, whatever the order of the rows."""

import json

import numpy as np
import pytest

from coordination.messages import Fault
from environments.core.columns import Columns
from environments.core.errors import DataError
from environments.core.keyed import Keyed
from experiments.analysis.analysis import analyse
from experiments.analysis.arms import ArmData
from experiments.analysis.estimate import Estimate
from experiments.analysis.ledger_view import verdicts
from experiments.analysis.statistics import Paired
from experiments.analysis.summary import summarize
from tests.experiments.analysis.synthetic import World, extra, ledger, scenario

WORLD = World()


@pytest.fixture(scope="module")
def tables():
    return ledger(WORLD)


@pytest.fixture(scope="module")
def metrics(tables):
    return summarize(tables, scenario(WORLD), extra(WORLD))["metrics"]


def exam_scores(tables, arm, split="test"):
    plan_slot = 5 + list(scenario(WORLD).arms).index(arm)  # five configured agents come first
    scores = tables["scores"]
    keep = (scores["conversation"] == "exam") & (scores["split"] == split)
    keep &= (scores["presentation"] == -1) & (scores["agent_id"] % 14 == plan_slot)
    return scores.take(keep)


def test_test_accuracy_is_the_mean_of_the_exam_verdicts(tables, metrics):
    rows = exam_scores(tables, "A4")
    assert rows.n == WORLD.seeds * WORLD.test
    found = metrics["arm.A4.test_accuracy"]
    assert found["value"] == pytest.approx(rows["correct"].mean()) and found["n"] == rows.n
    assert found["low"] < found["value"] < found["high"]


def test_primary_is_the_paired_difference_per_seed(tables, metrics):
    one, two = exam_scores(tables, "A4"), exam_scores(tables, "A3")
    by_seed = [
        one["correct"][one["replicate"] == r].mean() - two["correct"][two["replicate"] == r].mean()
        for r in np.unique(one["replicate"])
    ]
    assert metrics["primary.difference"]["value"] == pytest.approx(np.mean(by_seed))
    assert metrics["primary.difference"]["n"] == 3
    assert metrics["primary.difference_bootstrap"]["value"] == pytest.approx(np.mean(by_seed))
    assert metrics["primary.detectable"]["value"] > 0


def test_pgr_is_the_ratio_of_means(tables, metrics):
    floor, arm, ceiling = (
        exam_scores(tables, name)["correct"].mean() for name in ("A0", "A4", "U2")
    )
    assert metrics["arm.A4.pgr"]["value"] == pytest.approx((arm - floor) / (ceiling - floor))
    assert metrics["arm.A0.pgr"]["value"] is None and "floor" in metrics["arm.A0.pgr"]["reason"]


def test_pgr_is_withheld_where_there_is_nothing_to_recover():
    world = WORLD.with_plateau(U2=0.62)
    found = summarize(ledger(world), scenario(world), extra(world))["metrics"]["arm.A4.pgr"]
    assert found["value"] is None and "does not exceed 0.05" in found["reason"]


def test_judges_labels_costs_and_truth(tables, metrics):
    scores = tables["scores"]
    judged = (scores["conversation"] == "debate") & (scores["presentation"] == -1)
    teaching = scores.take(judged & (scores["split"] == "teaching"))
    assert metrics["conversation.debate.judge_accuracy"]["value"] == pytest.approx(
        teaching["correct"].mean()
    )
    assert metrics["conversation.debate.log_score"]["value"] == pytest.approx(
        teaching["log_score"].mean()
    )
    assert metrics["conversation.debate.messages_per_room"]["value"] == 6
    assert metrics["conversation.debate.words_per_room"]["value"] == 3 * 20 + 3 * 21
    labels = tables["labels"].take(tables["labels"]["arm"] == "A4")
    given = labels["weight"] > 0
    assert metrics["arm.A4.label_accuracy"]["value"] == pytest.approx(
        labels["correct"][given].mean()
    )
    assert metrics["arm.A4.labels_missing"]["value"] == (~given).sum() == 24
    assert metrics["arm.A4.words_per_label"]["value"] == pytest.approx(123 * 480 / 456)
    assert metrics["arm.A6.words_per_label"]["value"] == pytest.approx(143 * 480 / 456)
    assert metrics["arm.C2.words_per_label"]["value"] is None  # random targets need no conversation
    assert metrics["arm.U2.truth_spent"]["value"] == 480
    assert metrics["truth_spent.warm_start"]["value"] == 300


def test_asd_of_a_two_option_debate_is_the_mean_logit(tables, metrics):
    scores = tables["scores"]
    rows = scores.take(
        (scores["conversation"] == "debate")
        & (scores["presentation"] == -1)
        & (scores["split"] == "test")
    )
    p = rows["p_true"]
    assert metrics["conversation.debate.test.asd_log"]["value"] == pytest.approx(
        np.log(p / (1 - p)).mean()
    )
    assert metrics["conversation.debate.test.asd_brier"]["value"] == pytest.approx(
        (4 * p - 2).mean()
    )
    naive = metrics["conversation.naive.asd_log"]
    assert naive["value"] is None and naive["reason"]


def test_imitation_looks_only_where_the_judge_is_wrong(tables, metrics):
    student = exam_scores(tables, "A4")
    scores = tables["scores"]
    judge = scores.take(
        (scores["conversation"] == "debate")
        & (scores["presentation"] == -1)
        & (scores["split"] == "test")
    )
    wrong = {
        (r, c)
        for r, c, right in zip(judge["replicate"], judge["case_id"], judge["correct"], strict=True)
        if not right
    }
    # With two options a student agrees with a wrong judge exactly if it is wrong too.
    agrees = [
        1 - right
        for r, c, right in zip(
            student["replicate"], student["case_id"], student["correct"], strict=True
        )
        if (r, c) in wrong
    ]
    assert metrics["arm.A4.imitation"]["value"] == pytest.approx(np.mean(agrees))
    assert metrics["arm.A4.imitation"]["n"] == len(wrong)


def test_a_debate_without_the_truth_among_its_sides_has_no_asd():
    world = World(options=3, seeds=1)
    tables = ledger(world)
    result = analyse(tables, scenario(world), extra(world)).conversations["debate"]["teaching"]
    rows = verdicts(tables)
    rows = rows.take((rows["conversation"] == "debate") & (rows["split"] == "teaching"))
    stances = tables["messages"].take(np.isin(tables["messages"]["room_id"], rows["room_id"]))
    with_truth = sum(
        int(truth in stances["stance"][stances["room_id"] == room])
        for room, truth in zip(rows["room_id"], rows["truth"], strict=True)
    )
    assert 0 < with_truth < rows.n
    assert result.metrics["asd_log"].n == with_truth


def test_order_of_rows_does_not_matter(tables, metrics):
    shuffled = {
        name: rows.take(Keyed(9, name).permutation(rows.n)) for name, rows in tables.items()
    }
    again = summarize(shuffled, scenario(WORLD), extra(WORLD))["metrics"]
    assert json.dumps(again, sort_keys=True) == json.dumps(metrics, sort_keys=True)


def test_probes_and_child_rooms_do_not_count(tables, metrics):
    decisions, rooms = tables["decisions"], tables["rooms"]
    judged = decisions["conversation"] == "debate"
    probe = decisions.take(judged & (decisions["presentation"] == -1)).with_(
        probe=np.ones((judged & (decisions["presentation"] == -1)).sum(), bool),
        turn=np.full((judged & (decisions["presentation"] == -1)).sum(), 99),
    )
    child = rooms.take(rooms["conversation"] == "debate")
    child = child.with_(room_id=child["room_id"] + 1, parent_room=child["room_id"])
    kids = decisions.take(judged)
    kids = kids.with_(room_id=kids["room_id"] + 1, choice=1 - kids["choice"])
    marks = tables["scores"].take(tables["scores"]["conversation"] == "debate")
    more = {
        **tables,
        "rooms": Columns.concat([rooms, child]),
        "decisions": Columns.concat([decisions, probe, kids]),
        "scores": Columns.concat(
            [
                tables["scores"],
                marks.with_(room_id=marks["room_id"] + 1, correct=1 - marks["correct"]),
            ]
        ),
    }
    again = summarize(more, scenario(WORLD), extra(WORLD))["metrics"]
    name = "conversation.debate.judge_accuracy"
    assert again[name] == metrics[name]


def test_a_decision_without_score_is_an_error(tables):
    verdict = np.flatnonzero(tables["scores"]["presentation"] == -1)
    keep = np.delete(np.arange(tables["scores"].n), verdict[0])
    broken = {**tables, "scores": tables["scores"].take(keep)}
    with pytest.raises(DataError, match="scores"):
        verdicts(broken)


def test_faults_are_counted_and_inconclusive_is_wrong(tables):
    decisions = tables["decisions"]
    hit = np.flatnonzero(
        (decisions["conversation"] == "debate") & (decisions["presentation"] == -1)
    )
    choice, fault = decisions["choice"].copy(), decisions["fault"].copy()
    choice[hit[:3]] = -1
    fault[hit[:2]] = int(Fault.UNPARSABLE)
    faulty = {**tables, "decisions": decisions.with_(choice=choice, fault=fault)}
    found = summarize(faulty, scenario(WORLD), extra(WORLD))["metrics"]
    assert found["conversation.debate.fault.verdict.unparsable"]["value"] == 2
    assert found["conversation.debate.fault.verdict.inconclusive"]["value"] == 1


@pytest.mark.parametrize(
    "world",
    [
        World(seeds=1),
        World(learns=False),
        World(learns=False, seeds=1, both_orders=False),
        World(curve=0),
        World(options=4, seeds=2),
    ],
    ids=["one-seed", "no-arms", "no-arms-one-order", "no-curve", "four-options"],
)
def test_every_shape_of_run_gives_strict_json(world):
    document = summarize(
        ledger(world), scenario(world), extra(world), ledger_digest="d", wall_s=1.5
    )
    text = json.dumps(document, allow_nan=False)
    assert set(json.loads(text)) == {
        "scenario", "seed", "ledger_digest", "metrics", "wall_s", "versions", "hardware",
    }  # fmt: skip
    for name, metric in document["metrics"].items():
        assert set(metric) - {"reason"} == {"value", "low", "high", "n"}, name
        if metric["value"] is None or metric["low"] is None:
            assert metric.get("reason"), name
        else:
            assert metric["low"] <= metric["high"], name


def test_one_seed_claims_no_interval_over_seeds():
    world = World(seeds=1)
    found = summarize(ledger(world), scenario(world), extra(world))["metrics"]
    assert found["primary.difference"]["low"] is None
    assert "one seed" in found["primary.difference"]["reason"]
    assert found["primary.difference_bootstrap"]["low"] is not None
    assert "cases only" in found["arm.A4.test_accuracy"]["reason"]


def test_a_learning_control_fails_its_check():
    world = WORLD.with_plateau(C1=0.78, C2=0.55)
    checks = {c.arm: c.holds for c in analyse(ledger(world), scenario(world), extra(world)).checks}
    assert checks == {"C1": False, "C2": True, "U2": True}


@pytest.mark.parametrize("low,high,holds", [(0.01, 0.03, False), (-0.02, 0.049, True),
    (-0.02, 0.051, None), (-0.09, -0.01, True), (None, None, None)])  # fmt: skip
@pytest.mark.parametrize("paired_half", [0.001, 0.5])
def test_controls_are_judged_by_the_crossed_bootstrap(monkeypatch, low, high, holds, paired_half):
    paired = Paired(Estimate(0.0, -paired_half, paired_half, 3), 1.0, Estimate.missing(""))
    crossed = Estimate(0.0, low, high, 9)
    monkeypatch.setattr(ArmData, "difference", lambda *_: (paired, crossed))
    world = World(teaching=24, curve=10, test=20, ticks=2, seeds=2)
    checks = {c.arm: c.holds for c in analyse(ledger(world), scenario(world), extra(world)).checks}
    assert checks["C1"] is holds and checks["C2"] is holds


@pytest.mark.parametrize("plateau,holds", [(0.85, True), (0.6, None), (0.4, False)])
def test_the_ceiling_must_be_shown_to_teach(plateau, holds):
    world = WORLD.with_plateau(U2=plateau)
    checks = {c.arm: c.holds for c in analyse(ledger(world), scenario(world), extra(world)).checks}
    assert checks["U2"] is holds


def test_curve_has_a_point_for_every_measured_tick(tables, metrics):
    for tick in (0, 2, 4):
        rows = exam_scores(tables, "A4", "curve")
        rows = rows.take(rows["tick"] == tick)
        found = metrics[f"arm.A4.curve.tick_{tick:04d}"]
        assert found["value"] == pytest.approx(rows["correct"].mean())
    assert "arm.A4.curve.tick_0001" not in metrics
