"""Positions and moves are seen from the mover's side."""

import pytest

from environments.chess_puzzles.position import (
    board_words,
    mirrored_line,
    move_words,
    read_boards,
    read_move,
    vocabulary,
)
from environments.core.errors import DataError

START = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR"


def test_white_and_black_see_their_own_side_below():
    boards, black = read_boards([f"{START} w KQkq - 0 1", f"{START} b KQkq e3 0 1"])
    assert black.tolist() == [False, True]
    white_sees, black_sees = map(board_words, boards)
    assert "Ke1" in white_sees.split() and "Pe4" in white_sees.split()
    assert "Ke1" in black_sees.split() and "pe5" in black_sees.split()
    assert "Qd1" in black_sees.split() and "qd8" in black_sees.split()
    assert len(white_sees.split()) == 32


def test_words_are_sorted_and_mover_first():
    boards, _ = read_boards(["6k1/8/8/8/8/8/P7/4K3 w - - 0 1"])
    assert board_words(boards[0]) == "Ke1 Pa2 kg8"


@pytest.mark.parametrize(
    ("uci", "black", "words"),
    [
        ("e2e4", False, "fe2 te4"),
        ("e7e5", True, "fe2 te4"),
        ("a2a1n", True, "fa7 ta8 =n"),
        ("h7h8q", False, "fh7 th8 =q"),
    ],
)
def test_moves(uci, black, words):
    assert move_words(*read_move(uci, black)) == words
    assert set(words.split()) <= set(vocabulary())


def test_lines_lose_their_numbers_and_turn_with_the_mover():
    line = "37...Ne2+ 38. Kg2 R1xc3 39. e8=Q#"
    assert mirrored_line(line, black=False) == "Ne2+ Kg2 R1xc3 e8=Q#"
    assert mirrored_line(line, black=True) == "Ne7+ Kg7 R8xc6 e1=Q#"
    assert mirrored_line("12. O-O-O", black=True) == "O-O-O"


def test_vocabulary_has_each_word_once():
    words = vocabulary()
    assert len(words) == len(set(words)) == 768 + 64 + 64 + 4


@pytest.mark.parametrize("fen", ["", "8/8 w", f"{START} x", START, f"{START[:-1]}X w - - 0 1"])
def test_bad_positions(fen):
    with pytest.raises(DataError):
        read_boards([fen])


@pytest.mark.parametrize("uci", ["", "e2", "e2e9", "e7e8k", "e7e8qq"])
def test_bad_moves(uci):
    with pytest.raises(DataError):
        read_move(uci, False)
