"""The puzzle table as arrays; answers are kept apart from everything else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from environments.chess_puzzles.position import read_boards, read_move
from environments.core.errors import DataError

DATA = Path(__file__).with_name("chess_puzzles.parquet")
DEPTHS = (1, 2, 3, 4, 6, 8, 12)
"""Search depths at which every option has a score."""
LINE_DEPTHS = (4, 12)
"""Depths whose line is on record."""
FLAGS = ("is_checkmate", "gives_check", "is_capture", "is_promotion")
"""What a move looks like from outside."""
WIDTH = 4
"""Largest number of options of a puzzle."""


@dataclass(frozen=True)
class Puzzles:
    """R puzzles without their answers. Options are in the order of the data; -1 or NaN pads."""

    board: NDArray[np.int8]
    """[R, 64] piece codes as the mover sees them."""
    black: NDArray[np.bool_]
    """[R] whether the mover is black."""
    n_options: NDArray[np.int64]
    move: NDArray[np.int64]
    """[R, 4, 3] from square, to square and promotion of each option."""
    flags: NDArray[np.int64]
    """[R, 4, F] `FLAGS`, 0 or 1."""
    score: NDArray[np.float64]
    """[R, 4, D] centipawns for the mover at `DEPTHS`; NaN where the engine gave none."""
    lines: dict[int, list[list[str | None]]]
    """Depth to the line of each option."""
    rating: NDArray[np.int64]
    split: NDArray[np.object_]


@dataclass(frozen=True)
class Answers:
    """What must stay sealed."""

    answer: NDArray[np.int64]
    """[R] index of the solution among the options of the data."""
    matched: NDArray[np.int64]
    """[R] a wrong option that looks exactly like the answer, -1 where there is none."""


def load_puzzles(path: Path = DATA) -> tuple[Puzzles, Answers]:
    """Read the puzzle table.

    Raises:
        DataError: If the file is missing, is not Parquet, lacks a column or has a malformed row.
    """
    table = _read(path)
    uci = table["options_uci"].to_pylist()
    n_options = np.array([len(moves or ()) for moves in uci], dtype=np.int64)
    bad = np.flatnonzero((n_options < 2) | (n_options > WIDTH))
    if len(bad):
        raise DataError(f"expected 2 to {WIDTH} options", path, int(bad[0]) + 1)
    try:
        board, black = read_boards(table["fen"].to_pylist())
        move = np.full((len(uci), WIDTH, 3), -1, dtype=np.int64)
        for row, (moves, side) in enumerate(zip(uci, black.tolist(), strict=True)):
            for k, text in enumerate(moves):
                move[row, k] = read_move(text, side)
    except DataError as problem:
        raise DataError(str(problem), path) from None
    flags = np.stack([_padded(table, f, n_options, 0.0, path) for f in FLAGS], axis=2)
    score = [_padded(table, f"score_d{d}", n_options, np.nan, path) for d in DEPTHS]
    answer = table["answer"].to_numpy().astype(np.int64)
    bad = np.flatnonzero((answer < 0) | (answer >= n_options))
    if len(bad):
        raise DataError("answer is not the index of an option", path, int(bad[0]) + 1)
    puzzles = Puzzles(
        board=board,
        black=black,
        n_options=n_options,
        move=move,
        flags=flags.astype(np.int64),
        score=np.stack(score, axis=2),
        lines={d: table[f"line_d{d}"].to_pylist() for d in LINE_DEPTHS},
        rating=table["rating"].to_numpy().astype(np.int64),
        split=np.array(table["split"].to_pylist(), dtype=object),
    )
    matched = np.array(
        [-1 if m is None else m for m in table["matched_option"].to_pylist()], dtype=np.int64
    )
    # The data matches check, capture and promotion; a mate that is not matched still shows.
    rows = np.arange(len(answer))
    alike = (puzzles.flags[rows, answer] == puzzles.flags[rows, matched]).all(axis=1)
    return puzzles, Answers(answer, np.where(alike, matched, -1))


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise DataError("no such file; the puzzles are part of the installed package", path)
    columns = ["fen", "options_uci", "answer", "matched_option", "rating", "split", *FLAGS]
    columns += [f"score_d{d}" for d in DEPTHS] + [f"line_d{d}" for d in LINE_DEPTHS]
    try:
        missing = sorted(set(columns) - set(pq.read_schema(path).names))
        if missing:
            raise DataError(f"has no column {missing[0]!r}", path)
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as problem:
        raise DataError(f"is not a readable Parquet file ({problem})", path) from None


def _padded(
    table: pa.Table, name: str, n_options: NDArray[np.int64], fill: float, path: Path
) -> NDArray[np.float64]:
    """Return a list column as [R, 4]; nulls become ``fill``, within lists as for whole lists."""
    column: Any = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero((lengths != n_options) & (lengths != 0))
    if len(bad):
        raise DataError(f"{name} needs one value per option", path, int(bad[0]) + 1)
    out = np.full((len(n_options), WIDTH), fill)
    values = column.flatten().cast(pa.float64()).fill_null(fill).to_numpy(zero_copy_only=False)
    out[np.arange(WIDTH) < lengths[:, None]] = values
    return out
