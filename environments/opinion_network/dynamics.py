"""Opinion dynamics on weighted networks: steps, limits, influence.

DeGroot 1974, "Reaching a consensus", J. Amer. Statist. Assoc. 69: x' = W x with W row-stochastic.
Friedkin & Johnsen 1990, "Social influence and opinions", J. Math. Sociol. 15: x' = A W x + (I-A) x₀
with susceptibilities A = diag(a), limit x* = (I - A W)⁻¹ (I - A) x₀. Influence: Golub & Jackson
2010, "Naïve learning in social networks and the wisdom of crowds", Amer. Econ. J. Micro. 2.
"""

from __future__ import annotations

from math import gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import spsolve

from environments.core.columns import frozen
from environments.core.errors import ConfigError

Floats = NDArray[np.float64]
Matrix: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix

_ROW_SUM = 1e-9
_DIRECT = 2_000
"""Members up to which influence is solved for directly; beyond, fill-in costs more than steps."""
_POWER_STEPS = 100_000


class Weights:
    """Row-stochastic weights, dense or sparse, that step many cases at once.

    Entry (i, j) is the weight that member i gives member j's opinion. A step adds, for every
    member, its neighbours one by one in ascending order, elementwise over cases; so a case's result
    does not depend, to the last bit, on the batch that it is in (a matrix product's would).

    Args:
        matrix: [M, M] weights; non-negative, rows sum to 1.

    Raises:
        ConfigError: Naming the row or entry that is wrong.
    """

    def __init__(self, matrix: Matrix) -> None:
        rows = _csr(matrix)
        self.csr: sparse.csr_array = rows
        """The weights, entries sorted within rows, no stored zeros."""
        self.n: int = rows.shape[0]
        """M, the number of members."""
        degree = np.diff(rows.indptr)
        self.heard: NDArray[np.int64]
        """[M, S] members that each one listens to, ascending; its own position as padding."""
        self.weight: Floats
        """[M, S] their weights; 0 for padding."""
        width = int(degree.max())
        slot = np.arange(width) < degree[:, None]
        heard = np.broadcast_to(np.arange(self.n)[:, None], slot.shape).copy()
        weight = np.zeros(slot.shape)
        heard[slot], weight[slot] = rows.indices, rows.data
        self.degree: NDArray[np.int64] = frozen(degree.astype(np.int64))
        """[M] how many members each one listens to."""
        self.heard, self.weight = frozen(heard), frozen(weight)

    def step(self, opinions: ArrayLike) -> Floats:
        """Return W x for each case, shape [..., M], from opinions [..., M] (DeGroot's step)."""
        x = np.asarray(opinions, dtype=np.float64)
        # Members first: gathering a slot then copies whole rows of cases.
        by_member = np.moveaxis(x, -1, 0)
        shape = (self.n,) + (1,) * (x.ndim - 1)
        total = np.zeros(by_member.shape)
        for slot in range(self.heard.shape[1]):
            total += self.weight[:, slot].reshape(shape) * by_member[self.heard[:, slot]]
        return np.moveaxis(total, 0, -1)

    def friedkin_johnsen_step(
        self, opinions: ArrayLike, initial: ArrayLike, susceptibility: ArrayLike
    ) -> Floats:
        """Return A W x + (I - A) x₀ for each case, shape [..., M].

        Args:
            opinions: [..., M] present opinions x.
            initial: [..., M] initial opinions x₀.
            susceptibility: [M] a in [0, 1]; 1 for all is DeGroot's step, 0 never moves.
        """
        a = checked_susceptibility(susceptibility, self.n)
        return a * self.step(opinions) + (1 - a) * np.asarray(initial, dtype=np.float64)

    def evolve(
        self, initial: ArrayLike, rounds: int, susceptibility: ArrayLike | None = None
    ) -> Floats:
        """Return opinions after some rounds of DeGroot's or Friedkin & Johnsen's dynamics."""
        start = np.asarray(initial, dtype=np.float64)
        x = start
        for _ in range(rounds):
            if susceptibility is None:
                x = self.step(x)
            else:
                x = self.friedkin_johnsen_step(x, start, susceptibility)
        return x

    # -- limits ----------------------------------------------------------------------------

    def influence(self) -> Floats:
        """Return s with s W = s, Σ s = 1: the weight of each initial opinion in the consensus.

        Solved for directly up to 2 000 members, beyond by repeated steps until they stand still.

        Raises:
            ConfigError: If opinions need not reach a consensus: several groups listen only to
                themselves, or the one group that does is periodic; or if steps do not stand still.
        """
        closed = self._closed_groups()
        if len(closed) != 1:
            raise ConfigError(
                f"no consensus: {len(closed)} groups of members listen only to themselves"
            )
        core = closed[0]
        if (period := self._period(core)) > 1:
            raise ConfigError(f"no consensus: opinions cycle with period {period}")
        inner = self.csr[core][:, core]
        share = _stationary(inner) if len(core) <= _DIRECT else _stationary_by_steps(inner)
        total = np.zeros(self.n)
        total[core] = share
        return total

    def consensus(self, initial: ArrayLike) -> Floats:
        """Return the opinion to which DeGroot's dynamics converge, shape [...].

        Raises:
            ConfigError: If there need not be one (see `influence`).
        """
        x = np.asarray(initial, dtype=np.float64)
        total = np.zeros(x.shape[:-1])
        for member, share in enumerate(self.influence().tolist()):
            total = total + share * x[..., member]
        return total

    def friedkin_johnsen_limit(self, initial: ArrayLike, susceptibility: ArrayLike) -> Floats:
        """Return x* = (I - A W)⁻¹ (I - A) x₀ for each case, shape [..., M].

        Raises:
            ConfigError: If the limit is not determined: some members listen, wholly and only, to
                one another (use `influence` for those).
        """
        return self._apply(self.total_influence(susceptibility), initial)

    def total_influence(self, susceptibility: ArrayLike) -> Floats:
        """Return V = (I - A W)⁻¹ (I - A), dense [M, M]; x* = V x₀ and rows sum to 1.

        Raises:
            ConfigError: As `friedkin_johnsen_limit`.
        """
        a = checked_susceptibility(susceptibility, self.n)
        for group in self._closed_groups(a):
            if (a[group] == 1).all():
                raise ConfigError(
                    f"no limit: members {[int(i) for i in group[:5]]} have susceptibility 1 and "
                    "listen to one another only"
                )
        system = sparse.eye_array(self.n) - sparse.diags_array(a) @ self.csr
        right = sparse.diags_array(1 - a).tocsc()
        solved = spsolve(system.tocsc(), right)
        dense = solved.toarray() if sparse.issparse(solved) else np.asarray(solved)
        return dense.reshape(self.n, self.n)

    def _apply(self, matrix: Floats, opinions: ArrayLike) -> Floats:
        x = np.asarray(opinions, dtype=np.float64)
        total = np.zeros(x.shape)
        for member in range(self.n):
            total = total + matrix[:, member] * x[..., member, None]
        return total

    # -- structure -------------------------------------------------------------------------

    def _closed_groups(self, susceptibility: Floats | None = None) -> list[NDArray[np.int64]]:
        """Return the strongly connected groups that listen to nobody outside.

        With susceptibilities, a member whose own is 0 listens to nobody but itself.
        """
        links = self.csr
        if susceptibility is not None:
            still = susceptibility == 0
            links = sparse.csr_array(sparse.diags_array((~still).astype(float)) @ links)
            links = sparse.csr_array(links + sparse.diags_array(still.astype(float)))
            links.eliminate_zeros()
        count, label = connected_components(links, directed=True, connection="strong")
        coo = links.tocoo()
        leaves = np.zeros(count, dtype=bool)
        leaves[label[coo.row[label[coo.row] != label[coo.col]]]] = True
        return [np.flatnonzero(label == group) for group in np.flatnonzero(~leaves)]

    def _period(self, group: NDArray[np.int64]) -> int:
        """Return the greatest common divisor of the lengths of all cycles within a group."""
        inner = self.csr[group][:, group]
        order, before = breadth_first_order(inner, 0)
        depth = np.zeros(len(group), dtype=np.int64)
        for member in order[1:]:
            depth[member] = depth[before[member]] + 1
        coo = inner.tocoo()
        slack = np.unique(np.abs(depth[coo.row] + 1 - depth[coo.col]))
        return gcd(*slack.tolist())


