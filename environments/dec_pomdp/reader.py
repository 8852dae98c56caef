"""Reading the public ``.dpomdp`` text format (MADP toolbox, ``problems/example.dpomdp``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import DataError
from environments.dec_pomdp.model import IDENTIFIER, SUM_TOLERANCE, DecPOMDP, Names
from environments.dec_pomdp.sections import PREAMBLE, TABLES, Section, Word, cut_sections
from environments.dec_pomdp.tables import RESERVED, Tables, find_name

_MAX_SIZE = 100_000


def load_dpomdp(path: str | Path) -> DecPOMDP:
    """Read a ``.dpomdp`` file; see `parse_dpomdp`.

    Raises:
        DataError: If the file is missing, is not UTF-8 or is malformed (with its line).
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise DataError(f"cannot be read: {problem.strerror}", path) from None
    except UnicodeDecodeError as problem:
        raise DataError(f"is not UTF-8 text (byte {problem.start})", path) from None
    return parse_dpomdp(text, str(path))


def parse_dpomdp(text: str, file: str = "<text>") -> DecPOMDP:
    """Return the Dec-POMDP that a text in the ``.dpomdp`` format describes.

    The preamble (agents, discount, values, states, start, actions, observations) comes once; lists
    of names may be replaced by their number. Then ``T:``, ``O:`` and ``R:`` lines fill the tables,
    later ones overwriting earlier ones; ``*`` stands for all, of one agent or of a whole joint
    action or observation; an action, observation or state is given by its name or its number from
    0, a joint one also by its joint number. With ``values: cost`` the rewards change sign.

    More lenient than the format's own reader: the preamble may come in any order, comments may
    follow on a line, empty lines are allowed and vectors may stand on the line of their head.

    Args:
        text: The whole file.
        file: Its name, for messages.

    Raises:
        DataError: One line with file and line number: a section that is missing, repeated or
            unknown, a name that is not declared, a wrong number of entries, a number out of range,
            a row of probabilities that is missing or does not sum to one.
    """
    sections, last = cut_sections(text, file)
    parts: dict[str, Section] = {}
    for section in sections:
        name = section.keyword.split()[0]
        if name in TABLES:
            continue
        if name in parts:
            problem = f"{name}: comes twice (first in line {parts[name].line})"
            raise DataError(problem, file, section.line)
        parts[name] = section
    for name in PREAMBLE:
        if name not in parts:
            raise DataError(f"section {name}: is missing ({_list(PREAMBLE)})", file, last)
    reader = _Preamble(file)
    agents = reader.names(parts["agents"], parts["agents"].words, "agent_", 1)
    states = reader.names(parts["states"], parts["states"].words)
    tables = Tables(
        file,
        states=states,
        actions=reader.per_agent(parts["actions"], agents),
        observations=reader.per_agent(parts["observations"], agents),
    )
    discount = reader.discount(parts["discount"])
    sign = reader.sign(parts["values"])
    start = reader.start(parts["start"], states)
    for section in sections:
        if section.keyword in TABLES:
            tables.apply(section)
    for name in TABLES:
        if not any(section.keyword == name for section in sections):
            raise DataError(f"no {name}: line (a file needs T:, O: and R: lines)", file, last)
    tables.check_rows(last)
    return DecPOMDP(
        agents=agents,
        states=states,
        actions=tables.actions,
        observations=tables.observations,
        discount=discount,
        start=start,
        transition=tables.transition,
        observation=tables.observation,
        reward=sign * tables.expected_reward(),
    )


def _list(names: Sequence[str]) -> str:
    return f"a file needs {', '.join(names)}"


def default_names(size: int, prefix: str = "", first: int = 0) -> Names:
    """Return names for things that a file only counts: a prefix and a number."""
    return tuple(f"{prefix}{i}" for i in range(first, first + size))


