"""Recalling what seats last said in each room of a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordination.messages import FREE
from coordination.state import RoomState
from environments.core.columns import frozen


def last_stated(state: RoomState, rows: NDArray[np.int64], seat: str) -> NDArray[np.float64]:
    """Return the distribution that a seat last stated in some rooms, [n, K]; NaN for none."""
    code = state.code(seat)
    stated = np.full((state.n, state.cases.width), np.nan)
    for said in state.said:
        if said.sender == code:
            spoke = ~np.isnan(said.stated[:, 0])
            stated[said.rows[spoke]] = said.stated[spoke]
    return frozen(stated[rows])


def last_stance(state: RoomState, rows: NDArray[np.int64], seat: str) -> NDArray[np.int64]:
    """Return the stance of a seat's last message in some rooms, [n]; `FREE` for none."""
    code = state.code(seat)
    stance = np.full(state.n, FREE, dtype=np.int64)
    for said in state.said:
        if said.sender == code:
            stance[said.rows] = said.stance
    return frozen(stance[rows])
