"""Parameters of models, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit

from environments.core.errors import ConfigError, UnknownNameError

EDGE = 12.0
"""How far on the line counts as "at the bound": within 6e-6 of it, or a factor of 1.6e5 off."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model."""

    name: str
    about: str
    start: float
    low: float = -np.inf
    high: float = np.inf
    free: bool = True
    """Whether it is estimated unless the user says otherwise; if not, it stays at ``start``."""
    reference: str = ""
    """Published value or default, for comparison."""
    key: str = ""
    """Key of the human proxy's configuration, e.g. ``advice.weight``."""

    def to_line(self, value: float) -> float:
        """Return the value's place on the whole line."""
        if np.isfinite(self.low) and np.isfinite(self.high):
            share = (value - self.low) / (self.high - self.low)
            return float(np.clip(logit(np.clip(share, 0.0, 1.0)), -EDGE, EDGE))
        if np.isfinite(self.low):
            return float(np.log(max(value - self.low, np.exp(-EDGE))))
        return float(value)

    def from_line(self, place: float) -> float:
        """Return the value at a place on the line."""
        if np.isfinite(self.low) and np.isfinite(self.high):
            return float(self.low + (self.high - self.low) * expit(place))
        if np.isfinite(self.low):
            return float(self.low + np.exp(min(place, 50.0)))
        return float(place)

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Where the search on the line ends."""
        bounded = np.isfinite(self.low)
        return (-EDGE, EDGE) if bounded else (None, None)


@dataclass(frozen=True)
class Estimate:
    """What became of one parameter."""

    name: str
    value: float
    low: float | None
    """Lower end of the 95 % interval; None where there is none (fixed, or not identified)."""
    high: float | None
    free: bool
    at_bound: bool
    """Whether the likelihood rises to the end of the allowed range."""
    about: str
    reference: str
    key: str


@dataclass(frozen=True)
class Fit:
    """The outcome of a fit."""

    model: str
    n: int
    """Rows that were used."""
    groups: int
    """Persons (rows where nobody is named)."""
    log_likelihood: float
    intervals: str
    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...] = ()
    trusted: bool = True
    """Whether the estimates may be used; False where the choices hold too little noise."""

    @property
    def aic(self) -> float:
        """Akaike's criterion: 2·(free parameters) − 2·log-likelihood."""
        return 2.0 * sum(e.free for e in self.estimates) - 2.0 * self.log_likelihood

    def __getitem__(self, name: str) -> Estimate:
        """Return the estimate of a parameter."""
        return next(e for e in self.estimates if e.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return the fit as plain JSON values."""
        plain = asdict(self)
        plain["aic"] = self.aic
        plain["estimates"] = {e.name: {**asdict(e)} for e in self.estimates}
        plain["notes"] = list(self.notes)
        return plain


def choose_parameters(
    parameters: Sequence[Parameter], fixed: Mapping[str, float], freed: Sequence[str]
) -> list[Parameter]:
    """Return the parameters with some held at a value and others let go.

    Raises:
        UnknownNameError: For a name that the model does not have.
        ConfigError: For a value out of range, or if nothing is left to estimate.
    """
    names = [p.name for p in parameters]
    for name in (*fixed, *freed):
        if name not in names:
            raise UnknownNameError("parameter", name, names)
    chosen = []
    for p in parameters:
        if p.name in fixed:
            value = fixed[p.name]
            if not p.low <= value <= p.high:
                raise ConfigError(f"{p.name}={value:g}: give a number from {p.low:g} to {p.high:g}")
            chosen.append(replace(p, start=value, free=False))
        else:
            chosen.append(replace(p, free=p.free or p.name in freed))
    if not any(p.free for p in chosen):
        raise ConfigError("every parameter is fixed: nothing is left to estimate")
    return chosen
