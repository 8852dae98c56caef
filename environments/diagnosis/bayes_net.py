"""Discrete Bayes nets with exact inference by variable elimination, batched over evidence.

Variable elimination (Zhang & Poole 1994; Dechter 1996): multiply the tables that mention a
variable, sum it out, go on; the variable that makes the smallest new table goes first. Variables
that are neither asked for, nor observed, nor an ancestor of such a one are left out from the start.

Example:
    >>> from environments.diagnosis.files import load_net
    >>> net = load_net("asia")
    >>> belief = net.posterior("bronc", {"asia": "yes", "dysp": "yes"})
    >>> round(float(belief[0]), 4)
    0.8114
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.core.columns import frozen
from environments.core.errors import ConfigError, UnknownNameError

Floats = NDArray[np.float64]
_ROWS = ""
"""Axis name of the batch; no variable has an empty name."""
_CHUNK = 2048
"""Rows of evidence worked at once."""
MAX_ENTRIES = 2**25
"""Largest table that elimination may build (256 MiB); what depends on the evidence counts once for
each of the `_CHUNK` rows."""


@dataclass(frozen=True)
class Variable:
    """One node of a net."""

    name: str
    states: tuple[str, ...]
    parents: tuple[str, ...]
    table: Floats
    """[states of parent 1, …, own states] P(own state | parents); the last axis sums to one."""
    label: str = ""
    """What the variable is called in texts; its name if empty."""


@dataclass(frozen=True)
class _Factor:
    axes: tuple[str, ...]
    values: Floats


class BayesNet:
    """A discrete Bayes net.

    Args:
        variables: Nodes whose parents are among them, without cycles; what comes from files is
            checked by `environments.diagnosis.draft`.
        name: What the net is called.
    """

    def __init__(self, variables: Iterable[Variable], name: str = "") -> None:
        self.variables = {variable.name: variable for variable in variables}
        self.name = name

    def variable(self, name: str, where: str = "") -> Variable:
        """Return a variable.

        Raises:
            UnknownNameError: With the nearest names, if there is none.
        """
        if name not in self.variables:
            raise UnknownNameError("variable", name, self.variables, where or f"net {self.name!r}")
        return self.variables[name]

    def state(self, name: str, state: str, where: str = "") -> int:
        """Return the position of a variable's state.

        Raises:
            UnknownNameError: If the variable or the state does not exist.
        """
        states = self.variable(name, where).states
        if state not in states:
            raise UnknownNameError(f"state of {name!r}", state, states, where)
        return states.index(state)

    def joint(self, names: Sequence[str]) -> Floats:
        """Return the exact joint distribution of some variables, axes in the order given.

        Raises:
            UnknownNameError: If a variable does not exist.
            ConfigError: If a table becomes too large.
        """
        result = self._eliminate([self._factor(n) for n in self._relevant(names)], names)
        return np.asarray(result)

    def posterior(self, query: str, evidence: Mapping[str, str | ArrayLike]) -> Floats:
        """Return P(query | evidence), exactly.

        Args:
            query: A variable of S states.
            evidence: Variable to a state's name (one row), or to [N] state positions with -1 where
                the row does not observe it.

        Returns:
            [S] where all evidence is given by names, else [N, S].

        Raises:
            UnknownNameError: If a variable or state does not exist.
            ConfigError: If a position is out of range, lengths differ, a row's evidence has
                probability zero, or a table becomes too large.
        """
        self.variable(query)
        single = all(isinstance(value, str) for value in evidence.values())
        columns = {
            name: np.array([self.state(name, value)])
            if isinstance(value, str)
            else self._column(name, value)
            for name, value in evidence.items()
        }
        lengths = {len(column) for column in columns.values()} - {1} or {1}
        if len(lengths) > 1:
            raise ConfigError(f"evidence columns differ in length: {sorted(lengths)}")
        rows = lengths.pop()
        full = {n: np.broadcast_to(column, (rows,)) for n, column in columns.items()}
        base = [self._factor(name) for name in self._relevant([query, *evidence])]
        parts = [
            self._posterior(
                query, base, {n: c[start : start + _CHUNK] for n, c in full.items()}, start
            )
            for start in range(0, rows, _CHUNK)
        ]
        result = np.concatenate(parts) if parts else np.zeros((0, len(self.variable(query).states)))
        return result[0] if single else result

    def _posterior(
        self, query: str, base: list[_Factor], columns: Mapping[str, NDArray], start: int
    ) -> Floats:
        told = [
            _Factor((_ROWS, name), self._indicator(name, column))
            for name, column in columns.items()
        ]
        rows = len(next(iter(columns.values()))) if columns else 1
        batch = _Factor((_ROWS,), np.ones(rows))
        joint = self._eliminate([*base, *told, batch], [_ROWS, query])
        total = joint.sum(axis=1, keepdims=True)
        if (total <= 0).any():
            row = start + int(np.argmax(total[:, 0] <= 0))
            raise ConfigError(f"evidence row {row} has probability zero in net {self.name!r}")
        return joint / total

    def _column(self, name: str, value: ArrayLike) -> NDArray[np.int64]:
        column = np.asarray(value)
        top = len(self.variable(name).states)
        if column.ndim != 1 or column.dtype.kind not in "iu":
            raise ConfigError(f"evidence on {name!r} must be a state's name or [N] state positions")
        if ((column < -1) | (column >= top)).any():
            raise ConfigError(f"evidence on {name!r} must be in -1 … {top - 1}")
        return column.astype(np.int64)

    def _indicator(self, name: str, column: NDArray[np.int64]) -> Floats:
        states = np.arange(len(self.variable(name).states))
        return ((column[:, None] == states) | (column[:, None] < 0)).astype(np.float64)

    def _factor(self, name: str) -> _Factor:
        variable = self.variables[name]
        return _Factor((*variable.parents, name), variable.table)

    def _relevant(self, names: Sequence[str]) -> list[str]:
        """Return the named variables and their ancestors, in the net's order."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.variable(name).parents
        return [name for name in self.variables if name in found]

    def _eliminate(self, factors: list[_Factor], keep: Sequence[str]) -> Floats:
        """Multiply the factors and sum out every variable that is not kept."""
        self._check_size(keep)
        todo = {axis for factor in factors for axis in factor.axes} - set(keep)
        while todo:
            axis = min(todo, key=lambda a: (self._entries(self._joined(factors, a)), a))
            touching = [f for f in factors if axis in f.axes]
            axes = tuple(a for a in self._joined(factors, axis) if a != axis)
            factors = [f for f in factors if axis not in f.axes] + [self._product(touching, axes)]
            todo.remove(axis)
        return self._product(factors, tuple(keep)).values

    @staticmethod
    def _joined(factors: list[_Factor], axis: str) -> tuple[str, ...]:
        """Return the axes of the product of all factors that mention an axis, sorted."""
        return tuple(sorted({a for f in factors if axis in f.axes for a in f.axes}))

    def _entries(self, axes: Iterable[str]) -> int:
        return prod(_CHUNK if a == _ROWS else len(self.variables[a].states) for a in axes)

    def _check_size(self, axes: Iterable[str]) -> None:
        if (entries := self._entries(axes)) > MAX_ENTRIES:
            raise ConfigError(
                f"net {self.name!r} is too large for exact inference: a table of {entries} entries "
                f"is needed, {MAX_ENTRIES} are allowed"
            )

    def _product(self, factors: list[_Factor], axes: tuple[str, ...]) -> _Factor:
        """Return the product of factors, two at a time, summed to ``axes`` at the end."""
        product = factors[0]
        for position, factor in enumerate(factors[1:], start=2):
            both = tuple(dict.fromkeys((*product.axes, *factor.axes)))
            target = axes if position == len(factors) else both
            self._check_size(target)
            product = _contract((product, factor), target)
        return product if product.axes == axes else _contract((product,), axes)


def _contract(factors: Sequence[_Factor], axes: tuple[str, ...]) -> _Factor:
    letter = {a: i for i, a in enumerate(dict.fromkeys(a for f in factors for a in f.axes))}
    operands: list = []
    for factor in factors:
        operands += [factor.values, [letter[a] for a in factor.axes]]
    return _Factor(axes, np.einsum(*operands, [letter[a] for a in axes]))


def make_variable(
    name: str, states: Sequence[str], parents: Sequence[str], table: ArrayLike, label: str = ""
) -> Variable:
    """Return a variable whose table is read-only."""
    values = frozen(np.asarray(table, dtype=np.float64))
    return Variable(name, tuple(states), tuple(parents), values, label or name)
