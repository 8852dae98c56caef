"""What each conversation achieved: the judge's verdicts, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from experiments.analysis.applicability import NO_ARGUING_SIDE, inapplicable
from experiments.analysis.bootstrap import Axes, CrossedBootstrap
from experiments.analysis.comparisons import same_cells
from experiments.analysis.estimate import Estimate
from experiments.analysis.ledger_view import NOT_ASKED, arguing_sides, faults
from experiments.analysis.market import MARKET_METRICS, losses_by_room
from experiments.analysis.metrics import (
    AgentScores,
    CalibrationCurve,
    agent_score_difference,
    calibration,
    side_scores,
)
from experiments.analysis.reliance import reliance_metrics
from experiments.analysis.statistics import Paired, holm, paired_difference

PER_ROOM = {"words_per_room": "words", "words_heard_per_room": "heard_words"} | {
    "messages_per_room": "messages",
    "tokens_per_room": "tokens",
    "turns_per_room": "turns",
    "rulings_per_room": "rulings",
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
    """See `experiments.analysis.applicability.METRICS`; what does not apply is missing with a
    reason. Where the influence of kinds of message was probed, ``influence_tv_argument`` and its
    like besides."""
    calibration: CalibrationCurve
    faults: dict[str, int]
    """See `experiments.analysis.ledger_view.faults`."""
    outcome: str
    """Whose decision is the verdict: a seat, or ``team``."""
    unheard: int
    """Rooms in which no message reached who decides; 0 where the protocol has nobody speak."""


def analyse_conversation(
    tables: Mapping[str, Columns],
    verdict: Columns,
    bootstrap: CrossedBootstrap,
    alone: Columns | None = None,
) -> ConversationResult:
    """Return the metrics of one conversation on one split.

    Args:
        tables: The ledger.
        verdict: Rows of `ledger_view.verdicts` with costs, of this conversation and split, at
            least one.
        bootstrap: Resamples of the split's seeds and cases, shared by all conversations.
        alone: Verdicts of rooms of the split in which nobody spoke, for what deciders think before
            they hear anything.
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
    metrics |= _market(tables, verdict, bootstrap, protocol)
    metrics |= reliance_metrics(tables, verdict, bootstrap, alone)
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
        0 if inapplicable("messages_per_room", protocol) else int((verdict["heard"] == 0).sum()),
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
    names = ("asd_log", "asd_log_odds", "asd_brier", "asd_accuracy")
    reason = inapplicable(names[0], protocol)
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
    scores = side_scores(verdict["probs"][row], side)
    scores["accuracy"] = (verdict["choice"][row] == side).astype(np.float64)
    for name, score in scores.items():
        grids = []
        for kind in (true, ~true):
            values = np.full(verdict.n, np.nan)
            use = kind & counted[row]
            values[row[use]] = score[use]
            grids.append(_grid(bootstrap.axes, verdict, values))
        found[f"asd_{name}"] = agent_score_difference(bootstrap, AgentScores(*grids))
    return found


def _market(
    tables: Mapping[str, Columns], verdict: Columns, bootstrap: CrossedBootstrap, protocol: str
) -> dict[str, Estimate]:
    reason = inapplicable(MARKET_METRICS[0], protocol)
    if reason:
        return dict.fromkeys(MARKET_METRICS, Estimate.missing(reason))
    found = losses_by_room(tables, verdict).values()
    grids = np.stack([_grid(bootstrap.axes, verdict, values) for values in found])
    estimates = bootstrap.estimates(grids, "no market stated prices")
    return dict(zip(MARKET_METRICS, estimates, strict=True))


NAIVE = "naive"
"""Protocol of the judge alone."""


def add_gains(
    results: list[ConversationResult], rows: Mapping[str, Columns], bootstrap: CrossedBootstrap
) -> list[ConversationResult]:
    """Return the results of one split with what each gains over the judge alone.

    Adds ``gain_over_naive`` (bootstrap over cases and seeds), ``gain_over_naive_paired`` (over
    seeds, Student t) and ``gain_over_naive_p_holm`` (corrected for the number of conversations).

    Args:
        results: All conversations of the split.
        rows: Conversation to its verdicts.
        bootstrap: Resamples of the split.
    """
    names = ("gain_over_naive", "gain_over_naive_paired", "gain_over_naive_p_holm")
    base = next((one.name for one in results if one.protocol == NAIVE), None)
    grids = {
        one.name: _grid(bootstrap.axes, rows[one.name], rows[one.name]["correct"].astype(float))
        for one in results
    }
    paired: dict[str, Paired] = {
        one.name: paired_difference(
            np.nanmean(grids[one.name], axis=1), np.nanmean(grids[base], axis=1)
        )
        for one in results
        if base is not None and one.protocol != NAIVE and same_cells(grids[one.name], grids[base])
    }
    corrected = dict(zip(paired, holm([one.p_value for one in paired.values()]), strict=True))
    found = []
    for one in results:
        reason = inapplicable(names[0], one.protocol)
        if base is None:
            reason = reason or "no conversation holds the judge alone (protocol naive)"
        if not reason and one.name not in paired:
            reason = "it was not held on the same cases as the judge alone"
        if reason:
            gains = dict.fromkeys(names, Estimate.missing(reason))
        else:
            assert base is not None
            both = np.stack([grids[one.name], grids[base]])
            draws, means = bootstrap.means(both), np.nanmean(both, axis=(1, 2))
            p, over = corrected[one.name], paired[one.name].estimate
            gains = {
                names[0]: bootstrap.estimate(means[0] - means[1], draws[0] - draws[1], one.rooms),
                names[1]: over,
                names[2]: Estimate.missing(over.reason or "undefined", over.n)
                if p is None
                else Estimate.exact(p, over.n, "a p-value, corrected by Holm's method"),
            }
        found.append(replace(one, metrics={**one.metrics, **gains}))
    return found
