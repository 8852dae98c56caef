"""Team metrics as pure functions of arrays. Rows are decisions; NaN or -1 is what was not observed.

Nothing here draws intervals: values per row go into `experiments.analysis.bootstrap`. Sources and
formulas are in docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.core.errors import ConfigError

Floats = NDArray[np.float64]
SAME = 1e-9
"""Advice closer than this to the initial estimate says nothing about its weight."""


def synergy(team: ArrayLike, human: ArrayLike, ai: ArrayLike) -> Floats:
    """Return team - max(human, AI) of mean performances; broadcasts over resamples.

    Source: Vaccaro, Almaatouq & Malone 2024 ("human-AI synergy"); their meta-analysis of 106
    experiments found g = -.23, so a simulator that always shows synergy is wrong.
    """
    return np.asarray(team, float) - np.maximum(np.asarray(human, float), np.asarray(ai, float))


def augmentation(team: ArrayLike, human: ArrayLike) -> Floats:
    """Return team - human of mean performances (human augmentation, ibid.)."""
    return np.asarray(team, float) - np.asarray(human, float)


@dataclass(frozen=True)
class Reliance:
    """Appropriate reliance, one value a row: 1 or 0, NaN where the row does not count."""

    rair: Floats
    """Relative AI reliance: right in the end, where the human was wrong and the AI right."""
    rsr: Floats
    """Relative self-reliance: right in the end, where the human was right and the AI wrong."""

    @property
    def under_reliance(self) -> Floats:
        """1 - RAIR: right advice that was not taken."""
        return 1.0 - self.rair

    @property
    def over_reliance(self) -> Floats:
        """1 - RSR: wrong advice that was taken (or another wrong option)."""
        return 1.0 - self.rsr


def appropriate_reliance(human: ArrayLike, ai: ArrayLike, final: ArrayLike) -> Reliance:
    """Return RAIR and RSR per decision (Schemmer et al. 2023).

    Args:
        human: [n] whether the human was right alone; NaN where unknown.
        ai: [n] whether the advice was right; NaN where there was none.
        final: [n] whether the decision after the advice was right.

    Returns:
        Their means are the metrics; a mean over nothing is undefined and never 0.
    """
    h, a, f = (np.asarray(x, dtype=np.float64) for x in (human, ai, final))
    known = ~(np.isnan(h) | np.isnan(a) | np.isnan(f))
    rair = np.where(known & (h == 0) & (a == 1), f, np.nan)
    rsr = np.where(known & (h == 1) & (a == 0), f, np.nan)
    return Reliance(rair, rsr)


def weight_of_advice(
    initial: ArrayLike, advice: ArrayLike, final: ArrayLike, clip: tuple[float, float] | None
) -> Floats:
    """Return WOA = (final - initial) / (advice - initial), NaN where advice = initial.

    Args:
        initial: [n] estimate before the advice.
        advice: [n]
        final: [n] estimate after it.
        clip: Range to which it is cut (usually 0 to 1), None for no cut. The choice changes the
            mean, so it has no default.

    Source: Harvey & Fischer 1997; Yaniv 2004 (excluded where advice = initial).
    """
    i, a, f = (np.asarray(x, dtype=np.float64) for x in (initial, advice, final))
    away = np.abs(a - i) > SAME
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(away, (f - i) / np.where(away, a - i, 1.0), np.nan)
    return weight if clip is None else np.clip(weight, *clip)


def regret(achieved: ArrayLike, reference: ArrayLike) -> Floats:
    """Return reference - achieved: what was lost against a reference (rewards or accuracies).

    With the optimum without communication as reference it is negative where communication helped;
    with the optimum under free communication it is what better facilitation could still gain.
    """
    return np.asarray(reference, float) - np.asarray(achieved, float)


def communication_value(achieved: ArrayLike, alone: ArrayLike, free: ArrayLike) -> Floats:
    """Return the share of perfect facilitation's worth that was had: (a - alone) / (free - alone).

    NaN where free communication is worth nothing.
    """
    a, low, high = (np.asarray(x, dtype=np.float64) for x in (achieved, alone, free))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.abs(high - low) > SAME, (a - low) / (high - low), np.nan)


def value_alignment(inferred: ArrayLike, principal: ArrayLike) -> Floats:
    """Return the correlation of inferred with the principal's reward weights, per row.

    Args:
        inferred: [..., D] weights that an agent acts by or infers.
        principal: [..., D] the principal's.

    Returns:
        [...] Pearson's correlation, which ignores scale and offset as preferences do; NaN where
        either has no spread.
    """
    one, two = (np.asarray(x, dtype=np.float64) for x in (inferred, principal))
    one = one - one.mean(axis=-1, keepdims=True)
    two = two - two.mean(axis=-1, keepdims=True)
    size = np.sqrt((one**2).sum(axis=-1) * (two**2).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > SAME, (one * two).sum(axis=-1) / size, np.nan)


def principal_regret(choice: ArrayLike, reward: ArrayLike) -> Floats:
    """Return what a choice costs the principal: its best option's reward minus the chosen one's.

    Args:
        choice: [n] chosen option; -1 (no choice) counts as the worst option.
        reward: [n, K] the principal's reward of each option, NaN where there is no such option.
    """
    picked, value = np.asarray(choice, dtype=np.int64), np.asarray(reward, dtype=np.float64)
    got = np.take_along_axis(value, np.maximum(picked, 0)[:, None], axis=1)[:, 0]
    return np.nanmax(value, axis=1) - np.where(picked < 0, np.nanmin(value, axis=1), got)


def total_variation(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the total variation distance of distributions [n, K], in [0, 1]."""
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return 0.5 * np.abs(one - two).sum(axis=1)


