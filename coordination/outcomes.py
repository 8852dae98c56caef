"""What has come out of rooms so far: verdicts, stated distributions, sides taken."""

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
    return Verdict(
        frozen(probs[rows]), frozen(choice[rows]), frozen(fault[rows]), state.room_id[rows]
    )


def last_stated(state: RoomState, rows: NDArray[np.int64], seat: str) -> NDArray[np.float64]:
    """Return the distribution that a seat last stated in some rooms; see `Room.stated`."""
    code = state.code(seat)
    stated = np.full((state.n, state.cases.width), np.nan)
    for said in state.said:
        if said.sender == code:
            spoke = ~np.isnan(said.stated[:, 0])
            stated[said.rows[spoke]] = said.stated[spoke]
    return frozen(stated[rows])


def last_argued(state: RoomState, rows: NDArray[np.int64], seat: str) -> NDArray[np.int64]:
    """Return the option that a seat last spoke for in some rooms; see `Room.argued`."""
    code = state.code(seat)
    argued = np.full(state.n, FREE, dtype=np.int64)
    for said in state.said:
        if said.sender == code:
            spoke = said.stance != FREE
            argued[said.rows[spoke]] = said.stance[spoke]
    return frozen(argued[rows])
