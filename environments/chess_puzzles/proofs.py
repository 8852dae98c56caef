"""Chess puzzles: what holds of the packaged data, by the rules of chess and by definition."""

from __future__ import annotations

import numpy as np

from environments.base import PUBLIC, SOURCE, SplitPlan
from environments.cases import Split
from environments.chess_mates.mates import forced_mate
from environments.chess_puzzles.config import ChessPuzzlesConfig
from environments.chess_puzzles.environment import ChessPuzzles
from environments.chess_puzzles.position import MATE_NOW
from environments.chess_puzzles.puzzles import DATA, load_puzzles
from environments.core.extras import require
from environments.core.proof import Proof

_DATA = "Lichess puzzles (CC0), scored by Stockfish 15.1; rules of chess"
_SEARCHED = 120
"""Mates in two that are searched; the first ones of the data."""


def proofs() -> list[Proof]:
    """Return all proofs of the chess puzzles; needs the extra ``[chess]``."""
    world = ChessPuzzles(
        ChessPuzzlesConfig(pairs="all"), SplitPlan({Split.CALIBRATION: 600, Split.TEST: 600})
    )
    cases = world.deal(world.case_ids(Split.TEST, 0))
    nobody = np.zeros(cases.n, dtype=np.int64)
    told = world.assess(cases, PUBLIC, nobody) + cases.evidence.llr.sum(axis=1)
    known = world.assess(cases, SOURCE, nobody)
    mask = cases.option_mask
    told = told - np.logaddexp.reduce(np.where(mask, told, -np.inf), axis=1, keepdims=True)
    gap = np.abs(np.where(mask, np.exp(told) - np.exp(known), 0.0)).max()
    values = [reference.value for reference in world.reference_values().values()]
    names = list(world.reference_values())
    ranks = [values[names.index(n)] for n in ("chance", "weak_expert", "expert", "strong_expert")]
    wrong_one, wrong_two = _mates()
    return [
        Proof(
            "a Bayesian shown all scores = a reader of the source: largest gap",
            "definition",
            0.0,
            float(gap),
            1e-12,
        ),
        Proof(
            "accuracy rises with the depth on view: chance < 2 < 6 < 8 (1: yes)",
            "Burns et al. 2023 (arXiv 2312.09390): chess supervisors of rising strength",
            1.0,
            float(ranks == sorted(ranks)),
            0.0,
        ),
        Proof("options marked as mate that do not mate, or the reverse", _DATA, 0, wrong_one, 0),
        Proof(
            f"mates in two of the first {_SEARCHED} scored so that no search confirms",
            _DATA,
            0,
            wrong_two,
            0,
        ),
    ]


def _mates() -> tuple[int, int]:
    """Return how many marks of mate, and how many scores "mate in 2", the rules contradict."""
    import pyarrow.parquet as pq

    chess = require("chess", "chess")
    puzzles, _ = load_puzzles()
    table = pq.read_table(DATA, columns=["fen", "options_uci"])
    marked = puzzles.flags[:, :, 0] == 1
    two = puzzles.score[:, :, -1] == MATE_NOW - 2
    wrong = unconfirmed = searched = 0
    rows = zip(table["fen"].to_pylist(), table["options_uci"].to_pylist(), strict=True)
    for row, (fen, moves) in enumerate(rows):
        board = chess.Board(fen)
        for k, text in enumerate(moves):
            move = chess.Move.from_uci(text)
            board.push(move)
            wrong += board.is_checkmate() != bool(marked[row, k])
            board.pop()
            if two[row, k] and searched < _SEARCHED:
                searched += 1
                unconfirmed += not forced_mate(board, 2, move)
    return wrong, unconfirmed
