"""An estimate: a number with its 95 % interval, or nothing with the reason why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_DIGITS = 10
"""Significant digits kept in a summary: below these, sums differ between linear-algebra builds."""


@dataclass(frozen=True)
class Estimate:
    """A value with an interval at 95 %."""

    value: float | None
    """The point estimate; None where the metric does not apply or is undefined."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Number of observations behind the value (decisions, rooms, or seeds for a paired
    difference)."""
    reason: str = ""
    """Why the value or the interval is missing, or what the interval does not cover."""

    @staticmethod
    def missing(reason: str, n: int = 0) -> Estimate:
        """Return an absent value with its reason."""
        return Estimate(None, None, None, n, reason)

    @staticmethod
    def exact(value: float, n: int, what: str = "an exact count") -> Estimate:
        """Return a number that has no interval because nothing about it is sampled."""
        return Estimate(float(value), None, None, n, f"{what}: no interval applies")

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return self.low is not None and self.high is not None

    def sign(self) -> int | None:
        """Return 1 or -1 if the interval excludes zero, 0 if it holds zero, None without one."""
        if self.low is None or self.high is None:
            return None
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    def to_json(self) -> dict[str, Any]:
        """Return ``{"value", "low", "high", "n"}`` and ``"reason"`` where there is one."""
        plain: dict[str, Any] = {
            "value": _plain(self.value),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "n": int(self.n),
        }
        if self.reason:
            plain["reason"] = self.reason
        return plain


def _plain(number: float | None) -> float | None:
    """Return a JSON number rounded to `_DIGITS`; None for what JSON cannot hold."""
    if number is None or not math.isfinite(number):
        return None
    return float(f"{float(number):.{_DIGITS}g}")
