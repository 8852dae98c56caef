"""What others said about the options: the raw material of advice and anchors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.policies.evidence import from_others
from agents.policies.numeric import Bools, Floats, peaked
from coordination.cohort import Asks


def states_distribution(asks: Asks) -> Bools:
    """Return which heard messages state a distribution over options, shape [M]."""
    stated = asks.heard.stated
    given = np.zeros(len(stated), dtype=bool)
    for option in range(stated.shape[1]):
        given |= ~np.isnan(stated[:, option])
    return given


def statements(asks: Asks) -> NDArray[np.int64]:
    """Return the heard messages of others that state a distribution or take a stance.

    Positions in `Heard`, in its order (row, turn, sender).
    """
    speaks = from_others(asks) & (states_distribution(asks) | (asks.heard.stance >= 0))
    return np.flatnonzero(speaks)


def claims(asks: Asks, message: NDArray[np.int64], row: NDArray[np.int64]) -> Floats:
    """Return each statement as a distribution over options.

    It is the one that the message states, or else its stance with its confidence (1 if it gives
    none), the rest spread evenly.

    Args:
        asks: B rows.
        message: [m] positions in `Heard`, from `statements`.
        row: [m] their rows.

    Returns:
        [m, K]
    """
    heard = asks.heard
    stated = heard.stated[message]
    given = states_distribution(asks)[message]
    if given.all():
        return stated
    sure = np.nan_to_num(heard.confidence[message], nan=1.0)
    named = peaked(heard.stance[message], sure, asks.option_mask[row])
    return np.where(given[:, None], stated, named)


def latest_by_seat(asks: Asks, message: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each seat's latest statement in each row, shape [B, S]; -1 where it made none."""
    latest = np.full((asks.n, len(asks.seats)), -1, dtype=np.int64)
    # Positions ascend within a row and seat, so the last one written is the latest.
    latest[asks.heard.row[message], asks.heard.sender[message]] = message
    return latest


def first_by_row(asks: Asks, message: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first statement heard in each row, shape [B]; -1 where there was none."""
    first = np.full(asks.n, -1, dtype=np.int64)
    first[asks.heard.row[message[::-1]]] = message[::-1]
    return first
