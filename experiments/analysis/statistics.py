"""Statistics of small experiments, in the one place that every report uses.

Arms of an experiment share cases and seeds, therefore:

* The difference of two arms is a *paired* one: one number per seed, with a Student t interval
  (`paired_difference`). A percentile bootstrap over three seeds would cover 73 % only.
* A single arm's mean, a proportion of gap recovered and everything else that is averaged over
  cases and seeds has a *crossed* bootstrap interval (`experiments.analysis.bootstrap`).
* "Better" is said only if the interval of the paired difference excludes zero; several
  comparisons are corrected by Holm's method; what could have been detected is stated.
* Fewer than `ILLUSTRATIVE_BELOW` seeds are called illustrative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from experiments.analysis.estimate import Estimate

LEVEL = 0.95
"""Level of every interval."""
POWER = 0.80
"""Power at which the minimum detectable difference is stated."""
ILLUSTRATIVE_BELOW = 5
"""Runs with fewer seeds are labelled illustrative."""
_QUANTILES = 20_000
MINIMUM_GAP = 0.05
"""PGR is undefined unless the lower bound of (ceiling - floor) exceeds this."""


@dataclass(frozen=True)
class Paired:
    """A paired difference over seeds."""

    estimate: Estimate
    """Mean of the per-seed differences, Student t interval, n = number of seeds."""
    p_value: float | None
    """Two-sided p-value of the paired t test; None where undefined."""
    detectable: Estimate
    """Smallest true difference that this design finds with probability `POWER`."""


def paired_difference(first: ArrayLike, second: ArrayLike) -> Paired:
    """Compare two arms over the seeds that they share.

    Args:
        first: [S] per-seed values of one arm.
        second: [S] per-seed values of the other.

    Returns:
        first - second. With one seed the interval and the p-value are undefined, likewise if
        every seed gave the same difference, zero included (no spread to tell an error from).
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    n = len(difference)
    if n == 0 or not np.isfinite(difference).all():
        nothing = Estimate.missing("no seed has both values", n)
        return Paired(nothing, None, nothing)
    mean = float(difference.mean())
    if n == 1:
        reason = "one seed: a spread over seeds is undefined"
        return Paired(Estimate(mean, None, None, 1, reason), None, Estimate.missing(reason, 1))
    deviation = float(difference.std(ddof=1))
    if deviation <= 1e-12:
        reason = "every seed gave the same difference: no spread to estimate an error from"
        if abs(mean) <= 1e-12:
            mean, reason = 0.0, "the seeds do not differ, so no interval over them can be given"
        return Paired(Estimate(mean, None, None, n, reason), None, Estimate.missing(reason, n))
    error = deviation / np.sqrt(n)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    detectable = Estimate.exact(
        minimum_detectable_difference(deviation, n), n, "a property of the design"
    )
    return Paired(Estimate(mean, mean - half, mean + half, n), p_value, detectable)


def mean_of_known(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the mean along an axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def minimum_detectable_difference(deviation: float, n: int) -> float:
    """Return the true difference that a paired t test finds with probability `POWER`.

    Args:
        deviation: Standard deviation of the per-seed differences.
        n: Number of seeds, at least 2.

    Returns:
        The difference δ at which the noncentral t distribution with noncentrality δ√n/deviation
        puts `POWER` beyond the two-sided critical values (the usual sum of two t quantiles is an
        approximation to it). The noncentral t is integrated over quantiles of the chi-squared
        distribution, which is accurate to about 1e-4 and stable for two seeds as for thousands.
    """
    freedom = n - 1
    critical = float(stats.t.ppf((1 + LEVEL) / 2, freedom))
    grid = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    bar = critical * np.sqrt(stats.chi2.ppf(grid, freedom) / freedom)

    def lacking(noncentrality: float) -> float:
        beyond = special.ndtr(noncentrality - bar) + special.ndtr(-noncentrality - bar)
        return float(beyond.mean()) - POWER

    shift = float(optimize.brentq(lacking, 0.0, 4.0 * critical + 10.0, xtol=1e-10))
    return shift * deviation / float(np.sqrt(n))


def wilson(successes: int, n: int) -> Estimate:
    """Return a proportion with Wilson's score interval (Wilson 1927), for independent trials."""
    if n == 0:
        return Estimate.missing("no trials")
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)), n)


