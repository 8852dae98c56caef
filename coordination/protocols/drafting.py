"""Best of N: a seat writes several drafts and says the one that the judge would find best.

Khan et al. 2024 (arXiv 2402.06782, "best-of-N"): N speeches are sampled and a preference model
keeps the most persuasive; here the preference is the judge's own probability of the option that
the draft argues for, asked with `Room.probe` for each draft as if it had been heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coordination.messages import MessageKind
from coordination.room import Room, Verdict
from coordination.said import Said


def best_draft(
    room: Room,
    seat: str,
    kind: MessageKind,
    drafts: int,
    to: Sequence[str] | None = None,
) -> Callable[[], None]:
    """Write drafts and return what says the best of them, room by room.

    Ties go to the earlier draft. One draft is no choice: the seat simply speaks when the result is
    called, so that N = 1 is the plain protocol to the last bit.

    Args:
        room: Where; nothing may be in flight if there is more than one draft.
        seat: Who writes.
        kind: What is wanted.
        drafts: N, 1 or more.
        to: Seats that are addressed.
    """
    if drafts == 1 or not room.n:
        return lambda: room.speak(seat, kind, to)
    written, rated = [], []
    for _ in range(drafts):
        draft = room.draft(seat, kind)
        written.append(draft)
        rated.append(_persuasion(draft, room.probe("judge", given=draft)))
    chosen = np.argmax(np.stack(rated), axis=0)

    def say() -> None:
        for number, draft in enumerate(written):
            room.where(chosen == number).say(draft, to)

    return say


def _persuasion(draft: Said, verdict: Verdict) -> NDArray[np.float64]:
    """Return the judge's probability of the option that each draft argues for, -1 for none."""
    at = np.maximum(draft.stance, 0)[:, None]
    sure = np.take_along_axis(verdict.probs, at, axis=1)[:, 0]
    return np.where((draft.stance >= 0) & ~np.isnan(sure), sure, -1.0)
