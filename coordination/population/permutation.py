"""Keyed permutations of range(n), one element at a time.

A permutation that has to be held in memory cannot be sharded. Here the image of each element is
computed alone, and so is the way back, so every shard finds its own part of a permutation of a
billion without asking anybody.

The construction is a Feistel network over the smallest power of two that holds n (Luby & Rackoff
1988), with cycle walking back into range(n) (Black & Rogaway 2002). Its rounds are keyed by
SplitMix64; this mixes well, and is no cipher.

Example:
    >>> import numpy as np
    >>> shuffle = Permutation(7, "teams")
    >>> image = shuffle.forward(np.arange(10), 10, 3)
    >>> sorted(image.tolist()) == list(range(10))
    True
    >>> shuffle.backward(image, 10, 3).tolist() == list(range(10))
    True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.core.keyed import Keyed, mix64

_ROUNDS = 6
_STEP = np.uint64(0xD1342543DE82EF95)


class Permutation:
    """A family of permutations, one for every size and tuple of keys.

    Args:
        seed: The seed of the run.
        stream: What the permutations are for.
    """

    def __init__(self, seed: int, stream: str) -> None:
        self._draw = Keyed(seed, stream)

    def forward(self, x: ArrayLike, size: ArrayLike, *keys: ArrayLike) -> NDArray[np.int64]:
        """Return where each element goes.

        Args:
            x: [N] elements, each in range(size).
            size: Number of elements permuted; one for all, or [N].
            keys: Broadcast against x; each tuple of keys is a permutation of its own.
        """
        return self._walk(x, size, keys, inverse=False)

    def backward(self, y: ArrayLike, size: ArrayLike, *keys: ArrayLike) -> NDArray[np.int64]:
        """Return the elements that `forward` sends to ``y``."""
        return self._walk(y, size, keys, inverse=True)

    def _walk(
        self, x: ArrayLike, size: ArrayLike, keys: tuple[ArrayLike, ...], inverse: bool
    ) -> NDArray[np.int64]:
        place = np.asarray(x, dtype=np.int64)
        limit = np.asarray(size, dtype=np.int64)
        if not place.size:
            return place.copy()
        key = self._draw.bits(*keys) if keys else self._draw.bits(0)
        out = _network(place, key, limit, inverse)
        outside = np.flatnonzero(out >= limit)
        while outside.size:  # each pass brings about half of them back, or more
            there = key if key.ndim == 0 else key[outside]
            edge = limit if limit.ndim == 0 else limit[outside]
            again = _network(out[outside], there, edge, inverse)
            out[outside] = again
            outside = outside[again >= edge]
        return out


def _network(
    x: NDArray[np.int64], key: NDArray[np.uint64], size: NDArray[np.int64], inverse: bool
) -> NDArray[np.int64]:
    """Run the rounds over words just wide enough for each size; halves differ by one bit at most.

    Words have at least two bits: half a bit cannot be split.
    """
    bits = np.maximum(np.frexp((size - 1).astype(np.float64))[1], 2).astype(np.uint64)
    low_bits = bits // np.uint64(2)
    low_mask = (np.uint64(1) << low_bits) - np.uint64(1)
    high_mask = (np.uint64(1) << (bits - low_bits)) - np.uint64(1)
    word = x.astype(np.uint64)
    low, high = word & low_mask, word >> low_bits
    rounds = range(_ROUNDS - 1, -1, -1) if inverse else range(_ROUNDS)
    for number in rounds:
        with np.errstate(over="ignore"):
            salt = key + np.uint64(number + 1) * _STEP
        # Odd and even rounds take turns, so the halves need no swap and keep their widths.
        if number % 2 == 0:
            high = high ^ (mix64(low ^ salt) & high_mask)
        else:
            low = low ^ (mix64(high ^ salt) & low_mask)
    return ((high << low_bits) | low).astype(np.int64)
