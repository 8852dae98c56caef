"""Filling the tables of a ``.dpomdp`` file: its ``T:``, ``O:`` and ``R:`` lines."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import DataError
from environments.dec_pomdp.model import SUM_TOLERANCE, Names
from environments.dec_pomdp.sections import Section, Word

ALL = "*"
UNIFORM, IDENTITY = "uniform", "identity"
RESERVED = (UNIFORM, IDENTITY)
"""Words that stand for whole rows or matrices and cannot be names."""

MAX_CELLS = 2**27
"""Largest table (1 GiB of float64)."""

_FORMS = {
    "T": (
        "T: a : s : s' : p",
        "T: a : s : (a row over next states, or uniform)",
        "T: a : (a matrix, identity or uniform)",
    ),
    "O": (
        "O: a : s' : o : p",
        "O: a : s' : (a row over joint observations, or uniform)",
        "O: a : (a matrix, or uniform)",
    ),
    "R": (
        "R: a : s : s' : o : r",
        "R: a : s : s' : (a row over joint observations)",
        "R: a : s : (a matrix of next states by joint observations)",
    ),
}


def find_name(file: str, keyword: str, kind: str, names: Sequence[str], word: Word) -> int:
    """Return the position of a name, or of its number from 0.

    Raises:
        DataError: If it is not declared, with the nearest name.
    """
    if word.text in names:
        return names.index(word.text)
    if word.text.isdecimal():
        if int(word.text) < len(names):
            return int(word.text)
        problem = f"{keyword}: {kind} {word.text} is not in 0 … {len(names) - 1}"
        raise DataError(problem, file, word.line)
    near = difflib.get_close_matches(word.text, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    problem = f"{keyword}: unknown {kind} {word.text!r}{hint} (allowed: {shown})"
    raise DataError(problem, file, word.line)


def _odd_line(words: Sequence[Word], width: int) -> int:
    """Return the first line unlike the rows of ``width`` words beside it, or else the last line."""
    counts = Counter(word.line for word in words)
    odd = [line for line, count in counts.items() if count != width]
    return odd[0] if 0 < len(odd) < len(counts) else words[-1].line


class Tables:
    """The tables of one file while it is read.

    Args:
        file: For messages.
        states: Names of the S states.
        actions: Names of each agent's actions.
        observations: Names of each agent's observations.

    Raises:
        DataError: If a table would hold more than `MAX_CELLS` numbers.
    """

    def __init__(
        self, file: str, states: Names, actions: tuple[Names, ...], observations: tuple[Names, ...]
    ) -> None:
        self.file = file
        self.states, self.actions, self.observations = states, actions, observations
        self.n_states = len(states)
        self.n_joint_actions = math.prod(map(len, actions))
        self.n_joint_observations = math.prod(map(len, observations))
        a, s, z = self.n_joint_actions, self.n_states, self.n_joint_observations
        self._check_size(a * s * max(s, z))
        self.transition = np.zeros((a, s, s))
        self.observation = np.zeros((a, s, z))
        # Rewards mostly depend on action and state only: the axes of the next state and of the
        # observation have length 1 until a line tells them apart.
        self._reward = np.zeros((a, s, 1, 1))
        self._lines = {"T": np.zeros((a, s), dtype=int), "O": np.zeros((a, s), dtype=int)}

    def apply(self, section: Section) -> None:
        """Enter one ``T:``, ``O:`` or ``R:`` section.

        Raises:
            DataError: If it has no known form, names what is not declared, has a wrong number of
                entries or a number out of range.
        """
        fields = section.fields()
        if len(fields) == 1 and fields[0] and fields[0][-1].text in RESERVED:
            fields = [fields[0][:-1], fields[0][-1:]]  # the format lets this colon be left out
        key = section.keyword
        given = len(fields) - (2 if key == "R" else 1)
        if not 1 <= given <= 3 or not all(fields):
            forms = " | ".join(_FORMS[key])
            raise DataError(f"{key}: has none of the forms {forms}", self.file, section.line)
        action = self._joint(key, "action", fields[0], self.actions)
        if key == "R":
            self._enter_reward(section, action, fields)
        else:
            self._enter_probability(key, action, fields)

    def _enter_probability(
        self, key: str, action: NDArray[np.int64], fields: list[list[Word]]
    ) -> None:
        table = self.transition if key == "T" else self.observation
        line, values = fields[-1][0].line, fields[-1]
        if len(fields) == 4:
            state = self._state(key, fields[1])
            if key == "T":
                to = self._state(key, fields[2])
            else:
                to = self._joint(key, "observation", fields[2], self.observations)
            table[np.ix_(action, state, to)] = self._numbers(key, values, (1,), 1.0)[0]
            self._lines[key][np.ix_(action, state)] = line
        elif len(fields) == 3:
            state = self._state(key, fields[1])
            table[np.ix_(action, state)] = self._block(key, values, (table.shape[2],))
            self._lines[key][np.ix_(action, state)] = line
        else:
            table[action] = self._block(key, values, table.shape[1:])
            written = len(values) == table.shape[1] * table.shape[2]
            rows = values[:: table.shape[2]] if written else values * table.shape[1]
            self._lines[key][action] = [word.line for word in rows]

    def _block(self, key: str, words: list[Word], shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return a row or matrix of probabilities."""
        if len(words) == 1 and words[0].text == UNIFORM:
            return np.full(shape, 1 / shape[-1])
        if len(words) == 1 and words[0].text == IDENTITY:
            if key == "T" and len(shape) == 2:
                return np.eye(shape[0])
            problem = f"{key}: identity stands for a matrix of T: only"
            raise DataError(problem, self.file, words[0].line)
        return self._numbers(key, words, shape, 1.0)

    def _enter_reward(
        self, section: Section, action: NDArray[np.int64], fields: list[list[Word]]
    ) -> None:
        s, z = self.n_states, self.n_joint_observations
        state = self._state("R", fields[1])
        ends, seen = np.arange(s), np.arange(z)
        any_end = any_seen = False
        if len(fields) >= 4:
            ends = self._state("R", fields[2])
            any_end = len(ends) == s
        if len(fields) == 5:
            seen = self._joint("R", "observation", fields[3], self.observations)
            any_seen = len(seen) == z
        shape = (1,) if len(fields) == 5 else (z,) if len(fields) == 4 else (s, z)
        value = self._numbers("R", fields[-1], shape, math.inf)
        self._widen(section, 1 if any_end else s, 1 if any_seen else z)
        ends = ends if self._reward.shape[2] == s else np.arange(1)
        seen = seen if self._reward.shape[3] == z else np.arange(1)
        self._reward[np.ix_(action, state, ends, seen)] = value

    def _widen(self, section: Section, ends: int, seen: int) -> None:
        a, s, had_ends, had_seen = self._reward.shape
        shape = (a, s, max(ends, had_ends), max(seen, had_seen))
        if shape != self._reward.shape:
            self._check_size(math.prod(shape), section.line)
            self._reward = np.broadcast_to(self._reward, shape).copy()

    def _check_size(self, cells: int, line: int | None = None) -> None:
        if cells > MAX_CELLS:
            problem = f"a table of {cells} numbers is too large (at most {MAX_CELLS})"
            raise DataError(problem, self.file, line)

    def _state(self, key: str, words: list[Word]) -> NDArray[np.int64]:
        if len(words) != 1:
            given = " ".join(word.text for word in words)
            raise DataError(f"{key}: {given!r} is not one state", self.file, words[0].line)
        if words[0].text == ALL:
            return np.arange(self.n_states)
        return np.array([find_name(self.file, key, "state", self.states, words[0])])

    def _joint(
        self, key: str, kind: str, words: list[Word], names: tuple[Names, ...]
    ) -> NDArray[np.int64]:
        """Return the joint actions or observations that the words stand for."""
        sizes = tuple(map(len, names))
        total = math.prod(sizes)
        if len(words) == 1 and words[0].text == ALL:
            return np.arange(total)
        if len(words) == 1 and len(names) > 1 and words[0].text.isdecimal():
            if int(words[0].text) < total:
                return np.array([int(words[0].text)])
            problem = f"{key}: joint {kind} {words[0].text} is not in 0 … {total - 1}"
            raise DataError(problem, self.file, words[0].line)
        if len(words) != len(names):
            given = " ".join(word.text for word in words)
            problem = f"{key}: joint {kind} {given!r} needs {len(names)} words, one for each agent"
            raise DataError(problem, self.file, words[0].line)
        joint = np.zeros(1, dtype=np.int64)
        for word, own in zip(words, names, strict=True):
            if word.text == ALL:
                chosen = np.arange(len(own))
            else:
                chosen = np.array([find_name(self.file, key, kind, own, word)])
            joint = (joint[:, None] * len(own) + chosen).ravel()
        return joint

    def _numbers(
        self, key: str, words: list[Word], shape: tuple[int, ...], top: float
    ) -> NDArray[np.float64]:
        """Return numbers in a shape; ``top`` is 1 for probabilities, infinite for rewards."""
        need = math.prod(shape)
        values = []
        for word in words:
            try:
                value = float(word.text)
            except ValueError:
                problem = f"{key}: {word.text!r} is no number"
                raise DataError(problem, self.file, word.line) from None
            if not math.isfinite(value) or (top == 1.0 and not 0 <= value <= 1):
                kind = "probability (0 … 1)" if top == 1.0 else "finite number"
                raise DataError(f"{key}: {word.text} is no {kind}", self.file, word.line)
            values.append(value)
        if len(values) != need:
            size = " × ".join(map(str, shape))
            problem = f"{key}: {len(values)} numbers given, {need} expected ({size})"
            raise DataError(problem, self.file, _odd_line(words, shape[-1]))
        return np.array(values).reshape(shape)

    def check_rows(self, last: int) -> None:
        """Check that every row of probabilities was given and sums to one.

        Args:
            last: The file's last line, for rows that no line gives.

        Raises:
            DataError: Naming the first such row in the order of lines.
        """
        for key, table, name in (
            ("T", self.transition, "state"),
            ("O", self.observation, "end state"),
        ):
            total = table.sum(axis=2)
            wrong = np.argwhere(np.abs(total - 1) > SUM_TOLERANCE)
            if not len(wrong):
                continue
            lines = self._lines[key][tuple(wrong.T)]
            at = int(np.argmin(np.where(lines > 0, lines, last + 1)))
            action, state = (int(i) for i in wrong[at])
            own = np.unravel_index(action, tuple(map(len, self.actions)))
            acted = " ".join(n[int(i)] for n, i in zip(self.actions, own, strict=True))
            where = f"action {acted!r}, {name} {self.states[state]!r}"
            if lines[at] == 0:
                raise DataError(f"{key}: no probabilities for {where}", self.file, last)
            problem = f"{key}: the row of {where} sums to {total[action, state]:.6g}, not 1"
            raise DataError(problem, self.file, int(lines[at]))

    def expected_reward(self) -> NDArray[np.float64]:
        """Return R(a, s), the mean over next states and observations, shape [A, S]."""
        reward = self._reward
        if reward.shape[3] == 1:
            mean = reward[:, :, :, 0]
        else:
            pairs = zip(reward, self.observation, strict=True)
            mean = np.stack([(r * o).sum(axis=-1) for r, o in pairs])
        if mean.shape[2] == 1:
            return mean[:, :, 0]
        return np.asarray((mean * self.transition).sum(axis=2))
