"""Mates are proved by search; a real UCI process advises, and more skill is more often right."""

import stat
import subprocess
import sys
from pathlib import Path

import chess
import numpy as np
import psutil
import pytest

from environments.base import SplitPlan
from environments.cases import Split
from environments.chess_mates.engine import Engine, EngineLevel
from environments.chess_mates.environment import ChessMates, ChessMatesConfig
from environments.chess_mates.mates import forced_mate, mate_position
from environments.conformance import assert_environment
from environments.core.errors import ConfigError, RunError

SCRIPT = Path(__file__).with_name("uci_engine.py")
PLAN = SplitPlan({Split.TEACHING: 60, Split.TEST: 40})


def program(folder: Path, text: str, name: str = "engine") -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture(scope="module")
def engine_path(tmp_path_factory) -> str:
    """A program that is started without arguments, as users' engines are."""
    folder = tmp_path_factory.mktemp("engine")
    return program(folder, f'#!/bin/sh\nexec "{sys.executable}" "{SCRIPT}"\n')


@pytest.fixture(scope="module")
def world(engine_path) -> ChessMates:
    levels = {
        "weak_engine": EngineLevel(depth=1, skill=0),
        "middling_engine": EngineLevel(depth=1, skill=10),
        "strong_engine": EngineLevel(depth=1),
    }
    return ChessMates(ChessMatesConfig(engine=engine_path, moves=1, levels=levels), PLAN)


def solo(fen: str) -> chess.Board:
    return chess.Board(fen)


def test_forced_mates_that_are_known():
    back_rank = solo("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")
    assert forced_mate(back_rank, 1) and forced_mate(back_rank, 1, chess.Move.from_uci("a1a8"))
    assert not forced_mate(back_rank, 1, chess.Move.from_uci("a1a7"))
    ladder = solo("7k/8/8/8/8/8/R7/1R4K1 w - - 0 1")
    assert not forced_mate(ladder, 1) and forced_mate(ladder, 2)
    stalemate = solo("7k/8/5KQ1/8/8/8/8/8 w - - 0 1")
    assert forced_mate(stalemate, 1) and not forced_mate(solo("8/8/8/8/8/8/8/K1k5 w - - 0 1"), 2)
    before = ladder.fen()
    forced_mate(ladder, 2)
    assert ladder.fen() == before


@pytest.mark.parametrize("moves", [1, 2])
def test_generated_positions_have_exactly_one_mating_move(moves):
    for key in range(6 if moves == 1 else 3):
        fen, mate = mate_position(key, moves, seed=0)
        board = solo(fen)
        assert board.is_valid() and board.turn == chess.WHITE
        found = [m.uci() for m in board.legal_moves if forced_mate(board, moves, m)]
        assert found == [mate] and (moves == 1 or not forced_mate(board, 1))
        assert mate_position(key, moves, seed=0) == (fen, mate) != mate_position(key, moves, 1)


def test_the_engine_of_this_test_speaks_uci_and_a_full_search_finds_every_mate(engine_path):
    """Three plies see a mate in two to its end, so depth 3 is always right; depth 1 is not."""
    engine = Engine(engine_path, "engine")
    assert engine.name == "Small Test Engine"
    right = {1: 0, 3: 0}
    for key in range(5):
        fen, mate = mate_position(key, 2, seed=0)
        options = [m.uci() for m in solo(fen).legal_moves]
        for depth in right:
            right[depth] += engine.choose(fen, options, EngineLevel(depth=depth)) == mate
    assert right[3] == 5 > right[1]


def test_it_conforms_and_accuracy_rises_with_skill(world):
    assert_environment(world)
    values = {name: reference.value for name, reference in world.reference_values().items()}
    # Skill s of 20 answers at random in (20 - s)/20 of all positions: .25, .625, 1 expected; the
    # standard error over 60 positions is .063 at most.
    assert values["weak_engine"] + 0.1 < values["middling_engine"]
    assert values["middling_engine"] + 0.1 < values["strong_engine"] == 1.0
    assert values["full_information"] == 1.0 and values["chance"] == 0.25
    assert world.details()["repeatable"] is False


def test_truth_is_the_mate_and_evidence_is_what_the_engine_plays(world):
    ids = world.case_ids(Split.TEST, 0)
    cases, truth = world.deal(ids), world.seal().reveal(ids, "test")
    strong = cases.evidence.llr[:, 2].argmax(axis=1)
    assert np.array_equal(strong, truth)
    for row in range(5):
        mate = world._work(int(ids[row]))
        board = solo(mate.fen)
        board.push_uci(mate.options[truth[row]])
        assert board.is_checkmate()
        words = world.render_options(cases)[row][strong[row]]
        assert words in world.render_evidence(cases)[row][2]
    again = ChessMates(world.config, PLAN).deal(ids[:10])
    assert np.array_equal(again.evidence.llr, cases.evidence.llr[:10])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "no_such_engine_here"}, "no_such_engine_here' is no program here"),
        ({"engine": ""}, "environment.engine='' is no program here"),
        ({"moves": 3}, "environment.moves=3 is not in 1"),
        ({"levels": {}}, "environment.levels is empty"),
        ({"levels": {"public": EngineLevel(depth=1)}}, "levels.public: this name is taken"),
        ({"levels": {"a": EngineLevel()}}, "levels.a: set depth or nodes"),
        ({"levels": {"a": EngineLevel(depth=99)}}, "levels.a.depth=99"),
        ({"levels": {"a": EngineLevel(depth=1, elo=1500)}}, "has no option 'UCI_LimitStrength'"),
    ],
)
def test_what_cannot_be_is_one_clear_line(settings, message, engine_path):
    config = ChessMatesConfig(**{"engine": engine_path, "moves": 1, **settings})
    with pytest.raises(ConfigError, match=message):
        ChessMates(config, PLAN)


def test_a_process_that_has_an_engine_ends_and_so_does_the_engine(engine_path):
    code = (
        "from environments.chess_mates.engine import Engine\n"
        f"engine = Engine({engine_path!r}, 'engine')\n"
        "print(engine._engine.transport.get_pid())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    try:
        left = psutil.Process(int(done.stdout))
        left.wait(10)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:  # ended, but nobody in this container reaps orphans
        assert left.status() == psutil.STATUS_ZOMBIE


def test_a_program_that_is_no_engine_and_an_engine_that_dies(tmp_path, engine_path):
    silent = program(tmp_path, "#!/bin/sh\nexit 3\n", "silent")
    with pytest.raises(ConfigError, match="does not speak UCI"):
        Engine(silent, "environment.engine")
    dying = program(
        tmp_path,
        "#!/bin/sh\nwhile read line; do case $line in uci) echo uciok;; isready) echo readyok;;"
        " go*) exit 1;; esac; done\n",
        "dying",
    )
    engine = Engine(dying, "environment.engine")
    fen, mate = mate_position(0, 1, seed=0)
    with pytest.raises(RunError, match="failed at"):
        engine.choose(fen, [mate], EngineLevel(depth=1))
