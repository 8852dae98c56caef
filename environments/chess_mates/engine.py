"""A UCI engine of the user's, with a dial for its skill. Extra ``[chess]``.

No engine comes with this package. The engine is a program that the user has (e.g. Debian's
``stockfish``); it is started without arguments and told positions through its standard input.

Source: the Universal Chess Interface (Huber & Meyer-Kahlen 2006), through python-chess.
"""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from environments.core.errors import ConfigError, RunError
from environments.core.extras import require

START_SECONDS = 10.0
"""How long an engine may take to say hello."""
_FIXED = {"Threads": 1, "Hash": 16}
"""Options that make a search repeatable, set where the engine has them."""
_NEUTRAL = {"Skill Level": 20, "UCI_LimitStrength": False}
"""Full strength, set before a level that asks for less."""


@dataclass
class EngineLevel:
    """How strong an engine plays. At least one of depth and nodes is needed.

    Depth and nodes are repeatable limits. ``skill`` and ``elo`` weaken the engine by its own means:
    Stockfish then draws among good moves at random, so that a run is not repeatable to the last
    bit.
    """

    depth: int = 0
    """Plies searched, 1 to 60; 0 for no limit."""
    nodes: int = 0
    """Positions searched, at most; 0 for no limit."""
    skill: int = -1
    """UCI option ``Skill Level``, 0 to 20; -1 leaves it at full strength."""
    elo: int = 0
    """UCI options ``UCI_LimitStrength`` and ``UCI_Elo``; 0 for no limit."""

    @property
    def repeatable(self) -> bool:
        """Whether the engine has no reason to draw at random."""
        return self.skill < 0 and self.elo == 0

    def describe(self) -> str:
        """Return the level in words."""
        parts = [
            (self.depth, f"depth {self.depth}"),
            (self.nodes, f"{self.nodes} nodes"),
            (self.skill >= 0, f"skill {self.skill}"),
            (self.elo, f"Elo {self.elo}"),
        ]
        return ", ".join(text for given, text in parts if given)

    def check(self, where: str) -> None:
        """Raise ConfigError for a value that cannot be."""
        if not 0 <= self.depth <= 60:
            raise ConfigError(f"{where}.depth={self.depth} is not in 0 … 60")
        if not 0 <= self.nodes <= 10**9:
            raise ConfigError(f"{where}.nodes={self.nodes} is not in 0 … 10**9")
        if not -1 <= self.skill <= 20:
            raise ConfigError(f"{where}.skill={self.skill} is not in -1 … 20")
        if not 0 <= self.elo <= 4000:
            raise ConfigError(f"{where}.elo={self.elo} is not in 0 … 4000")
        if not self.depth and not self.nodes:
            raise ConfigError(f"{where}: set depth or nodes; an engine without limit never answers")


class Engine:
    """A running engine; it ends with this object.

    Args:
        program: Its path, or its name on the search path; no arguments.
        where: The configuration key, for messages.

    Raises:
        MissingExtraError: If python-chess is not installed.
        ConfigError: If there is no such program, or it does not speak UCI.
    """

    def __init__(self, program: str, where: str) -> None:
        self._chess = require("chess", "chess")
        uci = require("chess.engine", "chess")
        self._uci: Any = uci
        found = shutil.which(program) if program else None
        if found is None:
            raise ConfigError(
                f"{where}={program!r} is no program here; give the path of a UCI engine "
                "(Debian: apt install stockfish)"
            )
        try:
            self._engine = _in_daemon(
                lambda: uci.SimpleEngine.popen_uci(found, timeout=START_SECONDS)
            )
        except (uci.EngineError, TimeoutError, OSError) as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"{where}={program!r} does not speak UCI: {told}") from None
        weakref.finalize(self, _close, self._engine)
        self.name = str(self._engine.id.get("name", program))
        self._configure({k: v for k, v in _FIXED.items() if k in self._engine.options})

    def check(self, level: EngineLevel, where: str) -> None:
        """Raise ConfigError if the engine lacks the options that a level needs."""
        needed = ["Skill Level"] if level.skill >= 0 else []
        needed += ["UCI_LimitStrength", "UCI_Elo"] if level.elo else []
        for option in needed:
            if option not in self._engine.options:
                raise ConfigError(f"{where}: {self.name} has no option {option!r}")
        elo = self._engine.options.get("UCI_Elo")
        if level.elo and elo is not None and not elo.min <= level.elo <= elo.max:
            raise ConfigError(f"{where}.elo={level.elo}: {self.name} allows {elo.min} … {elo.max}")

    def choose(self, fen: str, moves: Sequence[str], level: EngineLevel) -> str:
        """Return which of some moves the engine plays.

        The engine forgets earlier positions first, so that its answer depends on nothing else.

        Args:
            fen: The position.
            moves: Legal moves (UCI) to choose from.
            level: How strong it plays.

        Raises:
            RunError: If the engine ends or breaks the protocol.
        """
        options: dict[str, Any] = {k: v for k, v in _NEUTRAL.items() if k in self._engine.options}
        if level.skill >= 0:
            options["Skill Level"] = level.skill
        if level.elo:
            options |= {"UCI_LimitStrength": True, "UCI_Elo": level.elo}
        limit = self._uci.Limit(depth=level.depth or None, nodes=level.nodes or None)
        board = self._chess.Board(fen)
        roots = [self._chess.Move.from_uci(move) for move in moves]
        try:
            self._configure(options)
            played = self._engine.play(board, limit, game=object(), root_moves=roots)
        except (self._uci.EngineError, TimeoutError) as error:
            raise RunError(f"engine {self.name} failed at {fen!r}: {error}") from None
        if played.move is None or played.move not in roots:
            raise RunError(f"engine {self.name} played {played.move} of {', '.join(moves)}")
        return str(played.move.uci())

    def _configure(self, options: dict[str, Any]) -> None:
        if options:
            self._engine.configure(options)


def _in_daemon(start: Callable[[], Any]) -> Any:
    """Return what ``start`` returns, run in a daemon thread.

    python-chess runs each engine in a thread, which is a daemon if its starter is one. Any other
    thread would keep the interpreter from ending before `weakref.finalize` has closed the engine.
    """
    done: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(start())
        except BaseException as error:  # handed to the caller below
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _close(engine: Any) -> None:
    """End an engine's process."""
    engine.close()