def kl_divergence(first: ArrayLike, second: ArrayLike, floor: float) -> Floats:
    """Return KL(first ‖ second) of distributions [n, K] in nats.

    Args:
        first: With the message.
        second: Without it.
        floor: Probabilities are clipped here (and not renormalized), or a certain agent would have
            infinite influence; it bounds the result by -log(floor).
    """
    one = np.clip(np.asarray(first, dtype=np.float64), floor, 1.0)
    two = np.clip(np.asarray(second, dtype=np.float64), floor, 1.0)
    return (np.asarray(first, dtype=np.float64) * np.log(one / two)).sum(axis=1)


def persuasion(initial: ArrayLike, final: ArrayLike, side: ArrayLike) -> Floats:
    """Return how far belief moved towards a side: p_final(side) - p_initial(side).

    Args:
        initial: [n, K] belief before anything was heard; NaN rows where unknown.
        final: [n, K] belief in the end.
        side: [n] option argued for, -1 for none.
    """
    s = np.asarray(side, dtype=np.int64)
    place = np.maximum(s, 0)[:, None]
    before = np.take_along_axis(np.asarray(initial, dtype=np.float64), place, axis=1)[:, 0]
    after = np.take_along_axis(np.asarray(final, dtype=np.float64), place, axis=1)[:, 0]
    return np.where(s < 0, np.nan, after - before)


def slope(x: ArrayLike, y: ArrayLike, deviation: ArrayLike) -> tuple[float, float]:
    """Return the slope of y on x by weighted least squares, and its standard error.

    Judge-score and agent-score slopes (Sudhir et al.): how a score rises with the capability or
    honesty of the agents. The error takes the deviations as known and the points as independent.

    Args:
        x: [n] capability, at least two different ones.
        y: [n] scores.
        deviation: [n] standard deviation of each score, positive.

    Raises:
        ConfigError: If all x are equal.
    """
    at, value = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    w = 1.0 / np.asarray(deviation, dtype=np.float64) ** 2
    centred = at - (w * at).sum() / w.sum()
    spread = float((w * centred**2).sum())
    if spread <= 0 or len(np.unique(at)) < 2:
        raise ConfigError("a slope needs two different values of x")
    return float((w * centred * value).sum() / spread), float(spread**-0.5)
