"""Linear modules that add each row's own adapter to a shared base.

`adapt` swaps modules of a model in place; parameters keep their names. Without a `Use` in force the
model computes exactly what it did before. With one, row i of the batch is computed with the
adapter of its owner::

    y[i] = W x[i] + scale · B[owner i] A[owner i] x[i]

Rows of equal owners that lie together, as many for each, need no copies: x [n·c, T, in] is viewed
as [n, c·T, in] and multiplied by A [n, r, in] and B [n, out, r] in two batched products (a *run*).
Ragged numbers make several runs; rows in any other order gather their owner's factors first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from agents.adapters.targets import Site, find_sites
from environments.core.errors import ConfigError

if TYPE_CHECKING:
    from agents.adapters.layout import Factors

MOST_RUNS = 16
"""With more distinct runs than this, gathering factors is the cheaper way."""


@dataclass(frozen=True)
class Run:
    """Consecutive rows whose owners are consecutive, each with equally many rows."""

    first_row: int
    rows: int
    first_owner: int
    owners: int


@dataclass(frozen=True)
class Routing:
    """Which adapter each row of a batch is computed with."""

    rows: int | None
    """Rows of the batch; none: however many there are, all have the first adapter."""
    runs: tuple[Run, ...]
    """Cover the rows from the first on; rows after them have no adapter. Empty if gathered."""
    index: torch.Tensor | None
    """[rows] owner of each row, where rows are gathered instead."""


def route(owner: NDArray[np.int64], device: torch.device) -> Routing:
    """Plan how rows meet their adapters.

    Args:
        owner: [R] place of each row's adapter, 0 … n-1; -1 for padding, allowed at the end only.
        device: Where the model computes.

    Raises:
        ConfigError: If a row without adapter comes before one with an adapter.
    """
    owner = np.asarray(owner, dtype=np.int64)
    owned = int(np.count_nonzero(owner >= 0))
    if owned == 0 or (owner[:owned] < 0).any():
        raise ConfigError(
            "adapters: rows without an adapter are allowed after all others only, and not alone"
        )
    change = np.flatnonzero(np.diff(owner[:owned])) + 1
    starts = np.concatenate([[0], change])
    counts = np.diff(np.concatenate([starts, [owned]]))
    following = owner[starts]
    jumps = (np.diff(following) != 1) | (np.diff(counts) != 0)
    cuts = np.concatenate([[0], np.flatnonzero(jumps) + 1, [len(starts)]])
    if len(cuts) - 1 > MOST_RUNS:
        index = torch.from_numpy(np.maximum(owner, 0)).to(device)
        if owned < len(owner):
            index = index[:owned]
        return Routing(len(owner), (), index)
    runs = tuple(
        Run(
            int(starts[a]),
            int(counts[a]) * int(b - a),
            int(following[a]),
            int(b - a),
        )
        for a, b in zip(cuts[:-1], cuts[1:], strict=True)
    )
    return Routing(len(owner), runs, None)


@dataclass(frozen=True)
class Use:
    """Adapters in force: their factors at every site, and how rows are routed to them."""

    factors: Factors
    routing: Routing
    scale: float
    gradients: Factors | None = None
    """Where a backward pass adds the gradients of the factors; none: nothing is trained."""
    anchor: torch.Tensor | None = None
    """A number that requires a gradient (which is never computed), where something is trained:
    by it a loss depends on adapters whose inputs need no gradient themselves."""

    def add(self, site: int, x: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Return ``base`` plus each row's own update.

        Args:
            site: Number of the module.
            x: [rows, …, in] its input.
            base: [rows, …, out] what the module itself computed.
        """
        index, runs = self.routing.index, self.routing.runs
        rows = x.shape[0]
        if self.routing.rows is None:
            runs = (Run(0, rows, 0, 1),)
        elif rows != self.routing.rows:
            raise ConfigError(
                f"adapters: a module got {rows} rows where the batch has {self.routing.rows}; "
                "target modules whose input keeps the batch's rows first"
            )
        x3 = x.reshape(rows, -1, x.shape[-1]).to(self.factors[site][0].dtype)
        y3 = base.reshape(rows, -1, base.shape[-1])
        if index is not None:
            done = len(index)
            parts = [self._updated(site, x3[:done], y3[:done], slice(None), index)]
        else:
            parts = []
            for run in runs:
                done = run.first_row + run.rows
                lines = slice(run.first_row, done)
                owners = slice(run.first_owner, run.first_owner + run.owners)
                parts.append(self._updated(site, x3[lines], y3[lines], owners, None))
        if done < rows:
            parts.append(y3[done:])
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).reshape(base.shape)

    def _updated(
        self,
        site: int,
        x: torch.Tensor,
        base: torch.Tensor,
        owners: slice,
        index: torch.Tensor | None,
    ) -> torch.Tensor:
        a, b = (factor[owners] for factor in self.factors[site])
        if index is not None:
            a, b = a[index], b[index]
        x3, y3 = (value.reshape(len(a), -1, value.shape[-1]) for value in (x, base))
        if self.gradients is None:
            return _updated(x3, y3, a, b, self.scale)[0].reshape(base.shape)
        into = tuple(gradient[owners] for gradient in self.gradients[site])
        out = _Update.apply(x3, y3, self.anchor, a, b, into, index, self.scale)
        return out.reshape(base.shape)


