"""How much advice is worth and how much of it was taken.

Definitions follow the judge–advisor literature (Sniezek & Buckley 1995; Harvey & Fischer 1997;
Yaniv 2004, "Receiving other people's advice", Organizational Behavior and Human Decision Processes
93). The optimal weight is that of Bates & Granger 1969, "The combination of forecasts", eq. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.core.errors import ConfigError

PEOPLE_WEIGHT = 0.39
"""People's mean weight of advice (published meta-analysis): compare with it, never tune to it."""
PEOPLE_INTERVAL = (0.37, 0.42)
"""Its 95 % interval."""


@dataclass(frozen=True)
class TakenAdvice:
    """The weights of advice of many decisions, summed up."""

    mean: float
    """Mean weight over the decisions that count; NaN if there is none."""
    n: int
    """Decisions that count."""
    excluded: int
    """Decisions in which the advice equalled the initial estimate: their weight is undefined."""
    clipped: int
    """Decisions whose weight lay outside [0, 1] and was moved to its end (0 without clipping)."""


def weight_of_advice(
    initial: ArrayLike, advice: ArrayLike, final: ArrayLike, clip: bool = True
) -> NDArray[np.float64]:
    """Return WOA = (final - initial) / (advice - initial), elementwise.

    Args:
        initial: The judge's estimate before the advice.
        advice: The advice (or the mean of several).
        final: The judge's estimate after it.
        clip: Move weights outside [0, 1] to its end, as most studies do; False keeps them.

    Returns:
        The weights; NaN where the advice equals the initial estimate.
    """
    start = np.asarray(initial, dtype=np.float64)
    distance = np.asarray(advice, dtype=np.float64) - start
    shift = np.asarray(final, dtype=np.float64) - start
    weight = np.full(np.broadcast(distance, shift).shape, np.nan)
    np.divide(shift, distance, out=weight, where=distance != 0)
    return np.clip(weight, 0.0, 1.0) if clip else weight


def taken_advice(
    initial: ArrayLike, advice: ArrayLike, final: ArrayLike, clip: bool = True
) -> TakenAdvice:
    """Return the mean weight of advice and how many decisions were excluded and clipped."""
    raw = weight_of_advice(initial, advice, final, clip=False).ravel()
    counts = raw[~np.isnan(raw)]
    outside = int(((counts < 0) | (counts > 1)).sum()) if clip else 0
    used = np.clip(counts, 0.0, 1.0) if clip else counts
    mean = float(used.mean()) if len(used) else float("nan")
    return TakenAdvice(mean, len(counts), len(raw) - len(counts), outside)


def revise(initial: ArrayLike, advice: ArrayLike, weight: ArrayLike) -> NDArray[np.float64]:
    """Return the estimate that gives the advice this weight: (1 - w) initial + w advice."""
    start = np.asarray(initial, dtype=np.float64)
    return start + np.asarray(weight) * (np.asarray(advice) - start)


def optimal_weight(judge_sd: float, advisor_sd: float, correlation: float = 0.0) -> float:
    """Return w* = (σj² - ρσjσa) / (σj² + σa² - 2ρσjσa), the weight of least squared error.

    Args:
        judge_sd: σj > 0, standard deviation of the judge's error.
        advisor_sd: σa > 0, of the advisor's.
        correlation: ρ of the two errors, in [-1, 1].

    Returns:
        The weight; below 0 or above 1 where one of the two should be leant away from.

    Raises:
        ConfigError: If an argument is out of range, or the errors are one and the same.
    """
    _check(judge_sd, advisor_sd, correlation)
    shared = correlation * judge_sd * advisor_sd
    spread = judge_sd**2 + advisor_sd**2 - 2 * shared
    if spread <= 0:
        raise ConfigError("judge and advisor make the same error: every weight is as good")
    return (judge_sd**2 - shared) / spread


def error_ratio(
    weight: float, judge_sd: float, advisor_sd: float, correlation: float = 0.0
) -> float:
    """Return the mean squared error at a weight, relative to the judge alone (unbiased errors).

    ((1 - w)² σj² + 2 w (1 - w) ρ σj σa + w² σa²) / σj².

    Raises:
        ConfigError: As `optimal_weight`.
    """
    _check(judge_sd, advisor_sd, correlation)
    own, taken = (1 - weight) * judge_sd, weight * advisor_sd
    return (own**2 + 2 * correlation * own * taken + taken**2) / judge_sd**2


def _check(judge_sd: float, advisor_sd: float, correlation: float) -> None:
    for name, value in (("judge_sd", judge_sd), ("advisor_sd", advisor_sd)):
        if not (value > 0 and np.isfinite(value)):
            raise ConfigError(f"{name}={value} is not a positive number")
    if not -1 <= correlation <= 1:
        raise ConfigError(f"correlation={correlation} is not in -1 … 1")
