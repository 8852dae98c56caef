"""From replies to a distribution over lettered options."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.language_model.prompts import LETTERS

TINY = 1e-12
"""Least probability of an option before normalization."""
_AROUND = " \t\r\n.,:;!?()[]{}*\"'`‘’“”#_▁ĠĊ"
_FIRST = re.compile(r"\W*([A-Z])(?:\W*$|[).:,\]*]|\s*\n)")
_ALONE = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])")


def from_logprobs(top: Sequence[tuple[str, float]], n: int) -> NDArray[np.float64] | None:
    """Return the probabilities of n letters from the alternatives of the first token.

    Tokens that are a letter but for blanks and punctuation add up. A letter that is not listed
    gets the most that it can have: the smallest listed probability or, if less, all the mass that
    is not listed. The result is normalized over the letters.

    Returns:
        [n] float64, or None if no letter is listed.
    """
    mass = np.zeros(n)
    listed = np.exp(np.array([value for _, value in top]))
    for (token, _), value in zip(top, listed, strict=True):
        place = _place(token.strip(_AROUND), n)
        if place is not None:
            mass[place] += value
    if not mass.any():
        return None
    unlisted = min(float(listed.min()), max(0.0, 1.0 - float(listed.sum())))
    mass = np.maximum(np.where(mass > 0, mass, unlisted), TINY)
    return mass / mass.sum()


def from_counts(counts: NDArray[np.int64], smoothing: float) -> NDArray[np.float64]:
    """Return smoothed relative frequencies (n_k + α) / (n + αK)."""
    return (counts + smoothing) / (counts.sum() + smoothing * len(counts))


def read_choice(text: str, options: Sequence[str]) -> int | None:
    """Return which lettered option a reply names; None if that is not clear.

    In this order: the letter that the reply begins with, set off by punctuation; the only letter
    that stands alone in it; the only option whose text it contains. What stands before a closing
    ``</think>`` is not read.

    Args:
        text: The reply.
        options: Texts of the options, in the order of their letters.
    """
    text = text.rpartition("</think>")[2].strip()
    first = _FIRST.match(text)
    if first and _place(first[1], len(options)) is not None:
        return _place(first[1], len(options))
    alone = {_place(letter, len(options)) for letter in _ALONE.findall(text)} - {None}
    if len(alone) == 1:
        return alone.pop()
    said = [k for k, option in enumerate(options) if option and option.lower() in text.lower()]
    return said[0] if len(said) == 1 and not alone else None


def _place(letter: str, n: int) -> int | None:
    place = LETTERS.find(letter) if len(letter) == 1 else -1
    return place if 0 <= place < n else None