def difference_of(first: Estimate, second: Estimate) -> Estimate:
    """Return first minus second of two independent estimates, with an interval made of theirs.

    Each end lies as far from the difference as the two ends that reach that way do together, added
    as squares ("MOVER", Zou & Donner 2008, Stat. Med. 27; for two proportions Newcombe 1998). An
    estimate without an interval is taken as exact. n counts the observations behind the first.
    """
    if first.value is None or second.value is None:
        return Estimate.missing(first.reason or second.reason)
    ends = []
    for one, two in ((first.low, second.high), (first.high, second.low)):
        reach = (
            0.0 if one is None else one - first.value,
            0.0 if two is None else two - second.value,
        )
        ends.append(float(np.hypot(*reach)))
    value = first.value - second.value
    return Estimate(value, value - ends[0], value + ends[1], first.n)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's step-down adjusted p-values (Holm 1979), in the order given.

    Undefined p-values stay undefined but count as comparisons, so that a family cannot shrink by
    failing.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, place) in enumerate(known):
        running = max(running, min(1.0, (len(p_values) - rank) * p))
        adjusted[place] = running
    return adjusted


def performance_gap_recovered(
    floor: float,
    arm: float,
    ceiling: float,
    draws: NDArray[np.float64],
    n: int,
) -> Estimate:
    """Return PGR = (arm - floor) / (ceiling - floor) (Burns et al., arXiv 2312.09390).

    The ratio is unbounded and meaningless over a gap that may be zero: with 1 500 test cases and a
    true gap of .03 its 95 % range is about [-1.75, 2.97]. It is therefore undefined unless the
    lower bound of the gap exceeds `MINIMUM_GAP`. A resample whose own gap is not positive has no
    ratio; it counts as beyond either end of the interval, which is left out where such resamples
    reach it.

    Args:
        floor: Accuracy of the weak model before teaching.
        arm: Accuracy of the taught model.
        ceiling: Accuracy of the model taught with the truth.
        draws: [3, B] bootstrap draws of the three, from the same resamples.
        n: Decisions behind each accuracy.
    """
    gap = ceiling - floor
    gaps = draws[2] - draws[0]
    if not np.isfinite(draws).all() or not len(gaps):
        return Estimate.missing("some resamples hold no answers of the arms compared", n)
    low = float(np.quantile(gaps, _TAILS[0]))
    if not (low > MINIMUM_GAP and gap > 0):
        return Estimate.missing(
            f"gap between floor and ceiling is {gap:.3f} with lower bound {low:.3f}, "
            f"which does not exceed {MINIMUM_GAP:.2f}",
            n,
        )
    value = (arm - floor) / gap
    positive = gaps > _NO_GAP
    ratios = (draws[1] - draws[0])[positive] / gaps[positive]
    if positive.all():
        bounds = np.quantile(ratios, _TAILS)
        return Estimate(value, float(bounds[0]), float(bounds[1]), n)
    undefined = len(gaps) - len(ratios)
    rank = int(np.floor(_TAILS[0] * (len(gaps) - 1))) - undefined
    if rank < 0:
        reason = f"{undefined} of {len(gaps)} resamples have no gap, so the ratio has no interval"
        return Estimate(value, None, None, n, reason)
    ordered = np.sort(ratios)
    reason = f"{undefined} of {len(gaps)} resamples have no gap; they count beyond either end"
    return Estimate(value, float(ordered[rank]), float(ordered[-1 - rank]), n, reason)


_NO_GAP = 1e-12
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
