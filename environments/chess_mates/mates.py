"""Forced mates, proved by exhaustive search, and positions that hold one. Extra ``[chess]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from environments.core.errors import ConfigError
from environments.core.extras import require
from environments.core.keyed import Keyed

if TYPE_CHECKING:
    import chess

ATTACKERS = ("QR", "QB", "QN", "RR", "QRP", "RRN", "QBN")
"""White's pieces beside the king in generated positions."""
DEFENDERS = ("", "P", "PP", "R", "NP", "BPP")
"""Black's pieces beside the king."""
ATTEMPTS = 4000
"""Positions tried for one mate."""


def forced_mate(board: chess.Board, moves: int, first: chess.Move | None = None) -> bool:
    """Say whether the side to move mates within some moves, whatever the other side does.

    Args:
        board: The position; it is as before afterwards.
        moves: Moves of the attacker, at least 1.
        first: The attacker's first move; any by default.
    """
    for move in [first] if first is not None else _checks_first(board):
        board.push(move)
        mates = board.is_checkmate() or (
            moves > 1 and not board.is_game_over() and _always(board, moves - 1)
        )
        board.pop()
        if mates:
            return True
    return False


def _always(board: chess.Board, moves: int) -> bool:
    """Say whether every reply of the side to move loses to a mate within some moves."""
    for reply in list(board.legal_moves):
        board.push(reply)
        mates = forced_mate(board, moves)
        board.pop()
        if not mates:
            return False
    return True


def _checks_first(board: chess.Board) -> list[chess.Move]:
    """Return the legal moves, checks first: most mates begin with one."""
    return sorted(board.legal_moves, key=lambda move: not board.gives_check(move))


def mate_position(key: int, moves: int, seed: int) -> tuple[str, str]:
    """Return a position with exactly one move that forces mate, and that move.

    Few pieces are placed by key until white, to move, mates in ``moves`` and not earlier, by one
    first move only; both are proved by exhaustive search.

    Args:
        key: Which position; a pure function of it and the seed.
        moves: 1 or 2.
        seed: Keys all draws.

    Returns:
        The position (FEN) and the move (UCI).

    Raises:
        ConfigError: If the extra is missing or, after `ATTEMPTS` positions, none was found.
    """
    chess = require("chess", "chess")
    draw = Keyed(seed, f"chess.mate_in_{moves}")
    for attempt in range(ATTEMPTS):
        board = _placed(draw, key, attempt)
        if board is None or (moves > 1 and forced_mate(board, moves - 1)):
            continue
        winning = [m for m in list(board.legal_moves) if forced_mate(board, moves, m)]
        if len(winning) == 1 and board.legal_moves.count() >= 4:
            return str(board.fen()), str(winning[0].uci())
    raise ConfigError(f"no mate in {moves} among {ATTEMPTS} positions of {chess.__name__}")


def _placed(draw: Keyed, key: int, attempt: int) -> chess.Board | None:
    """Return a legal position with few pieces, white to move; None where pieces clash."""
    import chess

    white = ATTACKERS[int(draw.integers(len(ATTACKERS), key, attempt, 0))]
    black = DEFENDERS[int(draw.integers(len(DEFENDERS), key, attempt, 1))]
    names = ["K", *white, "k", *black.lower()]
    squares = draw.integers(64, key, attempt, 2, shape=(len(names),))
    # The defender's king stands at the edge: mates are rare in the open.
    edge = int(draw.integers(28, key, attempt, 3))
    ring = [s for s in range(64) if s % 8 in (0, 7) or s // 8 in (0, 7)]
    squares[1 + len(white)] = ring[edge]
    if len(np.unique(squares)) < len(squares):
        return None
    board = chess.Board(None)
    for name, square in zip(names, squares.tolist(), strict=True):
        if name in "Pp" and square // 8 in (0, 7):
            return None
        board.set_piece_at(square, chess.Piece.from_symbol(name))
    return board if board.is_valid() else None
