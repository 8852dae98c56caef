"""What an altered copy looks like: the one function behind views and the replay of ledgers.

Truncated
    Free speech keeps its first words; of its quotes those that the environment still finds whole in
    them. Numeric speech has no words of its own: its quotes are taken to lie evenly over its
    length, so of q quotes in w words a copy of v words keeps the first floor(q v / w). Stance,
    confidence and stated distribution head a message and always arrive.
Stance
    The copy argues for another option, drawn evenly from the others; the stated probabilities of
    the two options change places. Words and quotes are as said.
Marks
    The environment's marks are gone; the quotes are still quotes.
Words
    The words of free speech arrive in a random order (and are cleaned again, since an order may
    spell what its speaker could not), with those quotes that the environment still finds in them:
    almost always none. Numeric speech loses its quotes.

An alteration removes quotes and marks and never adds any, so no fault can make anything verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.messages import FREE, Alteration
from coordination.speech import clean_speech, limit_words
from environments.base import NO_QUOTE, Environment
from environments.cases import Cases
from environments.core.keyed import Keyed

_OPTION = Keyed(0, "channel.copy.option")
_ORDER = Keyed(0, "channel.copy.order")

CONTENT = ("stance", "stated", "quotes", "verified", "words", "text")
"""Columns of a message that may differ in a copy."""


@dataclass(frozen=True)
class Copies:
    """Copies of messages, one row each, and what befell them."""

    room_id: NDArray[np.int64]
    """[n] room in which the message was said."""
    turn: NDArray[np.int64]
    """[n] turn at which it was said."""
    sender: NDArray[np.int64]
    recipient: NDArray[np.int64]
    altered: NDArray[np.int64]
    """[n] `Alteration` codes."""
    words: NDArray[np.int64]
    """[n] words that arrived."""


def corruptible(
    kinds: list[str], content: Mapping[str, NDArray], n_options: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which corruptions can change each message, [n, len(kinds)]."""
    free = np.array([text is not None for text in content["text"].tolist()], dtype=bool)
    quotes = (content["quotes"] != NO_QUOTE).any(axis=1)
    can = {
        "stance": (content["stance"] != FREE) & (n_options > 1),
        "marks": content["verified"].any(axis=1),
        "words": np.where(free, content["words"] > 1, quotes),
    }
    return np.stack([can[kind] for kind in kinds], axis=1)


def as_delivered(
    content: Mapping[str, NDArray], copies: Copies, cases: Cases, environment: Environment
) -> dict[str, NDArray]:
    """Return the content of messages as their recipients got it.

    A pure function of its arguments: what a seat saw can be computed again from a ledger.

    Args:
        content: The columns `CONTENT` as said, n rows, and ``real`` if wanted (see
            `coordination.said.Said`).
        copies: n copies.
        cases: n cases.
        environment: Finds quotes in words that were cut or shuffled.
    """
    out = {name: content[name].copy() for name in content}
    out["words"] = np.where(copies.altered == 0, out["words"], copies.words)
    _flip(out, copies, cases)
    garbled = np.flatnonzero(copies.altered & int(Alteration.TRUNCATED | Alteration.WORDS))
    if len(garbled):
        free = [i for i in garbled.tolist() if out["text"][i] is not None]
        kept = out["quotes"] != NO_QUOTE
        kept[garbled] &= _numeric_kept(content, copies, garbled)
        if free:
            for i in free:
                out["text"][i] = _garbled(out["text"][i], copies, i)
            found = environment.locate_quotes(cases.take(free), [out["text"][i] for i in free])
            quotes = out["quotes"][free][:, :, None]
            kept[free] = ((quotes == found[:, None, :]) & (quotes >= 0)).any(axis=2)
        _keep(out, kept)
    unmarked = (copies.altered & int(Alteration.MARKS)) != 0
    out["verified"][unmarked] = False
    return out


def _flip(out: dict[str, NDArray], copies: Copies, cases: Cases) -> None:
    rows = np.flatnonzero((copies.altered & int(Alteration.STANCE)) != 0)
    if not len(rows):
        return
    was, others = out["stance"][rows], cases.n_options[rows] - 1
    key = (copies.room_id[rows], copies.turn[rows], copies.sender[rows], copies.recipient[rows])
    now = (was + 1 + _OPTION.integers(others, *key)) % (others + 1)
    out["stance"][rows] = now
    stated = out["stated"]
    stated[rows, was], stated[rows, now] = stated[rows, now], stated[rows, was].copy()


def _numeric_kept(
    content: Mapping[str, NDArray], copies: Copies, rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which quotes are left of numeric speech, [m, Q]."""
    there = content["quotes"][rows] != NO_QUOTE
    share = there.sum(axis=1) * copies.words[rows] // np.maximum(content["words"][rows], 1)
    shuffled = (copies.altered[rows] & int(Alteration.WORDS)) != 0
    return there & (np.cumsum(there, axis=1) <= np.where(shuffled, 0, share)[:, None])


def _garbled(text: str, copies: Copies, i: int) -> str:
    altered, left = int(copies.altered[i]), int(copies.words[i])
    if altered & Alteration.TRUNCATED:
        text = limit_words(text, left)[0] if left else ""  # a limit of 0 words is none
    if not altered & Alteration.WORDS:
        return text
    words = text.split()
    key = (copies.room_id[i], copies.turn[i], copies.sender[i], copies.recipient[i])
    order = _ORDER.permutation(len(words), *key)
    return clean_speech(" ".join(words[place] for place in order.tolist()))


def _keep(out: dict[str, NDArray], kept: NDArray[np.bool_]) -> None:
    """Drop the other quotes, and move those that are left to the left."""
    order = np.argsort(~kept, axis=1, kind="stable")
    for name, nothing in (("quotes", NO_QUOTE), ("verified", False), ("real", False)):
        if name in out:
            left = np.where(kept, out[name], nothing)
            out[name] = np.take_along_axis(left, order, axis=1)