def checked_susceptibility(susceptibility: ArrayLike, n: int) -> Floats:
    """Return [M] susceptibilities.

    Raises:
        ConfigError: For a wrong length or a number outside [0, 1].
    """
    a = np.asarray(susceptibility, dtype=np.float64)
    if a.shape != (n,):
        raise ConfigError(f"susceptibility has shape {a.shape}; expected {n} numbers")
    if not ((a >= 0) & (a <= 1)).all():
        raise ConfigError("susceptibility must be in 0 … 1")
    return a


def _stationary(inner: sparse.csr_array) -> Floats:
    """Return s with s W = s, Σ s = 1; one factor is free, so the first share is fixed at 1."""
    n = inner.shape[0]
    share = np.ones(n)
    if n > 1:
        system = (inner.T - sparse.eye_array(n)).tocsc()
        share[1:] = spsolve(system[1:, 1:], -system[1:, [0]].toarray().ravel())
    return share / share.sum()


def _stationary_by_steps(inner: sparse.csr_array) -> Floats:
    n = inner.shape[0]
    share, back = np.full(n, 1 / n), inner.T.tocsr()
    for _ in range(_POWER_STEPS):
        after = back @ share
        if np.abs(after - share).sum() < 1e-13:
            return after / after.sum()
        share = after
    raise ConfigError(f"influence of {n} members did not settle in {_POWER_STEPS} steps")


def _csr(matrix: Matrix) -> sparse.csr_array:
    rows = sparse.csr_array(matrix if sparse.issparse(matrix) else np.atleast_2d(matrix))
    rows = rows.astype(np.float64)
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
        raise ConfigError(f"weights have shape {rows.shape}; expected a square matrix")
    rows.sum_duplicates()
    rows.eliminate_zeros()
    if not np.isfinite(rows.data).all() or (rows.data < 0).any():
        raise ConfigError("weights must be finite and not negative")
    sums = np.asarray(rows.sum(axis=1)).ravel()
    wrong = np.flatnonzero(np.abs(sums - 1) > _ROW_SUM)
    if len(wrong):
        row = int(wrong[0])
        raise ConfigError(f"weights of member {row} sum to {sums[row]:.9g}; expected 1")
    rows.sort_indices()
    return rows
