"""A small UCI engine for tests: alpha-beta over python-chess, with a depth and a skill dial.

Speaks UCI on standard input and output. ``Skill Level`` s (0 … 20) plays a move drawn by the
position's checksum in (20 - s)/20 of all positions, and searches in the others.
"""

import sys
import zlib

import chess

VALUES = {1: 100, 2: 300, 3: 310, 4: 500, 5: 900, 6: 0}
MATE = 30_000


def evaluate(board: chess.Board) -> int:
    total = sum(
        (VALUES[piece.piece_type] if piece.color == board.turn else -VALUES[piece.piece_type])
        for piece in board.piece_map().values()
    )
    return total + board.legal_moves.count()


def search(board: chess.Board, depth: int, low: int, high: int, ply: int) -> int:
    if board.is_checkmate():
        return ply - MATE
    if board.is_stalemate() or board.is_insufficient_material():
        return 0
    if depth == 0:
        return evaluate(board)
    moves = sorted(board.legal_moves, key=lambda m: not (board.gives_check(m) or m.promotion))
    for move in moves:
        board.push(move)
        low = max(low, -search(board, depth - 1, -high, -low, ply + 1))
        board.pop()
        if low >= high:
            break
    return low


def best(board: chess.Board, depth: int, roots: list[chess.Move], skill: int) -> chess.Move:
    coin = zlib.crc32(board.fen().encode())
    if coin % 20 >= skill:
        return roots[coin // 20 % len(roots)]
    scored = []
    for move in roots:
        board.push(move)
        scored.append((-search(board, depth - 1, -MATE, MATE, 1), move.uci()))
        board.pop()
    return chess.Move.from_uci(max(scored)[1])


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    board, skill = chess.Board(), 20
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words[0] == "uci":
            say("id name Small Test Engine")
            say("option name Skill Level type spin default 20 min 0 max 20")
            say("uciok")
        elif words[0] == "isready":
            say("readyok")
        elif words[:3] == ["setoption", "name", "Skill"]:
            skill = int(words[-1])
        elif words[0] == "position":
            board = chess.Board(" ".join(words[2:8])) if words[1] == "fen" else chess.Board()
            if "moves" in words:
                for move in words[words.index("moves") + 1 :]:
                    board.push_uci(move)
        elif words[0] == "go":
            depth = int(words[words.index("depth") + 1]) if "depth" in words else 1
            roots = list(board.legal_moves)
            if "searchmoves" in words:
                given = words[words.index("searchmoves") + 1 :]
                roots = [m for m in roots if m.uci() in given]
            say(f"bestmove {best(board, depth, roots, skill).uci()}")
        elif words[0] == "quit":
            return


if __name__ == "__main__":
    main()
