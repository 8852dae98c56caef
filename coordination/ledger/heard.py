"""What each seat saw at each turn, computed again from the rows of a ledger."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coordination.channels.copies import CONTENT, Copies, as_delivered
from coordination.messages import Delivery
from environments.base import Environment
from environments.core.columns import Columns
from environments.core.errors import DataError

_KEYS = ("room_id", "turn", "sender")


def received(tables: Mapping[str, Columns], environment: Environment) -> Columns:
    """Return every delivered copy as its recipient got it.

    A seat's ask at turn t shows the copies with its code as ``recipient`` and ``delivered_turn`` of
    at most t, in the order of (turn, sender), beside its own messages.

    Args:
        tables: ``rooms``, ``messages`` and ``deliveries`` of the same rooms, in any order.
        environment: The world of the cases; finds quotes in altered words.

    Returns:
        The columns of the messages table with the content of the copy, and ``recipient``,
        ``delivered_turn`` and ``altered``; sorted by room, turn, sender and recipient.

    Raises:
        DataError: If a copy belongs to no message or room.
    """
    messages = tables["messages"].sort_by(*_KEYS)
    deliveries = tables["deliveries"].sort_by(*_KEYS, "recipient")
    copies = deliveries.take(deliveries["status"] == Delivery.DELIVERED)
    found = messages.take(_places(messages, copies))
    out = found.with_(
        recipient=copies["recipient"],
        delivered_turn=copies["delivered_turn"],
        altered=copies["altered"],
    )
    hit = np.flatnonzero(copies["altered"])
    if not len(hit):
        return out
    befallen = copies.take(hit)
    rooms = tables["rooms"].sort_by("room_id")
    place = np.minimum(np.searchsorted(rooms["room_id"], befallen["room_id"]), rooms.n - 1)
    if rooms.n == 0 or (rooms["room_id"][place] != befallen["room_id"]).any():
        raise DataError("table deliveries: a copy belongs to no room")
    keys = ("room_id", "turn", "sender", "recipient", "altered", "words")
    content = as_delivered(
        {name: found[name][hit] for name in CONTENT},
        Copies(*(befallen[key] for key in keys)),
        environment.deal(rooms["case_id"][place]),
        environment,
    )
    merged = {name: found[name].copy() for name in CONTENT}
    for name, value in content.items():
        merged[name][hit] = value
    return out.with_(**merged)


def _places(messages: Columns, copies: Columns) -> NDArray[np.int64]:
    """Return the position of each copy's message in messages sorted by key."""
    both = np.concatenate([_stacked(messages), _stacked(copies)])
    _, key = np.unique(both, axis=0, return_inverse=True)
    key = key.reshape(-1)
    mine, theirs = key[: messages.n], key[messages.n :]  # the former ascend, one a message
    place = np.minimum(np.searchsorted(mine, theirs), max(messages.n - 1, 0))
    if copies.n and (messages.n == 0 or (mine[place] != theirs).any()):
        raise DataError("table deliveries: a copy belongs to no message")
    return place


def _stacked(rows: Columns) -> NDArray[np.int64]:
    return np.stack([rows[key] for key in _KEYS], axis=1)
