"""What each conversation achieved: the judge's verdicts, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.messages import TEAM
from environments.core.columns import Columns
from experiments.analysis.bootstrap import Axes, CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.ledger_view import NOT_ASKED, arguing_sides, faults
from experiments.analysis.metrics import (
    NO_ARGUING_SIDE,
    NO_JUDGE,
    AgentScores,
    CalibrationCurve,
    agent_score_difference,
    calibration,
    inapplicable,
    side_scores,
)

PER_ROOM = {"words_per_room": "words", "words_heard_per_room": "heard_words"} | {
    "messages_per_room": "messages",
    "tokens_per_room": "tokens",
}
"""Metric to the column of `ledger_view.with_costs` that it averages."""

PROPORTIONS = ("judge_accuracy", "accuracy_as_shown", "accuracy_swapped", "verdict_stability")
"""Metrics that are shares of rooms."""


@dataclass(frozen=True)
class ConversationResult:
    """One conversation on one split."""

    name: str
    protocol: str
    split: str
    rooms: int
    metrics: dict[str, Estimate]
    """``judge_accuracy`` (of the verdict over all presentation orders: the judge's, or the team's
    where a team decides), ``accuracy_as_shown`` and
    ``accuracy_swapped`` (under each order alone), ``verdict_stability`` (share of rooms in which
    both orders gave the same choice), ``log_score``, ``brier``, ``ece``, ``asd_log``,
    ``asd_brier`` and the costs of `PER_ROOM`."""
    calibration: CalibrationCurve
    faults: dict[str, int]
    """See `experiments.analysis.ledger_view.faults`."""
    outcome: str
    """Whose decision is the verdict: a seat, or ``team``."""


def analyse_conversation(
    tables: Mapping[str, Columns], verdict: Columns, bootstrap: CrossedBootstrap
) -> ConversationResult:
    """Return the metrics of one conversation on one split.

    Args:
        tables: The ledger.
        verdict: Rows of `ledger_view.verdicts` with costs, of this conversation and split, at
            least one.
        bootstrap: Resamples of the split's seeds and cases, shared by all conversations.
    """
    axes, protocol = bootstrap.axes, str(verdict["protocol"][0])
    sampled = {
        "judge_accuracy": verdict["correct"].astype(np.float64),
        "log_score": verdict["log_score"],
        "brier": verdict["brier"],
        **_by_order(verdict),
    }
    sampled |= {metric: verdict[column] for metric, column in PER_ROOM.items()}
    grids = {name: _grid(axes, verdict, values) for name, values in sampled.items()}
    shares = [name for name in grids if name in PROPORTIONS]
    others = [name for name in grids if name not in PROPORTIONS]
    metrics = dict(
        zip(
            [*shares, *others],
            [
                *bootstrap.proportions(np.stack([grids[n] for n in shares]), _ONE_ORDER),
                *bootstrap.estimates(np.stack([grids[n] for n in others]), "no number was stated"),
            ],
            strict=True,
        )
    )
    with np.errstate(invalid="ignore"):
        confidence = np.where(
            np.isnan(verdict["probs"]).all(axis=1),
            np.nan,
            np.nan_to_num(verdict["probs"], nan=-1.0).max(axis=1),
        )
    curve = calibration(
        bootstrap,
        _grid(axes, verdict, confidence),
        _grid(axes, verdict, verdict["correct"].astype(np.float64)),
    )
    metrics["ece"] = curve.ece
    metrics |= _asd(tables, verdict, bootstrap, protocol)
    metrics = {
        name: Estimate.missing(inapplicable(name, protocol), 0)
        if inapplicable(name, protocol)
        else estimate
        for name, estimate in metrics.items()
    }
    return ConversationResult(
        str(verdict["conversation"][0]),
        protocol,
        str(verdict["split"][0]),
        verdict.n,
        metrics,
        curve,
        faults(tables, verdict),
        str(verdict["outcome"][0]),
    )


_ONE_ORDER = "only one order of the options was asked"


def _grid(axes: Axes, verdict: Columns, values: NDArray) -> NDArray[np.float64]:
    return axes.grid(verdict["replicate"], verdict["case_id"], values)


def _by_order(verdict: Columns) -> dict[str, NDArray[np.float64]]:
    shown, swapped = verdict["as_shown"], verdict["swapped"]
    both = (shown != NOT_ASKED) & (swapped != NOT_ASKED)
    return {
        "accuracy_as_shown": np.where(both, shown == verdict["truth"], np.nan),
        "accuracy_swapped": np.where(both, swapped == verdict["truth"], np.nan),
        "verdict_stability": np.where(both, shown == swapped, np.nan),
    }


def _asd(
    tables: Mapping[str, Columns], verdict: Columns, bootstrap: CrossedBootstrap, protocol: str
) -> dict[str, Estimate]:
    names = ("asd_log", "asd_brier")
    judged = str(verdict["seat"][0]) != TEAM
    reason = inapplicable(names[0], protocol) or ("" if judged else NO_JUDGE)
    sides = arguing_sides(tables, verdict)
    if reason or not sides.n:
        return {name: Estimate.missing(reason or NO_ARGUING_SIDE) for name in names}
    row, side = sides["row"], sides["side"]
    true = side == verdict["truth"][row]
    truthful = np.bincount(row[true], minlength=verdict.n)
    arguing = np.bincount(row, minlength=verdict.n)
    # A debate counts if exactly one side held the truth; a lone consultant always does.
    counted = (arguing == 1) | ((truthful == 1) & (arguing == 2))
    found = {}
    for name, score in side_scores(verdict["probs"][row], side).items():
        grids = []
        for kind in (true, ~true):
            values = np.full(verdict.n, np.nan)
            use = kind & counted[row]
            values[row[use]] = score[use]
            grids.append(_grid(bootstrap.axes, verdict, values))
        found[f"asd_{name}"] = agent_score_difference(bootstrap, AgentScores(*grids))
    return found
