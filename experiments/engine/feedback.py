"""Audited feedback: on a share of the cases a judge is told whether its advisers were right.

This spends truth, by configuration only, and is counted under ``feedback``. Trust (see
`agents.human_proxy`) is updated from it when the tick is committed.
"""

from __future__ import annotations

import numpy as np

from coordination.room import Room
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from environments.truth import SealedTruth
from experiments.config.schema import FeedbackConfig


def audited_outcomes(
    config: FeedbackConfig, truth: SealedTruth, room: Room, replicate: int, seat: str
) -> Columns:
    """Return outcome rows (see `coordination.cohort.Cohort.settle`) of the audited rooms.

    They are for the agents in one seat that decides, about all others who gave it advice.
    An adviser's advice is the stance of its last message; it proved right (feedback 1) if that is
    the right option. Which cases are audited is a keyed draw that does not look at them.
    """
    tables = room.record()
    messages, rooms = tables["messages"], tables["rooms"]
    advice = messages.take(
        (messages["stance"] >= 0) & (messages["fault"] == 0) & (messages["seat"] != seat)
    )
    advice = advice.sort_by("room_id", "sender", "turn")
    last = np.ones(advice.n, dtype=bool)
    if advice.n > 1:
        same_room = advice["room_id"][1:] == advice["room_id"][:-1]
        last[:-1] = ~(same_room & (advice["sender"][1:] == advice["sender"][:-1]))
    advice = advice.take(last)
    order = np.argsort(rooms["room_id"], kind="stable")
    place = order[np.searchsorted(rooms["room_id"][order], advice["room_id"])]
    case_id = rooms["case_id"][place]
    audited = Keyed(replicate, "audit").uniform(case_id) < config.fraction
    advice, case_id = advice.take(audited), case_id[audited]
    unique, inverse = np.unique(case_id, return_inverse=True)
    right = truth.reveal(unique, "feedback")[inverse]
    judge = room.seat(seat).agent_id
    room_order = np.argsort(room.room_id, kind="stable")
    judge_row = room_order[np.searchsorted(room.room_id[room_order], advice["room_id"])]
    return Columns(
        {
            "agent_id": judge[judge_row],
            "room_id": advice["room_id"],
            "turn": advice["turn"],
            "adviser_id": advice["agent_id"],
            "feedback": (advice["stance"] == right).astype(np.int64),
        }
    )
