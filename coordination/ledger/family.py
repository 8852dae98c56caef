"""Families of rooms: which root conversation a child room belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from environments.core.errors import DataError


def root_rooms(rooms: Columns) -> NDArray[np.int64]:
    """Return the id of the root room of every row of a rooms table, [N].

    Raises:
        DataError: If a parent is missing.
    """
    order = np.argsort(rooms["room_id"], kind="stable")
    ids, parent = rooms["room_id"], rooms["parent_room"]
    root = np.arange(rooms.n)
    place = np.searchsorted(ids[order], parent)
    above = np.where(parent >= 0, order[np.minimum(place, max(rooms.n - 1, 0))], root)
    lost = np.flatnonzero((parent >= 0) & (ids[above] != parent))
    if len(lost):
        raise DataError(f"table rooms: parent {int(parent[lost[0]])} is missing")
    while True:  # each pass doubles the distance that is covered
        further = above[above]
        if np.array_equal(further, above):
            return ids[above]
        above = further
