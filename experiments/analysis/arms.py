"""What each arm's student learned, and how arms compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from experiments.analysis.bootstrap import CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.metrics import CalibrationCurve, calibration
from experiments.analysis.statistics import Paired, paired_difference, performance_gap_recovered
from experiments.config.schema import ScenarioConfig


@dataclass(frozen=True)
class ArmResult:
    """One way to teach, over all seeds."""

    name: str
    label: str
    sources: tuple[str, ...]
    """Conversations that this arm was taught from."""
    metrics: dict[str, Estimate]
    """``label_accuracy`` (on teaching cases, of the labels that were given), ``test_accuracy``
    (unaided, on unseen cases), ``uplift`` and ``uplift_over_naive`` (paired over seeds), the same
    with ``_bootstrap`` (crossed over cases and seeds), ``pgr``, ``imitation`` (agreement with the
    judge on test cases where the judge is wrong), ``ece``, ``words_per_label``,
    ``tokens_per_label``, ``labels_missing`` and ``truth_spent``."""
    calibration: CalibrationCurve
    """Of the unaided answers on test cases."""
    curve: tuple[tuple[int, Estimate], ...]
    """(tick, unaided accuracy on the curve split)."""
    labels: int
    """Samples taught, over all seeds."""


@dataclass(frozen=True)
class ArmData:
    """The observations about the arms, as grids of seeds × cases."""

    arms: tuple[str, ...]
    test: CrossedBootstrap
    correct: NDArray[np.float64]
    """[A, S, C] unaided answers on test cases, 1 for right."""
    choice: NDArray[np.float64]
    """[A, S, C]"""
    confidence: NDArray[np.float64]
    """[A, S, C] largest stated probability."""
    draws: NDArray[np.float64]
    """[A, B] resampled test accuracies."""

    def seed_means(self, arm: str) -> NDArray[np.float64]:
        """Return an arm's test accuracy per seed, [S]."""
        return np.asarray(np.nanmean(self.correct[self.arms.index(arm)], axis=1))

    def difference(self, first: str, second: str) -> tuple[Paired, Estimate]:
        """Return first - second: paired over seeds, and bootstrapped over cases and seeds."""
        one, two = self.arms.index(first), self.arms.index(second)
        paired = paired_difference(self.seed_means(first), self.seed_means(second))
        value = float(np.nanmean(self.correct[one]) - np.nanmean(self.correct[two]))
        n = int((~np.isnan(self.correct[one])).sum())
        return paired, self.test.estimate(value, self.draws[one] - self.draws[two], n)


def arm_data(
    arms: Sequence[str], arm_of: Mapping[int, str], exams: Columns, bootstrap: CrossedBootstrap
) -> ArmData:
    """Return the grids of all arms' unaided answers on test cases.

    Args:
        arms: Arm names, in order.
        arm_of: Student (agent id) to arm.
        exams: Rows of `ledger_view.verdicts` of the exam on the test split.
        bootstrap: Resamples of the test split.
    """
    arm = np.array([arm_of.get(int(agent), "") for agent in exams["agent_id"]], dtype=object)
    probs = exams["probs"]
    stated = np.where(
        np.isnan(probs).all(axis=1), np.nan, np.nan_to_num(probs, nan=-1.0).max(axis=1)
    )
    grids = []
    for name in arms:
        rows = arm == name
        place = exams["replicate"][rows], exams["case_id"][rows]
        grids.append(
            [
                bootstrap.axes.grid(*place, values[rows])
                for values in (exams["correct"], exams["choice"], stated)
            ]
        )
    correct, choice, confidence = (np.stack(part) for part in zip(*grids, strict=True))
    draws = bootstrap.means(correct)
    return ArmData(tuple(arms), bootstrap, correct, choice, confidence, draws)


def sources_of(config: ScenarioConfig, arm: str, taught_in: Sequence[str]) -> tuple[str, ...]:
    """Return the conversations that an arm is taught from, in the order of the scenario.

    They are those whose rooms its labels name, and those that its objective's settings name
    (``"debate"``, or a seat in one: ``"explanation.advisor"``).

    Args:
        config: The scenario.
        arm: The arm.
        taught_in: Conversations of the rooms that its labels refer to.
    """
    named = {
        value.partition(".")[0]
        for key, value in config.arms[arm].objective.items()
        if key != "name" and isinstance(value, str)
    }
    return tuple(name for name in config.conversations if name in named or name in taught_in)


def unaided_metrics(
    data: ArmData, arm: str, config: ScenarioConfig, judge: Columns | None
) -> tuple[dict[str, Estimate], CalibrationCurve]:
    """Return what an arm's student does alone on test cases.

    Args:
        data: All arms' answers.
        arm: The arm.
        config: Names the floor, the ceiling and the naive arm.
        judge: Verdicts on test cases of the conversation that taught the arm; None if there is
            none.
    """
    place, roles = data.arms.index(arm), config.analysis
    metrics = {"test_accuracy": data.test.proportions(data.correct[place][None])[0]}
    for name, other in (("uplift", roles.floor), ("uplift_over_naive", roles.naive)):
        metrics |= _uplift(data, arm, other, name)
    metrics["pgr"] = _pgr(data, arm, roles.floor, roles.ceiling)
    metrics["imitation"] = _imitation(data, place, judge)
    curve = calibration(data.test, data.confidence[place], data.correct[place])
    metrics["ece"] = curve.ece
    return metrics, curve


