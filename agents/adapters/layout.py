"""How an adapter lies in one row of numbers, and what its parts are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.adapters.targets import Site
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed, name_key

if TYPE_CHECKING:
    import torch

    Factors = Sequence[tuple[torch.Tensor, torch.Tensor]]
    """A [n, rank, in] and B [n, out, rank] of every site."""

_ALIGN = 16


class Layout:
    """Every adapter of a bank is one row: A then B of each site in turn, zeros at the end.

    Args:
        sites: The adapted modules.
        rank: Rank of the adapters.
    """

    def __init__(self, sites: Sequence[Site], rank: int) -> None:
        self.sites = tuple(sites)
        self.rank = rank
        self._spans: list[tuple[str, int, int, tuple[int, int]]] = []
        place = 0
        for site in sites:
            for part, shape in (("A", (rank, site.inputs)), ("B", (site.outputs, rank))):
                size = shape[0] * shape[1]
                self._spans.append((f"{site.path}.lora_{part}.weight", place, place + size, shape))
                place += size
        self.parameters = place
        """Numbers of one adapter."""
        self.width = -(-place // _ALIGN) * _ALIGN
        """Numbers of a row."""

    @property
    def names(self) -> list[str]:
        """Names of the parts: the module's name, then ``lora_A.weight`` or ``lora_B.weight``."""
        return [name for name, *_ in self._spans]

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Name to shape of each part."""
        return {name: shape for name, _, _, shape in self._spans}

    def factors(self, rows: torch.Tensor) -> Factors:
        """Return the pairs (A, B) of every site as views of rows [n, width]."""
        parts = [
            rows[:, start:stop].view(len(rows), *shape) for _, start, stop, shape in self._spans
        ]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def split(self, row: NDArray) -> dict[str, NDArray]:
        """Return a row's parts by name, read-only copies."""
        return {
            name: frozen(row[start:stop].reshape(shape).copy())
            for name, start, stop, shape in self._spans
        }

    def join(self, parts: Mapping[str, NDArray]) -> NDArray:
        """Return the row of named parts.

        Raises:
            ConfigError: If names or shapes are not those of this layout.
        """
        if set(parts) != set(self.names):
            odd = sorted(set(parts) ^ set(self.names))
            raise ConfigError(
                f"adapter: parts differ from the bank's, first {odd[0]!r} (given {len(parts)}, "
                f"allowed: exactly the {len(self.names)} of its targets)"
            )
        row = np.zeros(self.width, dtype=np.result_type(*parts.values()))
        for name, start, stop, shape in self._spans:
            if tuple(parts[name].shape) != shape:
                raise ConfigError(
                    f"adapter: {name} has shape {tuple(parts[name].shape)}, allowed: {shape}"
                )
            row[start:stop] = np.asarray(parts[name]).reshape(-1)
        return row

    def initial(self, seed: int, key: int) -> dict[str, NDArray]:
        """Return a fresh adapter: A from U(−1/√in, 1/√in) keyed by (seed, key, name), B zero."""
        draw = Keyed(seed, "adapters/init")
        parts = {}
        for name, _, _, shape in self._spans:
            array = np.zeros(shape, dtype=np.float32)
            if name.endswith("lora_A.weight"):
                bound = 1.0 / np.sqrt(shape[1])
                uniform = draw.uniform(key, np.int64(name_key(name) >> 1), shape=shape)
                array = ((2.0 * uniform - 1.0) * bound).astype(np.float32)
            parts[name] = frozen(array)
        return parts
