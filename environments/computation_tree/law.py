"""The law of computation trees: accounts of a tree, drawn from the root down.

A tree has K *accounts*, one for each candidate value of its root. An account gives every node a
value, and every node's value follows from its children's, so that whoever argues for a wrong value
of the root can tell a consistent story all the way down: it errs at leaves. One account, drawn by a
fair K-sided coin, is true. Nothing else distinguishes it (except in `stable` trees, whose structure
is private), so that the candidates alone leave the judge at chance, exactly.

Values are drawn from the root down, conditional on the parent's value, by a keyed draw per node: a
node costs its depth, not the number of leaves, and trees of a million leaves are never built. For
a node that accounts agree on, leaves below are independent and identically distributed, given their
sum or gate value: Poisson leaves of a sum split multinomially; Bernoulli leaves of a gate follow
from the table of all child patterns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, poisson

from environments.computation_tree import rules
from environments.core.keyed import Keyed

Ints = NDArray[np.int64]

NODE_BITS = 22
"""Low bits of a case id that number the node; the rest number the tree."""
PATH, REDRAWN = "path", "redrawn"
ERRORS = (PATH, REDRAWN)


@dataclass(frozen=True)
class TreeLaw:
    """How trees come about; see the module's documentation. Arguments are checked by the caller."""

    rule: str
    depth: int
    """Levels below the root; leaves are at this level."""
    branching: int
    """Children of every inner node, b."""
    n_accounts: int
    """K; 2 for gates."""
    leaf_mean: float
    leaf_bias: float
    error_size: int
    errors: str
    """``path``: accounts differ along one path from the root to a leaf; ``redrawn``: each account
    draws its own split wherever values differ."""
    stable: bool
    """Majorities only: a node that is truly 1 has unanimous children, one that is truly 0 is one
    vote short of 1."""
    seed: int

    # -- names -----------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Nodes of a tree, leaves included."""
        return int((self.branching ** (self.depth + 1) - 1) // (self.branching - 1))

    @cached_property
    def _first(self) -> Ints:
        """First node of each level (heap order: the children of v are b·v + 1 … b·v + b)."""
        return np.array(
            [(self.branching**level - 1) // (self.branching - 1) for level in range(self.depth + 1)]
        )

    def level(self, node: Ints) -> Ints:
        """Return how far below the root nodes are, [N]."""
        return np.searchsorted(self._first, node, side="right") - 1

    def is_leaf(self, node: Ints) -> NDArray[np.bool_]:
        """Return which nodes are leaves, [N]."""
        return np.asarray(node >= self._first[-1])

    def parent(self, node: Ints) -> Ints:
        """Return the parents of nodes, [N]; the root's is the root."""
        return np.maximum((node - 1) // self.branching, 0)

    def place(self, node: Ints) -> Ints:
        """Return the position of nodes among their siblings, [N]; 0 for the root."""
        return np.where(node > 0, (node - 1) % self.branching, 0)

    def path(self, node: int) -> list[int]:
        """Return the positions that lead from the root to a node."""
        steps: list[int] = []
        while node > 0:
            steps.append((node - 1) % self.branching)
            node = (node - 1) // self.branching
        return steps[::-1]

    # -- values ----------------------------------------------------------------------------

    def true_account(self, tree: Ints) -> Ints:
        """Return which account is true, [N]: uniform, whatever the accounts say."""
        return Keyed(self.seed, "tree.truth").integers(self.n_accounts, tree)

    def root_values(self, tree: Ints) -> Ints:
        """Return the value that each account gives the root, [N, K], ascending and distinct."""
        if self.rule != rules.SUM:
            return np.broadcast_to(np.arange(2), (len(tree), 2)).astype(np.int64)
        draw = Keyed(self.seed, "tree.root")
        mean = self.leaf_mean * self.branching**self.depth
        least = poisson.ppf(draw.uniform(tree), mean).astype(np.int64)
        values = [least]
        for k in range(1, self.n_accounts):
            values.append(values[-1] + 1 + draw.integers(self.error_size, tree, k))
        return np.stack(values, axis=1)

    def values(self, tree: Ints, node: Ints) -> Ints:
        """Return the value that each account gives to nodes, [N, K]."""
        ancestors = [node]
        for _ in range(self.depth):
            ancestors.append(self.parent(ancestors[-1]))
        level = self.level(node)
        rows = np.arange(len(node))
        lineage = np.stack(ancestors, axis=1)
        values = self.root_values(tree)
        for depth in range(1, int(level.max(initial=0)) + 1):
            below = np.flatnonzero(level >= depth)
            here = lineage[rows[below], level[below] - depth]
            above = self.parent(here)
            split = self.child_values(tree[below], above, depth - 1, values[below])
            values = values.copy()
            values[below] = split[np.arange(len(below)), self.place(here)]
        return values

    def child_values(self, tree: Ints, node: Ints, level: int, values: Ints) -> Ints:
        """Return the value that each account gives the children of inner nodes, [N, b, K].

        Args:
            tree: [N]
            node: [N] nodes of one level.
            level: Their level.
            values: [N, K] what each account says of the node.
        """
        if self.stable:
            return self._stable(tree, node, values)
        if self.errors == REDRAWN:
            parts = [self._split(tree, node, level, values[:, k]) for k in range(self.n_accounts)]
            return np.stack(parts, axis=2)
        wrong = Keyed(self.seed, "tree.error").integers(self.branching, tree, node)
        here = np.arange(self.branching) == wrong[:, None]
        if self.rule == rules.SUM:
            least = values.min(axis=1)
            common = self._split(tree, node, level, least)
            return common[:, :, None] + here[:, :, None] * (values - least[:, None])[:, None, :]
        agreed = self._split(tree, node, level, values[:, 0])
        low, high = self._narrow(tree, node, level, here)
        differing = np.where(values[:, None, :] == 1, high[:, :, None], low[:, :, None])
        same = (values[:, 0] == values[:, 1])[:, None, None]
        return np.where(same, agreed[:, :, None], differing)

    def options(self, values: Ints) -> Ints:
        """Return candidate values of nodes, [..., K], distinct and ascending.

        They are the values of all accounts; where accounts agree, further numbers, so much greater
        that a wrong one of them cannot make up for a wrong account elsewhere.
        """
        if self.rule != rules.SUM:
            return np.broadcast_to(np.arange(2), values.shape).astype(np.int64)
        found = np.sort(values, axis=-1)
        again = np.zeros(found.shape, dtype=bool)
        again[..., 1:] = found[..., 1:] == found[..., :-1]
        apart = (self.n_accounts - 1) * self.error_size + 1
        further = found[..., -1:] + apart * np.cumsum(again, axis=-1)
        return np.sort(np.where(again, further, found), axis=-1)

    @staticmethod
    def option_of(values: Ints, options: Ints) -> Ints:
        """Return the option that each account claims, [..., K], given values and candidates."""
        return np.argmax(values[..., :, None] == options[..., None, :], axis=-1).astype(np.int64)

    # -- drawing ---------------------------------------------------------------------------

    def _split(self, tree: Ints, node: Ints, level: int, value: Ints) -> Ints:
        """Draw the children of nodes given their value, [N, b]; keyed by the value too."""
        draw = Keyed(self.seed, "tree.split").uniform(
            tree, node, value, shape=(max(self.branching - 1, 1),)
        )
        if self.rule != rules.SUM:
            patterns, cumulative = self._patterns
            table = cumulative[self.depth - level - 1]
            pick = (draw[:, :1] > table[value][:, :-1]).sum(axis=1)
            return patterns[pick]
        rest, parts = value, []
        for child in range(self.branching - 1):
            share = 1.0 / (self.branching - child)
            part = binom.ppf(draw[:, child], rest, share).astype(np.int64)
            parts.append(part)
            rest = rest - part
        return np.stack([*parts, rest], axis=1)

    @cached_property
    def _patterns(self) -> tuple[Ints, list[NDArray[np.float64]]]:
        """All child patterns [2^b, b], and per height of the children P(pattern ≤ · | value)."""
        patterns = np.array(list(product((0, 1), repeat=self.branching)), dtype=np.int64)
        result = rules.apply(self.rule, patterns)
        one, tables = self.leaf_bias, []
        for _ in range(self.depth):
            weight = np.where(patterns == 1, one, 1.0 - one).prod(axis=1)
            fits = result == np.arange(2)[:, None]
            given = np.where(fits, weight, 0.0)
            total = given.sum(axis=1, keepdims=True)
            # Where a value is too rare for floating point, its patterns are equally likely.
            given = np.where(total > 0, given, fits)
            tables.append(np.cumsum(given / given.sum(axis=1, keepdims=True), axis=1))
            one = float(total[1, 0])
        return patterns, tables

    def _narrow(
        self, tree: Ints, node: Ints, level: int, here: NDArray[np.bool_]
    ) -> tuple[Ints, Ints]:
        """Return child patterns of value 0 and 1 that differ in one child, [N, b] each."""
        shape = here.shape
        if self.rule == rules.AND:
            return (~here).astype(np.int64), np.ones(shape, dtype=np.int64)
        if self.rule == rules.OR:
            return np.zeros(shape, dtype=np.int64), here.astype(np.int64)
        if self.rule == rules.XOR:
            even = self._split(tree, node, level, np.zeros(len(tree), dtype=np.int64))
            return even, np.where(here, 1 - even, even)
        rank = self._rank(tree, node)
        half = self.branching // 2
        return (rank < half).astype(np.int64), (rank <= half).astype(np.int64)

    def _rank(self, tree: Ints, node: Ints) -> Ints:
        order = Keyed(self.seed, "tree.majority").permutation(self.branching, tree, node)
        return np.argsort(order, axis=1, kind="stable").astype(np.int64)

    def _stable(self, tree: Ints, node: Ints, values: Ints) -> Ints:
        rank, half = self._rank(tree, node), self.branching // 2
        true = np.take_along_axis(values, self.true_account(tree)[:, None], axis=1)
        wide = (true == 1)[:, :, None]
        told = values[:, None, :] == 1
        # Truly 1: all children are 1, and who says 0 must turn a majority of them.
        above = np.where(told, 1, (rank < half)[:, :, None])
        # Truly 0: one vote short, and who says 1 turns one child.
        short = np.where(told, (rank <= half)[:, :, None], (rank < half)[:, :, None])
        return np.where(wide, above, short).astype(np.int64)
