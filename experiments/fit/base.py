"""What a model that can be fitted to a table says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.core.columns import Columns
from experiments.fit.parameters import Parameter
from experiments.fit.table import Field

Floats = NDArray[np.float64]
Values = Mapping[str, float]

SMALL = 1e-12
"""Least probability of what was seen: no single row may decide everything."""


class TableModel(ABC):
    """A human model with a likelihood over rows of a table.

    Every model can also simulate such a table from known values, with the framework's own
    implementation of the human model: fitting that must give the values back.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    fields: ClassVar[Mapping[str, Field]]

    @abstractmethod
    def log_likelihood(self, values: Values, data: Columns) -> Floats:
        """Return the log-likelihood of each row, [N]."""

    @abstractmethod
    def simulate(self, values: Values, n: int, seed: int) -> Columns:
        """Return a table of n rows (some models round to whole persons) made by known values."""

    def starts(self, data: Columns) -> dict[str, float]:
        """Return better starting values than the usual ones, read off the data."""
        return {}

    def arrange(self, data: Columns, group: NDArray[np.int64]) -> Columns:
        """Return the table with what the likelihood needs beyond single rows."""
        return data

    def notes(self, data: Columns) -> list[str]:
        """Return what the user should know of the data."""
        return []


def bernoulli(chance: Floats, happened: Floats) -> Floats:
    """Return the log-probability of 0/1 outcomes."""
    return np.log(np.maximum(np.where(happened > 0.5, chance, 1.0 - chance), SMALL))


def normal(residual: Floats, spread: float) -> Floats:
    """Return the log-density of normal residuals with a standard deviation."""
    return -0.5 * (residual / spread) ** 2 - np.log(spread) - 0.5 * np.log(2.0 * np.pi)


def share(about: str, empty: bool = False) -> Field:
    """Return a column of probabilities."""
    return Field(about, 0.0, 1.0, empty=empty)


def flag(about: str, empty: bool = False) -> Field:
    """Return a column of 0 or 1."""
    return Field(about, 0.0, 1.0, whole=True, empty=empty)
