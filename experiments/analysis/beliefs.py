"""What deciders thought before and without: joins of the ledger for team metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.messages import Fault
from environments.core.columns import Columns
from experiments.analysis.ledger_view import row_of

INITIAL, EVERYTHING, WITHOUT = "initial", "everything", "without "
"""Conditions of probes; see `coordination.probing`."""


@dataclass(frozen=True)
class Before:
    """What each decider thought before it heard anything, one row a verdict."""

    probs: NDArray[np.float64]
    """[n, K] NaN where unknown."""
    choice: NDArray[np.int64]
    """[n] -2 where unknown."""
    reason: str
    """Why nothing is known; '' if something is."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows are known, [n]."""
        return self.choice > -2


def before(tables: Mapping[str, Columns], verdict: Columns, alone: Columns | None) -> Before:
    """Return the initial beliefs of the rooms of ``verdict``.

    The decider's own probe at the start where the conversation asked for it; otherwise what the
    same agent decided on the same case where nobody spoke. (Both are the same belief; an agent
    that draws its mistakes draws them anew in another room.)

    Args:
        tables: The ledger.
        verdict: Rows of `ledger_view.verdicts`, sorted by room.
        alone: Verdicts of conversations in which nobody spoke; None if there are none.
    """
    probs = np.full(verdict["probs"].shape, np.nan)
    choice = np.full(verdict.n, -2, dtype=np.int64)
    if alone is not None and alone.n:
        keys = ("agent_id", "replicate", "case_id", "split")
        place = {key: i for i, key in enumerate(_keys(alone, keys))}
        at = np.array([place.get(key, -1) for key in _keys(verdict, keys)], dtype=np.int64)
        probs[at >= 0] = alone["probs"][at[at >= 0]]
        choice[at >= 0] = alone["choice"][at[at >= 0]]
    probes = _probes(tables, verdict, lambda names: names == INITIAL)
    row = row_of(verdict, probes["room_id"])
    probs[row], choice[row] = probes["probs"], probes["choice"]
    missing = (
        ""
        if (choice > -2).any()
        else "what the decider thought at first is not known: give the "
        "conversation initial: true, or add one in which the same agent decides alone"
    )
    return Before(probs, choice, missing)


def _keys(rows: Columns, names: tuple[str, ...]) -> list[tuple]:
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


def _probes(
    tables: Mapping[str, Columns],
    verdict: Columns,
    chosen: Callable[[NDArray[np.object_]], NDArray[np.bool_]],
) -> Columns:
    """Return the hypothetical decisions of the deciding seats under some conditions."""
    decisions = tables["decisions"]
    probes = decisions.take(decisions["probe"].astype(bool) & (decisions["fault"] == Fault.NONE))
    names = np.array([str(name) for name in probes["condition"]], dtype=object)
    probes = probes.take(chosen(names)) if probes.n else probes
    row = row_of(verdict, probes["room_id"])
    mine = row >= 0
    if verdict.n:
        mine &= probes["seat"] == verdict["seat"][np.maximum(row, 0)]
    return probes.take(mine)


def influences(
    tables: Mapping[str, Columns], verdict: Columns
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return decisions with and without each kind of message.

    Returns:
        Kind to (with everything, without it), [n, K] each; NaN where a room was not asked.
    """
    shape = verdict["probs"].shape
    whole = np.full(shape, np.nan)
    probes = _probes(tables, verdict, lambda names: names == EVERYTHING)
    whole[row_of(verdict, probes["room_id"])] = probes["probs"]
    left_out = _probes(
        tables,
        verdict,
        lambda names: np.array([name.startswith(WITHOUT) for name in names], dtype=bool),
    )
    found = {}
    for condition in sorted(set(left_out["condition"].tolist())):
        part = left_out.take(left_out["condition"] == condition)
        without = np.full(shape, np.nan)
        without[row_of(verdict, part["room_id"])] = part["probs"]
        found[condition.removeprefix(WITHOUT).replace("+", "_")] = (whole, without)
    return found


@dataclass(frozen=True)
class Advice:
    """What the only adviser of each room spoke for."""

    option: NDArray[np.int64]
    """[n] -1 where it spoke for none, or there was not exactly one adviser."""
    probability: NDArray[np.float64]
    """[n] what it stated as the probability of that option; NaN where it stated none."""


def advice(tables: Mapping[str, Columns], verdict: Columns) -> Advice:
    """Return the last option that each room's only adviser spoke for."""
    messages = tables["messages"]
    option = np.full(verdict.n, -1, dtype=np.int64)
    probability = np.full(verdict.n, np.nan)
    row = row_of(verdict, messages["room_id"])
    told = (row >= 0) & (messages["fault"] == Fault.NONE)
    if verdict.n:
        told &= messages["sender"] != verdict["sender"][np.maximum(row, 0)]
    said = messages.take(told).sort_by("room_id", "turn", "sender")
    row = row_of(verdict, said["room_id"])
    pairs = np.unique(np.stack([row, said["sender"]], axis=1), axis=0)
    single = np.bincount(pairs[:, 0], minlength=verdict.n) == 1
    stated = said["stated"]
    speaks = np.where(
        said["stance"] >= 0,
        said["stance"],
        np.where(np.isnan(stated).all(axis=1), -1, np.nan_to_num(stated, nan=-1.0).argmax(axis=1)),
    )
    use = single[row] & (speaks >= 0)
    option[row[use]] = speaks[use]  # in order of turns: the last one stays
    probability[row[use]] = np.take_along_axis(stated[use], speaks[use][:, None], axis=1)[:, 0]
    return Advice(option, probability)