class _Preamble:
    """Reads the sections that occur once."""

    def __init__(self, file: str) -> None:
        self.file = file

    def error(self, problem: str, line: int) -> DataError:
        return DataError(problem, self.file, line)

    def one(self, section: Section) -> Word:
        if len(section.words) != 1:
            given = len(section.words)
            raise self.error(f"{section.keyword}: needs one word, {given} given", section.line)
        return section.words[0]

    def names(
        self, section: Section, words: Sequence[Word], prefix: str = "", first: int = 0
    ) -> Names:
        """Return a list of names, or default names where the file gives their number."""
        if not words:
            problem = f"{section.keyword}: needs names or their number"
            raise self.error(problem, section.line)
        head = words[0]
        if len(words) == 1 and head.text.isdecimal():
            size = int(head.text)
            if not 1 <= size <= _MAX_SIZE:
                problem = f"{section.keyword}: {size} is not in 1 … {_MAX_SIZE}"
                raise self.error(problem, head.line)
            return default_names(size, prefix, first)
        seen: set[str] = set()
        for word in words:
            if not IDENTIFIER.fullmatch(word.text) or word.text in RESERVED:
                allowed = "a letter, then letters, digits, - and _; not uniform or identity"
                problem = f"{section.keyword}: {word.text!r} is no name ({allowed})"
                raise self.error(problem, word.line)
            if word.text in seen:
                raise self.error(f"{section.keyword}: {word.text!r} comes twice", word.line)
            seen.add(word.text)
        return tuple(word.text for word in words)

    def per_agent(self, section: Section, agents: Names) -> tuple[Names, ...]:
        rows = section.rows()
        if len(rows) != len(agents):
            problem = f"{section.keyword}: {len(rows)} lines for {len(agents)} agents, one each"
            raise self.error(problem, section.line)
        return tuple(self.names(section, row) for row in rows)

    def discount(self, section: Section) -> float:
        word = self.one(section)
        return self.number(section, word, 0.0, 1.0)

    def number(self, section: Section, word: Word, low: float, high: float) -> float:
        try:
            value = float(word.text)
        except ValueError:
            problem = f"{section.keyword}: {word.text!r} is no number"
            raise self.error(problem, word.line) from None
        if not (math.isfinite(value) and low <= value <= high):
            problem = f"{section.keyword}: {word.text} is not in {low:g} … {high:g}"
            raise self.error(problem, word.line)
        return value

    def sign(self, section: Section) -> float:
        word = self.one(section)
        if word.text not in ("reward", "cost"):
            raise self.error(f"values: {word.text!r} is neither reward nor cost", word.line)
        return 1.0 if word.text == "reward" else -1.0

    def start(self, section: Section, states: Names) -> NDArray[np.float64]:
        """Return the start distribution, [S]."""
        size, words = len(states), section.words
        if not words:
            problem = f"{section.keyword}: needs states, probabilities or uniform"
            raise self.error(problem, section.line)
        if section.keyword != "start":
            chosen = np.zeros(size, dtype=bool)
            for word in words:
                chosen[find_name(self.file, section.keyword, "state", states, word)] = True
            if section.keyword == "start exclude":
                chosen = ~chosen
            if not chosen.any():
                raise self.error("start exclude: no state is left", section.line)
            return chosen / chosen.sum()
        if len(words) == 1 and words[0].text == "uniform":
            return np.full(size, 1 / size)
        single = len(words) == 1 and (size > 1 or "." not in words[0].text)
        if single and not (size == 1 and words[0].text == "1"):
            at = find_name(self.file, "start", "state", states, words[0])
            return (np.arange(size) == at).astype(np.float64)
        if len(words) != size:
            problem = f"start: {len(words)} probabilities for {size} states"
            raise self.error(problem, words[-1].line)
        start = np.array([self.number(section, word, 0.0, 1.0) for word in words])
        if abs(start.sum() - 1) > SUM_TOLERANCE:
            problem = f"start: the probabilities sum to {start.sum():.6g}, not 1"
            raise self.error(problem, words[0].line)
        return start
