"""What a conversation made of what was possible: regret against the environment's references.

The references are accuracies that the environment knows of itself: the best decision without any
exchange, and the decision with all information. They are exact, or estimated on so many cases
(`environments.base.Reference.n`) that their own error is left out of the intervals here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordination.messages import TEAM
from environments.core.columns import Columns
from experiments.analysis.beliefs import INITIAL
from experiments.analysis.bootstrap import CrossedBootstrap
from experiments.analysis.estimate import Estimate
from experiments.analysis.ledger_view import COMBINED, row_of
from experiments.analysis.statistics import MINIMUM_GAP
from experiments.analysis.team_metrics import communication_value, regret

ALONE, FREE = "no_communication", "full_information"
"""Names of the references that regret is counted against."""


def known_references(extra: Mapping[str, Any]) -> dict[str, float]:
    """Return name to value of what the environment knows of itself, from the engine's counts."""
    found = extra.get("environment", {}).get("references", {})
    return {name: float(fact["value"]) for name, fact in found.items()}


def facilitation_metrics(
    accuracy: Estimate, references: Mapping[str, float]
) -> dict[str, Estimate]:
    """Return regrets of an accuracy and the share of perfect facilitation's worth that was had.

    Args:
        accuracy: Share of right decisions.
        references: See `known_references`.

    Returns:
        ``regret_no_communication`` (negative where talking helped), ``regret_full_information``
        and ``facilitation_share`` = (a - alone) / (full - alone), with the accuracy's interval
        moved along; missing with a reason where the environment does not know the reference, and
        the share where full information adds less than `MINIMUM_GAP`, as for PGR.
    """
    found = {}
    for name in (ALONE, FREE):
        if name in references:
            found[f"regret_{name}"] = regret_of(accuracy, references[name])
        else:
            reason = f"the environment knows no reference {name}"
            found[f"regret_{name}"] = Estimate.missing(reason)
    found["facilitation_share"] = _share(accuracy, references)
    return found


def regret_of(achieved: Estimate, reference: float, higher_is_better: bool = True) -> Estimate:
    """Return how much worse than a reference something is, its interval moved along."""
    if achieved.value is None:
        return achieved
    sign = 1.0 if higher_is_better else -1.0

    def lost(value: float | None) -> float | None:
        return None if value is None else float(regret(sign * value, sign * reference))

    ends = (achieved.high, achieved.low) if higher_is_better else (achieved.low, achieved.high)
    return replace(achieved, value=lost(achieved.value), low=lost(ends[0]), high=lost(ends[1]))


def _share(accuracy: Estimate, references: Mapping[str, float]) -> Estimate:
    if ALONE not in references or FREE not in references:
        return Estimate.missing("the environment does not know what facilitation is worth")
    low, high = references[ALONE], references[FREE]
    if not high - low > MINIMUM_GAP:
        return Estimate.missing(f"full information adds too little here ({high - low:.3f})")
    if accuracy.value is None:
        return accuracy

    def part(value: float | None) -> float | None:
        return None if value is None else float(communication_value(value, low, high))

    ends = (part(accuracy.value), part(accuracy.low), part(accuracy.high))
    return replace(accuracy, value=ends[0], low=ends[1], high=ends[2])


def team_synergy(
    tables: Mapping[str, Columns], verdict: Columns, bootstrap: CrossedBootstrap
) -> dict[str, Estimate]:
    """Return what a team's decisions have over its members' before anybody spoke.

    Returns:
        ``strong_synergy``: accuracy of the team minus that of its best member, the seat that is
        right most often on all cases; ``weak_synergy``: minus the members' mean (Larson 2010, "In
        search of synergy in small group performance"). Missing where no team decides, or where it
        is not known what members thought at first: that takes ``initial: true``, or a conversation
        in which nobody speaks.
    """
    names = ("strong_synergy", "weak_synergy")
    if not (verdict["seat"] == TEAM).all():
        return dict.fromkeys(names, Estimate.missing("no team decides"))
    first = _first_votes(tables, verdict)
    if not first.n:
        reason = "what members thought at first is not known: give the conversation initial: true"
        return dict.fromkeys(names, Estimate.missing(reason))
    axes, row = bootstrap.axes, row_of(verdict, first["room_id"])
    right = (first["choice"] == verdict["truth"][row]).astype(np.float64)
    grids = [axes.grid(verdict["replicate"], verdict["case_id"], verdict["correct"].astype(float))]
    for seat in sorted(set(first["seat"].tolist())):
        mine = first["seat"] == seat
        at = row[mine]
        grids.append(axes.grid(verdict["replicate"][at], verdict["case_id"][at], right[mine]))
    stack = np.stack(grids)
    means, draws = np.nanmean(stack, axis=(1, 2)), bootstrap.means(stack)
    best = 1 + int(np.argmax(means[1:]))
    strong = (means[0] - means[best], draws[0] - draws[best])
    weak = (means[0] - means[1:].mean(), draws[0] - draws[1:].mean(axis=0))
    return {
        name: bootstrap.estimate(float(value), draw, verdict.n)
        for name, (value, draw) in zip(names, (strong, weak), strict=True)
    }


def _first_votes(tables: Mapping[str, Columns], verdict: Columns) -> Columns:
    """Return the members' decisions before they heard anything, at most one a room and seat."""
    decisions, messages = tables["decisions"], tables["messages"]
    mine = decisions.take(
        (row_of(verdict, decisions["room_id"]) >= 0) & (decisions["seat"] != TEAM)
    )
    probe = mine["probe"].astype(bool)
    asked = mine.take(probe & (mine["condition"] == INITIAL))
    if asked.n or (row_of(verdict, messages["room_id"]) >= 0).any():
        return asked
    return mine.take(~probe & (mine["presentation"] == COMBINED))


def items_said(
    tables: Mapping[str, Columns], verdict: Columns, bootstrap: CrossedBootstrap
) -> Estimate:
    """Return how many different pieces of evidence were brought up in a room, on average.

    Only quotes that the environment verified count, each once a room, whoever said it. Without the
    columns ``quotes`` and ``verified`` of the messages it is missing.
    """
    messages = tables["messages"]
    if "quotes" not in messages or not messages.n:
        return Estimate.missing("no message was recorded with its quotes")
    row = row_of(verdict, messages["room_id"])
    real = (row[:, None] >= 0) & messages["verified"].astype(bool) & (messages["quotes"] >= 0)
    room = np.broadcast_to(row[:, None], real.shape)[real]
    pairs = np.unique(np.stack([room, messages["quotes"][real]], axis=1), axis=0)
    count: NDArray[np.float64] = np.bincount(pairs[:, 0], minlength=verdict.n).astype(np.float64)
    if not count.any():
        return Estimate.missing("no evidence was quoted")
    grid = bootstrap.axes.grid(verdict["replicate"], verdict["case_id"], count)
    return bootstrap.estimates(grid[None])[0]
