"""What was said about the parts of a claim, laid out for arithmetic: children's answers and labels.

A room brings home what seats said of sub-claims as messages in the order of the sub-claims, each in
its sub-claim's own options. Here they become arrays [B, b, …] beside the numbers of `Asks.facts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.policies.numeric import Bools, Floats
from coordination.cohort import Asks
from coordination.messages import MessageKind
from environments.computation_tree import rules
from environments.core.columns import Columns


@dataclass(frozen=True)
class Parts:
    """What one seat said of each sub-claim."""

    stance: NDArray[np.int64]
    """[B, b] option of each sub-claim, -1 where none."""
    stated: Floats
    """[B, b, K] distribution over its options, NaN where none."""
    complete: Bools
    """[B] whether it spoke once of every sub-claim."""


def facts_of(asks: Asks) -> Columns:
    """Return the facts of asks.

    Raises:
        ValueError: If the environment gives none.
    """
    if asks.facts is None or "child_candidates" not in asks.facts:
        raise ValueError("policies of computation trees need an environment that gives their facts")
    return asks.facts


def said_of_parts(asks: Asks, seat: str, kind: MessageKind) -> Parts:
    """Collect what a seat said of the sub-claims in messages of a kind."""
    facts = facts_of(asks)
    rows, width, options = facts["child_candidates"].shape
    heard = asks.heard
    mine = np.flatnonzero(
        (heard.sender == (asks.seats.index(seat) if seat in asks.seats else -1))
        & (heard.kind == int(kind))
    )
    row = heard.row[mine]
    count = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - np.searchsorted(row, row, side="left")
    keep = place < width
    stance = np.full((rows, width), -1, dtype=np.int64)
    stated = np.full((rows, width, options), np.nan)
    stance[row[keep], place[keep]] = heard.stance[mine[keep]]
    stated[row[keep], place[keep]] = heard.stated[mine[keep]]
    complete = (count == facts["n_children"]) & (count > 0)
    return Parts(stance, stated, complete)


def each_rule(asks: Asks) -> list[tuple[str, NDArray[np.int64]]]:
    """Return every rule among the rows with the rows that it holds in."""
    codes = facts_of(asks)["rule"]
    return [(rules.RULES[c], np.flatnonzero(codes == c)) for c in np.unique(codes).tolist()]


def implied(asks: Asks, probs: Floats, wanted: Bools) -> Floats:
    """Return what distributions over the parts imply for the options of the whole, [B, K].

    Args:
        asks: B rows with facts.
        probs: [B, b, K] distributions over the children's options.
        wanted: [B] rows to work on.

    Returns:
        Probabilities that need not sum to 1 (parts may make up none of the options); NaN elsewhere.
    """
    facts = facts_of(asks)
    mass = np.full(facts["candidates"].shape, np.nan)
    for rule, rows in each_rule(asks):
        rows = rows[wanted[rows]]
        children, values = facts["child_candidates"][rows], facts["candidates"][rows]
        mass[rows] = rules.combine(rule, children, probs[rows], values)
    return mass


def point(stance: NDArray[np.int64], width: int) -> Floats:
    """Return distributions that are certain of options, [..., K]; zero where there is none."""
    return (np.arange(width) == stance[..., None]).astype(np.float64)