def _uplift(data: ArmData, arm: str, other: str, name: str) -> dict[str, Estimate]:
    both = (name, f"{name}_bootstrap")
    if other not in data.arms:
        return {key: Estimate.missing("the scenario names no arm to compare with") for key in both}
    if other == arm:
        return {
            key: Estimate.missing("this is the arm that others are compared with") for key in both
        }
    paired, crossed = data.difference(arm, other)
    return {both[0]: paired.estimate, both[1]: crossed}


def _pgr(data: ArmData, arm: str, floor: str, ceiling: str) -> Estimate:
    if floor not in data.arms or ceiling not in data.arms:
        return Estimate.missing("the scenario names no floor and ceiling")
    if arm == floor:
        return Estimate.missing("this is the floor: 0 by definition")
    if arm == ceiling:
        return Estimate.missing("this is the ceiling: 1 by definition")
    places = [data.arms.index(name) for name in (floor, arm, ceiling)]
    means = [float(np.nanmean(data.correct[place])) for place in places]
    n = int((~np.isnan(data.correct[places[1]])).sum())
    return performance_gap_recovered(means[0], means[1], means[2], data.draws[places], n)


def _imitation(data: ArmData, place: int, judge: Columns | None) -> Estimate:
    if judge is None or not judge.n:
        return Estimate.missing("no conversation taught this arm, so there is no judge to imitate")
    keys = judge["replicate"], judge["case_id"]
    verdict = data.test.axes.grid(*keys, judge["choice"])
    wrong = data.test.axes.grid(*keys, (judge["correct"] == 0) & (judge["choice"] >= 0))
    agrees = np.where(wrong == 1, (data.choice[place] == verdict).astype(np.float64), np.nan)
    agrees = np.where(np.isnan(data.choice[place]), np.nan, agrees)
    return data.test.proportions(agrees[None], "the judge was never wrong on test cases")[0]


def taught_metrics(
    labels: Columns, rooms: Columns, bootstrap: CrossedBootstrap
) -> dict[str, Estimate]:
    """Return what an arm was taught on teaching cases, and what that cost.

    Args:
        labels: The arm's rows of the labels table.
        rooms: Verdicts on teaching cases, with costs, of the conversations that it was taught
            from.
        bootstrap: Resamples of the teaching split.
    """
    axes = bootstrap.axes
    given = labels["weight"] > 0
    missing = Estimate.exact(int((~given).sum()), labels.n)
    if not given.any():
        none = Estimate.missing("this arm is taught nothing")
        return dict.fromkeys(("label_accuracy", "words_per_label", "tokens_per_label"), none) | {
            "labels_missing": Estimate.missing(none.reason, labels.n)
        }
    place = labels["replicate"], labels["case_id"]
    scored = given & (labels["correct"] >= 0)
    right = axes.grid(*place, np.where(scored, labels["correct"], np.nan))
    [accuracy] = bootstrap.proportions(right[None], "no label could be scored")
    found = {"label_accuracy": accuracy, "labels_missing": missing}
    taught = axes.grid(*place, np.where(given, 1.0, np.nan))
    count = bootstrap.sums(taught[None])[0]
    for metric, column in (("words_per_label", "heard_words"), ("tokens_per_label", "tokens")):
        if not rooms.n:
            found[metric] = Estimate.missing("no conversation taught this arm")
            continue
        heard = np.zeros((len(axes.replicates), len(axes.case_id)))
        row = np.searchsorted(axes.replicates, rooms["replicate"])
        column_of = np.searchsorted(axes.case_id, rooms["case_id"])
        np.add.at(heard, (row, column_of), rooms[column].astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = bootstrap.sums(heard[None])[0] / count
        n = int(given.sum())
        found[metric] = bootstrap.estimate(float(heard.sum() / n), draws, n)
    return found


def learning_curves(
    arms: Sequence[str], arm_of: Mapping[int, str], exams: Columns, bootstrap: CrossedBootstrap
) -> dict[str, tuple[tuple[int, Estimate], ...]]:
    """Return every arm's unaided accuracy on the curve split at every tick where it was measured.

    Args:
        arms: Arm names, in order.
        arm_of: Student (agent id) to arm.
        exams: Rows of `ledger_view.verdicts` of the exam on the curve split.
        bootstrap: Resamples of that split, the same for every tick.
    """
    arm = np.array([arm_of.get(int(agent), "") for agent in exams["agent_id"]], dtype=object)
    points: dict[str, tuple[tuple[int, Estimate], ...]] = {}
    for name in arms:
        ticks = np.unique(exams["tick"][arm == name])
        grids = []
        for tick in ticks:
            rows = (arm == name) & (exams["tick"] == tick)
            place = exams["replicate"][rows], exams["case_id"][rows]
            grids.append(bootstrap.axes.grid(*place, exams["correct"][rows]))
        found = bootstrap.proportions(np.stack(grids)) if grids else []
        points[name] = tuple(zip(ticks.tolist(), found, strict=True))
    return points