def _updated(
    x: torch.Tensor, base: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return base + scale · x Aᵀ Bᵀ, [n, m, out], and x Aᵀ."""
    inner = torch.bmm(x, a.transpose(1, 2))
    if base.dtype == inner.dtype:
        return torch.baddbmm(base, inner, b.transpose(1, 2), alpha=scale), inner
    return base + (torch.bmm(inner, b.transpose(1, 2)) * scale).to(base.dtype), inner


class _Update(torch.autograd.Function):
    """`_updated`, whose backward pass adds the factors' gradients where they are wanted.

    They lie in one long row for each adapter, which autograd would fill by way of copies.
    """

    @staticmethod
    def forward(ctx, x, base, anchor, a, b, into, index, scale):
        """Compute; keep what the gradients need."""
        out, inner = _updated(x, base, a, b, scale)
        ctx.save_for_backward(x, inner, a, b)
        ctx.into, ctx.index, ctx.scale = into, index, scale
        return out

    @staticmethod
    def backward(ctx, gradient):
        """Add dB = s gᵀ (x Aᵀ) and dA = s (g B)ᵀ x to their places; return s g B A and g."""
        x, inner, a, b = ctx.saved_tensors
        outer = torch.bmm(gradient.to(b.dtype), b).mul_(ctx.scale)
        into_a, into_b = ctx.into
        turned = gradient.to(b.dtype).transpose(1, 2)
        if ctx.index is None:
            into_b.baddbmm_(turned, inner, alpha=ctx.scale)
            into_a.baddbmm_(outer.transpose(1, 2), x)
        else:
            into_b.index_add_(0, ctx.index, torch.bmm(turned, inner), alpha=ctx.scale)
            into_a.index_add_(0, ctx.index, torch.bmm(outer.transpose(1, 2), x))
        back = torch.bmm(outer, a) if ctx.needs_input_grad[0] else None
        below = gradient if ctx.needs_input_grad[1] else None
        return back, below, None, None, None, None, None, None


class AdaptedLinear(torch.nn.Module):
    """A linear module that also adds the adapters in force.

    Args:
        base: The module that it replaces; its parameters are taken over under the same names.
        site: Where it is.
        number: Its place among the model's sites.
        adapted: Tells which adapters are in force.
    """

    def __init__(
        self, base: torch.nn.Module, site: Site, number: int, adapted: AdaptedModel
    ) -> None:
        super().__init__()
        self.register_parameter("weight", base.get_parameter("weight"))
        self.register_parameter("bias", cast("torch.nn.Parameter | None", base.bias))
        self.in_features, self.out_features = site.inputs, site.outputs
        self._transposed = site.transposed
        self._number = number
        self._adapted = adapted

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the base's output, plus the adapters' if any are in force."""
        own = cast("torch.Tensor", self.weight)
        weight = own.T if self._transposed else own
        base = torch.nn.functional.linear(x, weight, cast("torch.Tensor | None", self.bias))
        use = self._adapted.use
        return base if use is None else use.add(self._number, x, base)


class AdaptedModel:
    """A model whose linear modules can take adapters; made by `adapt`."""

    def __init__(self, model: torch.nn.Module, sites: Sequence[Site]) -> None:
        self.model = model
        self.sites = tuple(sites)
        self.use: Use | None = None
        """Adapters in force; none: the base alone."""

    @contextmanager
    def using(self, use: Use) -> Iterator[None]:
        """Put adapters in force for a while."""
        before, self.use = self.use, use
        try:
            yield
        finally:
            self.use = before


def adapt(model: torch.nn.Module, targets: Sequence[str], where: str = "targets") -> AdaptedModel:
    """Swap the targeted linear modules of a model, in place; its parameters keep their names.

    Args:
        model: Any transformers model.
        targets: See `agents.adapters.targets.find_sites`.
        where: Key of the targets, for messages.

    Raises:
        ConfigError: If a target matches nothing.
    """
    sites = find_sites(model, targets, where)
    adapted = AdaptedModel(model, sites)
    for number, site in enumerate(sites):
        parent, _, leaf = site.path.rpartition(".")
        base = model.get_submodule(site.path)
        setattr(model.get_submodule(parent), leaf, AdaptedLinear(base, site, number, adapted))
    return adapted
