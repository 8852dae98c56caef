"""Where adapters are: some in memory, the rest in files, none ever lost.

The life of an adapter::

    put --> in memory --(others need its place; least recently used first)--> file
                ^                                                               |
                +--------------------------- rows ------------------------------+

A row in memory has a vector in each *column* (weights and, where adapters are trained, Adam's two
moments), a step count and a learning rate; all of it goes to the file and comes back bit for bit.
An adapter that has not changed since it was read is dropped without writing. Files are safetensors,
replaced as a whole: a reader sees the old or the new one. They are memory on disk, not a record:
what a run keeps are its snapshots.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from environments.core.errors import ConfigError, DataError, RunError

WEIGHTS = "weights"
MOMENTS = ("exp_avg", "exp_avg_sq")
_FIRST = 8
_FOLDERS = 256


def room_for(adapters: int) -> int:
    """Return the rows of a store without limit that holds so many adapters: it grows by doubling.

    Example:
        >>> [room_for(n) for n in (1, 8, 9, 100)]
        [8, 8, 16, 128]
    """
    rows = _FIRST
    while rows < adapters:
        rows *= 2
    return rows


class AdapterStore:
    """Rows of adapters by agent, at most ``resident`` of them in memory.

    Args:
        width: Numbers of a row.
        columns: Names of the vectors of a row.
        dtype: Their number type, float32 or float64.
        device: Where they lie while in memory.
        resident: Most rows in memory; 0 for no limit.
        folder: Where a folder for the others is made; empty for a temporary one that goes with the
            store.
    """

    def __init__(
        self,
        width: int,
        columns: Sequence[str],
        dtype: torch.dtype,
        device: torch.device,
        resident: int = 0,
        folder: str | Path = "",
    ) -> None:
        self.resident = resident
        self._limit = resident or None
        self._rows = resident or _FIRST
        self.columns: dict[str, torch.Tensor] = {
            name: torch.zeros(self._rows, width, dtype=dtype, device=device) for name in columns
        }
        """[rows, width] each."""
        self.steps = torch.zeros(self._rows, dtype=torch.float32, device=device)
        """[rows] steps that each adapter has taken."""
        self.learning_rates = np.zeros(self._rows)
        """[rows] of each adapter."""
        self._row_of: OrderedDict[int, int] = OrderedDict()
        self._free = list(range(self._rows))[::-1]
        self._changed: set[int] = set()
        self._known: dict[int, None] = {}
        self._given = str(folder)
        self._folder: Path | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.loads = 0
        """Adapters read back from files so far."""

    def __contains__(self, agent: int) -> bool:
        return agent in self._known

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    @property
    def in_memory(self) -> int:
        """How many adapters are in memory."""
        return len(self._row_of)

    def rows(self, agents: Sequence[int], changing: bool = False) -> list[int]:
        """Return the rows of some agents, brought to memory if they are not there.

        Args:
            agents: Different agents that the store knows.
            changing: Whether the caller will change these rows.

        Raises:
            ConfigError: If an agent has no adapter, or more are asked for than fit in memory.
            DataError: If an adapter's file is missing or damaged.
        """
        for agent in agents:
            if agent not in self._known:
                raise ConfigError(f"adapters: agent {agent} has no adapter; create one first")
        if self._limit is not None and len(agents) > self._limit:
            raise ConfigError(
                f"adapters: {len(agents)} asked for at once, allowed: {self._limit} (resident)"
            )
        for agent in agents:  # those that are here become the last to go
            if agent in self._row_of:
                self._row_of.move_to_end(agent)
        for agent in agents:
            if agent not in self._row_of:
                self._read(agent, self._place(agent))
                self.loads += 1
        if changing:
            self._changed.update(agents)
        return [self._row_of[agent] for agent in agents]

    def put(
        self, agent: int, vectors: Mapping[str, NDArray], step: int, learning_rate: float
    ) -> None:
        """Give an agent an adapter in place of any that it has.

        Args:
            agent: The agent.
            vectors: [width] of each column; missing ones are zero.
            step: Steps taken.
            learning_rate: Its learning rate.
        """
        row = self._row_of.get(agent)
        if row is None:
            row = self._place(agent)
        self._fill(row, vectors, step, learning_rate)
        self._known[agent] = None
        self._row_of.move_to_end(agent)
        self._changed.add(agent)

    def get(self, agent: int) -> tuple[dict[str, NDArray], int, float]:
        """Return an agent's vectors, steps and learning rate, wherever they are; none moves."""
        if agent not in self._known:
            raise ConfigError(f"adapters: agent {agent} has no adapter; create one first")
        row = self._row_of.get(agent)
        if row is None:
            return self._load(agent)
        vectors = {name: pool[row].cpu().numpy().copy() for name, pool in self.columns.items()}
        return vectors, int(self.steps[row]), float(self.learning_rates[row])

    def drop(self, agents: Iterable[int]) -> None:
        """Forget agents, their files too."""
        for agent in agents:
            self._known.pop(agent, None)
            self._changed.discard(agent)
            row = self._row_of.pop(agent, None)
            if row is not None:
                self._free.append(row)
            if self._folder is not None:
                self._path(agent).unlink(missing_ok=True)

    # -- parts -----------------------------------------------------------------------------

    def _place(self, agent: int) -> int:
        """Return a row for an agent that has none, made free if need be."""
        if not self._free:
            if self._limit is None:
                self._grow()
            else:
                oldest = next(iter(self._row_of))
                self._leave(oldest)
        row = self._free.pop()
        self._row_of[agent] = row
        return row

    def _leave(self, agent: int) -> None:
        if agent in self._changed:
            self._write(agent)
            self._changed.discard(agent)
        self._free.append(self._row_of.pop(agent))

    def _grow(self) -> None:
        more = self._rows
        for name, pool in self.columns.items():
            self.columns[name] = torch.cat([pool, torch.zeros_like(pool)])
        self.steps = torch.cat([self.steps, torch.zeros_like(self.steps)])
        self.learning_rates = np.concatenate([self.learning_rates, np.zeros(more)])
        self._free = list(range(self._rows, self._rows + more))[::-1]
        self._rows += more

    def _fill(
        self, row: int, vectors: Mapping[str, NDArray], step: int, learning_rate: float
    ) -> None:
        for name, pool in self.columns.items():
            if name in vectors:
                pool[row] = torch.from_numpy(np.array(vectors[name])).to(pool)
            else:
                pool[row] = 0.0
        self.steps[row] = float(step)
        self.learning_rates[row] = learning_rate

    def _path(self, agent: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{agent % _FOLDERS:03d}" / f"{agent}.safetensors"

    def _write(self, agent: int) -> None:
        vectors, step, rate = self.get(agent)
        data = save({**vectors, "step": np.array([step]), "learning_rate": np.array([rate])})
        if self._folder is None:
            self._open_folder()
        path = self._path(agent)
        aside = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(exist_ok=True)
            aside.write_bytes(data)
            os.replace(aside, path)
        except OSError as error:
            raise RunError(f"{path}: cannot keep an adapter here ({error.strerror})") from error

    def _open_folder(self) -> None:
        if self._given:
            try:
                Path(self._given).mkdir(parents=True, exist_ok=True)
                made = tempfile.mkdtemp(prefix="adapters-", dir=self._given)
            except OSError as error:
                raise RunError(
                    f"{self._given}: cannot keep adapters here ({error.strerror})"
                ) from error
            self._folder = Path(made)
        else:
            self._temporary = tempfile.TemporaryDirectory(prefix="facilitate-adapters-")
            self._folder = Path(self._temporary.name)

    def _read(self, agent: int, row: int) -> None:
        try:
            vectors, step, rate = self._load(agent)
        except DataError:
            self._free.append(self._row_of.pop(agent))
            raise
        self._fill(row, vectors, step, rate)

    def _load(self, agent: int) -> tuple[dict[str, NDArray], int, float]:
        path = self._path(agent)
        try:
            arrays = load_file(path)
            step, rate = int(arrays.pop("step")[0]), float(arrays.pop("learning_rate")[0])
            vectors = {name: arrays[name] for name in self.columns}
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise DataError(
                f"adapter of agent {agent} is missing or damaged ({error})", path
            ) from error
        return vectors, step, rate
