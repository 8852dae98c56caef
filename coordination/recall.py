"""Recalling what seats last said or decided in each room of a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordination.messages import FREE, INCONCLUSIVE, Fault
from coordination.seating import Verdict
from coordination.state import RoomState
from environments.core.columns import frozen
from environments.core.errors import ProtocolError


def last_verdict(state: RoomState, rows: NDArray[np.int64], seat: str) -> Verdict:
    """Return a seat's last decision in some rooms; see `Room.verdict`."""
    code = state.code(seat)
    probs = np.full((state.n, state.cases.width), np.nan)
    choice = np.full(state.n, INCONCLUSIVE, dtype=np.int64)
    fault = np.full(state.n, int(Fault.MISSING), dtype=np.int64)
    found = False
    for decided in state.decided:
        if decided.sender == code and not decided.probe:  # the combined one comes last
            found = True
            probs[decided.rows] = decided.probs
            choice[decided.rows] = decided.choice
            fault[decided.rows] = decided.fault
    if not found:
        raise ProtocolError(f"seat {seat!r} has not decided yet")
    ids = frozen(state.room_id[rows])
    return Verdict(frozen(probs[rows]), frozen(choice[rows]), frozen(fault[rows]), ids)


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
