"""Positions and moves from the mover's side of the board, and their words.

Every position is mirrored so that the side to move is white: its pieces are upper case and its
pawns move up the board. A reader then learns one game instead of two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import DataError

PIECES = "PNBRQKpnbrqk"
"""Codes 1 to 12 of the board's pieces; 0 is an empty square."""
PROMOTIONS = "qrbn"
SQUARES = tuple(f"{file}{rank}" for rank in "12345678" for file in "abcdefgh")
"""Square names by index: a1 is 0, h1 is 7, a8 is 56."""

MATE = 29_000
"""Scores beyond this are mates: ±(`MATE_NOW` - moves)."""
MATE_NOW = 30_000

_EMPTY = str.maketrans({str(n): "." * n for n in range(1, 9)} | {"/": ""})
_SAN_NUMBER = re.compile(r"^\d+\.+")
_MIRROR_RANK = str.maketrans("12345678", "87654321")


def read_boards(fens: Sequence[str]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Parse positions.

    Args:
        fens: R positions in Forsyth-Edwards notation.

    Returns:
        Boards as the mover sees them, [R, 64] piece codes by square index, and whether the mover
        is black, [R].

    Raises:
        DataError: If a position does not describe 64 squares and a side to move.
    """
    placements, sides = [], []
    for row, fen in enumerate(fens, start=1):
        placement, _, rest = fen.partition(" ")
        squares = placement.translate(_EMPTY)
        if len(squares) != 64 or rest[:1] not in ("w", "b"):
            raise DataError(f"row {row}: {fen!r} is not a position in FEN")
        placements.append(squares)
        sides.append(rest[0] == "b")
    letters = np.frombuffer("".join(placements).encode("ascii", "replace"), dtype=np.uint8)
    codes = np.full(256, -1, dtype=np.int8)
    codes[ord(".")] = 0
    for code, piece in enumerate(PIECES, start=1):
        codes[ord(piece)] = code
    boards = codes[letters].reshape(-1, 8, 8)  # rank 8 first
    if (boards < 0).any():
        raise DataError(f"row {int(np.argwhere(boards < 0)[0, 0]) + 1}: unknown piece in the FEN")
    black = np.array(sides, dtype=bool)
    swapped = np.where(boards > 6, boards - 6, np.where(boards > 0, boards + 6, 0))
    seen = np.where(black[:, None, None], swapped, boards[:, ::-1])
    return seen.reshape(-1, 64).astype(np.int8), black


def read_move(uci: str, black: bool) -> tuple[int, int, int]:
    """Return (from square, to square, promotion code or -1) as the mover sees the move.

    Raises:
        DataError: If the text is no move in UCI notation.
    """
    try:
        start, end = SQUARES.index(uci[:2]), SQUARES.index(uci[2:4])
        promotion = PROMOTIONS.index(uci[4]) if len(uci) == 5 else -1
        if len(uci) > 5:
            raise ValueError
    except (ValueError, IndexError):
        raise DataError(f"{uci!r} is not a move in UCI notation") from None
    flip = 56 if black else 0  # XOR with 56 turns the rank around
    return start ^ flip, end ^ flip, promotion


def board_words(board: NDArray[np.int8]) -> str:
    """Return a position as sorted piece-square words, e.g. ``Ke1 Pa2 … kg8``."""
    places = np.flatnonzero(board)
    return " ".join(sorted(PIECES[board[s] - 1] + SQUARES[s] for s in places.tolist()))


def move_words(start: int, end: int, promotion: int) -> str:
    """Return a move as words: from-square, to-square and promotion, e.g. ``fe7 te8 =q``."""
    words = f"f{SQUARES[start]} t{SQUARES[end]}"
    return words if promotion < 0 else f"{words} ={PROMOTIONS[promotion]}"


def mirrored_line(line: str, black: bool) -> str:
    """Return an engine's line without move numbers, as the mover sees it.

    Args:
        line: Moves in SAN with numbers, e.g. ``37...Ne2+ 38. Kg2 Nxc3``.
        black: Whether the mover is black, so that ranks are turned around.
    """
    moves = (_SAN_NUMBER.sub("", token) for token in line.split())
    return " ".join(m.translate(_MIRROR_RANK) if black else m for m in moves if m)


def score_words(score: int) -> str:
    """Return a score in words; the sign is a word, so that no normalization can lose it."""
    if abs(score) > MATE:
        side = "for" if score > 0 else "against"
        return f"mate in {MATE_NOW - abs(score)} {side} the mover"
    sign = "plus " if score > 0 else "minus " if score < 0 else ""
    return f"a score of {sign}{abs(score)} centipawns"


def vocabulary() -> list[str]:
    """Return every word of `board_words` and `move_words`."""
    return [
        *(piece + square for piece in PIECES for square in SQUARES),
        *(f"f{square}" for square in SQUARES),
        *(f"t{square}" for square in SQUARES),
        *(f"={piece}" for piece in PROMOTIONS),
    ]
