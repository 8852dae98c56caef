"""Faults on the way: loss, delay, expiry, truncation, corruption.

Every draw is a function of (room, turn, sender, recipient) alone, so it does not depend on what
else is said, on the batch or on the host; room ids carry the seed of the run. Two recipients of one
message are drawn for separately.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coordination.channels.settings import ChannelSettings, Delay
from coordination.messages import Alteration, Delivery
from environments.core.keyed import Keyed

if TYPE_CHECKING:
    from coordination.channels.channel import Posted, Routed

LATEST = 2**31
"""Longest delay in turns that is drawn."""

_LOSS, _DELAY, _CUT, _CORRUPT, _KIND = (
    Keyed(0, f"channel.{name}") for name in ("loss", "delay", "truncation", "corruption", "kind")
)


def befall(
    settings: ChannelSettings, posted: Posted, hears_from: NDArray[np.int64], routed: Routed
) -> Routed:
    """Return what becomes of copies when the settings' faults befall them.

    Args:
        settings: Faults and their probabilities.
        posted: n messages.
        hears_from: [S] first turn at which each seat hears anything.
        routed: Their copies so far.
    """
    keys = (
        posted.room_id[:, None],
        posted.turn[:, None],
        posted.sender,
        np.arange(len(hears_from))[None, :],
    )
    status, due = routed.status.copy(), routed.due.copy()
    moving = status == Delivery.DELIVERED
    if settings.loss:
        lost = moving & (_LOSS.uniform(*keys) < settings.loss)
        status[lost], due[lost] = int(Delivery.DROPPED), -1
        moving &= ~lost
    late = np.maximum(due + _delays(settings.delay, keys), hears_from[None, :])
    due = np.where(moving, late, due)
    if settings.expiry:
        last = np.broadcast_to(posted.turn[:, None] + settings.expiry, due.shape)
        expired = moving & (due > last)
        status[expired], due[expired] = int(Delivery.EXPIRED), last[expired] + 1
        moving &= ~expired
    return _alter(settings, posted, keys, moving, replace(routed, status=status, due=due))


def _delays(delay: Delay, keys: tuple) -> NDArray[np.int64] | int:
    """Return turns late; a geometric delay has P(k) = p (1 - p)^k with mean (1 - p) / p."""
    if delay.kind == "fixed":
        return int(delay.turns)
    if delay.kind == "none" or not delay.turns:
        return 0
    stays = delay.turns / (1 + delay.turns)
    drawn = np.floor(np.log(_DELAY.uniform(*keys)) / np.log(stays))
    return np.minimum(drawn, LATEST).astype(np.int64)


def _alter(
    settings: ChannelSettings,
    posted: Posted,
    keys: tuple,
    moving: NDArray[np.bool_],
    routed: Routed,
) -> Routed:
    full = np.broadcast_to(posted.words[:, None], moving.shape)
    words = full if routed.heard_words is None else routed.heard_words
    altered = np.zeros_like(routed.status) if routed.altered is None else routed.altered.copy()
    if settings.truncation.probability:
        cut = moving & (_CUT.uniform(*keys) < settings.truncation.probability)
        kept = np.floor(words * settings.truncation.keep).astype(np.int64)
        altered[cut & (kept < words)] |= int(Alteration.TRUNCATED)
        words = np.where(cut, kept, words)
    if posted.corruptible is not None:
        hit = moving & (_CORRUPT.uniform(*keys) < settings.corruption.probability)
        altered |= np.where(hit, _kinds(settings.corruption.kinds, posted.corruptible, keys), 0)
    altered[~moving] = 0
    if not altered.any():
        return replace(routed, altered=None, heard_words=None)
    return replace(routed, altered=altered, heard_words=words)


def _kinds(kinds: list[str], possible: NDArray[np.bool_], keys: tuple) -> NDArray[np.int64]:
    """Draw one of the possible corruptions of each copy, [n, S]; 0 where none is possible."""
    codes = np.array([int(Alteration[kind.upper()]) for kind in kinds])
    count = possible.sum(axis=1)
    chosen = _KIND.integers(np.maximum(count, 1)[:, None], *keys)
    rank = np.cumsum(possible, axis=1) - 1
    picked = (rank[:, None, :] == chosen[:, :, None]) & possible[:, None, :]
    return (picked * codes).sum(axis=2)
