"""Ledger rows of a weak-to-strong run: unaided answers as exams, weak labels as labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordination.ledger.schema import ROOMS
from coordination.messages import Fault
from environments.cases import Split
from environments.core.columns import Columns
from environments.core.keyed import hash_id, name_key
from environments.truth import SealedTruth
from experiments.engine.converse import EXAM, scored

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def exam_tables(
    tick: int,
    block: int,
    split: Split,
    replicate: int,
    student: int,
    case_id: Ints,
    probs: Floats,
    truth: SealedTruth,
) -> dict[str, Columns]:
    """Return rooms, decisions and scores of one student's answers to cases it had not seen.

    Args:
        tick: The tick.
        block: The unit's number in it.
        split: Curve or test.
        replicate: The replicate.
        student: Its agent id.
        case_id: [n]
        probs: [n, K] its answers.
        truth: Scores them.
    """
    n = len(case_id)
    name = np.array(name_key(EXAM), dtype=np.uint64)
    split_key = np.array(name_key(split.value), dtype=np.uint64)
    room_id = hash_id(name, split_key, tick, replicate, case_id, np.full(n, student))
    place = {
        "tick": np.full(n, tick),
        "block": np.full(n, block),
        "room_id": room_id,
        "split": np.full(n, split.value, dtype=object),
        "conversation": np.full(n, EXAM, dtype=object),
        "replicate": np.full(n, replicate),
        "case_id": case_id,
    }
    rooms = Columns(
        {
            **place,
            "protocol": np.full(n, "naive", dtype=object),
            "parent_room": np.full(n, -1),
            "child_index": np.full(n, -1),
            "depth": np.zeros(n, np.int64),
            "turns": np.zeros(n, np.int64),
            "outcome": np.full(n, "judge", dtype=object),
            "memory": np.full(n, ROOMS.added["memory"]),
            "anonymous": np.full(n, ROOMS.added["anonymous"]),
        }
    )
    decisions = Columns.concat(
        [
            Columns(
                {
                    **place,
                    "turn": np.zeros(n, np.int64),
                    "sender": np.zeros(n, np.int64),
                    "seat": np.full(n, "judge", dtype=object),
                    "agent_id": np.full(n, student),
                    "presentation": np.full(n, presentation),
                    "choice": probs.argmax(axis=1),
                    "probs": probs,
                    "tokens": np.zeros(n, np.int64),
                    "probe": np.zeros(n, dtype=bool),
                    "condition": np.full(n, "", dtype=object),
                    "version": np.full(n, tick),
                    "adapter": np.full(n, student),
                    "attempt": np.zeros(n, np.int64),
                    "fault": np.full(n, int(Fault.NONE)),
                }
            )
            for presentation in (-1, 0)
        ]
    )
    return {"rooms": rooms, "decisions": decisions, "scores": scored(decisions, truth)}


def label_table(
    tick: int,
    block: int,
    arm: str,
    replicate: int,
    student: int,
    case_id: Ints,
    target: Floats,
    chosen: NDArray[np.bool_],
    truth: SealedTruth,
) -> Columns:
    """Return the labels table of one student; labels that it did not learn from weigh 0."""
    n = len(case_id)
    scores = truth.score(case_id, target, target.argmax(axis=1))
    return Columns(
        {
            "tick": np.full(n, tick),
            "block": np.full(n, block),
            "student": np.full(n, student),
            "arm": np.full(n, arm, dtype=object),
            "replicate": np.full(n, replicate),
            "case_id": case_id,
            "room_id": np.full(n, -1),
            "target": target,
            "weight": chosen.astype(np.float64),
            "correct": np.where(chosen, scores["correct"], -1),
            "version": np.full(n, tick),
        }
    )
