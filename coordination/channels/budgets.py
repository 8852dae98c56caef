"""Budgets: what a message costs, what was spent, and what is left.

A message is charged once, however many seats hear it, when it is sent: to the seat that speaks and
to the room. What happens to copies afterwards (loss, delay) does not give the charge back. A
message that goes to nobody, or is over a budget, is not charged, so a shorter one may still pass.
In a simultaneous block messages are charged in the order in which the protocol asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coordination.channels.settings import Budget, BudgetSettings
from coordination.messages import MessageKind
from environments.base import NO_QUOTE
from environments.cases import Cases

if TYPE_CHECKING:
    from coordination.said import Said

UNITS = tuple(f.name for f in fields(Budget))
"""What is charged, in the order of every last axis here: messages, words, tokens, bits."""

WORDS = UNITS.index("words")
UNLIMITED = np.iinfo(np.int64).max // 4
LEVELS = 8
"""Bits of a stated probability: 256 levels."""


def bits_of(said: Said, cases: Cases) -> NDArray[np.int64]:
    """Return the size of messages in bits, [n]: a fixed-length code without probabilities.

    ===================  ======================================================================
    kind                 ceil(log2(number of kinds))
    stance               ceil(log2(K + 1)): one of the case's K options, or none
    confidence           1 (is it stated?) + 8 if it is
    stated distribution  1 + 8 (K - 1) if it is stated
    quotes               ceil(log2(Q + 1)) for their number, then ceil(log2(E + K)) each: one of
                         the case's E items or a made-up one for one of K options
    free text            8 for each byte of UTF-8; numeric speech has none
    ===================  ======================================================================

    It is an upper bound that knows nothing about how likely a message is (no entropy is assumed),
    and depends only on the message and its case. A faulty message has none.

    Args:
        said: n messages, before any fault of the channel.
        cases: Their cases.
    """
    options = cases.n_options
    items = cases.evidence.exists.sum(axis=1)
    bits = np.full(len(said.rows), _width(len(MessageKind)))
    bits += _log2(options + 1)
    bits += 1 + LEVELS * ~np.isnan(said.confidence)
    bits += 1 + LEVELS * (options - 1) * ~np.isnan(said.stated[:, 0])
    bits += _width(said.quotes.shape[1] + 1)
    bits += (said.quotes != NO_QUOTE).sum(axis=1) * _log2(items + options)
    spoken = np.flatnonzero(said.text != np.array(None, dtype=object))
    bits[spoken] += 8 * np.array([len(text.encode()) for text in said.text[spoken]], np.int64)
    return np.where(said.fault == 0, bits, 0)


def charges_of(said: Said, cases: Cases) -> NDArray[np.int64]:
    """Return what messages cost, [n, units]."""
    one = np.ones(len(said.rows), dtype=np.int64)
    return np.stack([one, said.words, said.tokens, bits_of(said, cases)], axis=1)


@dataclass(frozen=True)
class Spent:
    """What was charged so far, one row a message that is about to be sent."""

    seat: NDArray[np.int64]
    """[n, units] by the seat that speaks."""
    room: NDArray[np.int64]
    """[n, units] by all seats."""


def spent_before(earlier: Iterable[Said], said: Said, n_rooms: int) -> Spent:
    """Return what the rooms of some messages have spent before them.

    Args:
        earlier: Everything said in these rooms, with what it was charged.
        said: n messages.
        n_rooms: Rooms of the state.
    """
    seat = np.zeros((n_rooms, len(UNITS)), dtype=np.int64)
    room = np.zeros((n_rooms, len(UNITS)), dtype=np.int64)
    for one in earlier:
        if one.charged is not None:
            room[one.rows] += one.charged
            if one.sender == said.sender:
                seat[one.rows] += one.charged
    return Spent(seat[said.rows], room[said.rows])


def left_of(budget: BudgetSettings, seat: str, spent: Spent) -> NDArray[np.int64]:
    """Return what is left of the tighter of the seat's and the room's budget, [n, units]."""
    own = _limits(budget.seats.get(seat, budget.seat))
    return np.minimum(own - spent.seat, _limits(budget.room) - spent.room)


def _limits(budget: Budget) -> NDArray[np.int64]:
    limits = np.array([getattr(budget, unit) for unit in UNITS], dtype=np.int64)
    return np.where(limits == 0, UNLIMITED, limits)


def _width(values: int) -> int:
    return (values - 1).bit_length()


def _log2(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ceil(np.log2(np.maximum(values, 1))).astype(np.int64)
