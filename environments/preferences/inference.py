"""Bayesian reward inference for many principals at once: what a perfect learner would state."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from environments.core.errors import ConfigError

Floats = NDArray[np.float64]

_STEPS, _HALVINGS = 50, 30
_CLOSE = 1e-9


def posterior_mode(
    differences: ArrayLike, labels: ArrayLike, rationality: float = 1.0, prior_sd: float = 1.0
) -> Floats:
    """Return the most probable reward weights of each principal under a normal prior.

    Maximizes Σ_t log σ(β y_t w·δ_t) - |w|²/(2 s²) by Newton's method with step halving; the
    objective is strictly concave, so the answer is unique. Pairs are added one by one, so a row's
    result does not depend on the batch.

    Args:
        differences: [N, T, D] features of the first minus features of the second item.
        labels: [N, T] 1 for the first, -1 for the second item, 0 for no label.
        rationality: β of the labels.
        prior_sd: s of every weight, positive.

    Returns:
        [N, D] weights; zero for a principal without labels.

    Raises:
        ConfigError: For wrong shapes, labels or settings.
    """
    x = np.asarray(differences, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    if x.ndim != 3 or y.shape != x.shape[:2]:
        raise ConfigError(
            f"differences have shape {x.shape}, labels {y.shape}; expected [N, T, D] and [N, T]"
        )
    if not np.isin(y, (-1, 0, 1)).all():
        raise ConfigError("labels must be 1, -1 or 0")
    if not (prior_sd > 0 and rationality >= 0):
        raise ConfigError(
            f"prior_sd={prior_sd} must be positive, rationality={rationality} at least 0"
        )
    signed = rationality * y[:, :, None] * x
    counts = y != 0
    weights = np.zeros((len(x), x.shape[2]))
    active = np.arange(len(x))
    for _ in range(_STEPS):
        slope, bend = _slopes(weights[active], signed[active], counts[active], prior_sd)
        moving = np.abs(slope).max(axis=1, initial=0.0) > _CLOSE
        active, slope, bend = active[moving], slope[moving], bend[moving]
        if not len(active):
            return weights
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        weights[active] = _climb(weights[active], step, signed[active], counts[active], prior_sd)
    return weights


def _slopes(
    w: Floats, signed: Floats, counts: NDArray[np.bool_], prior_sd: float
) -> tuple[Floats, Floats]:
    """Return the gradient [N, D] and the negative Hessian [N, D, D] of the log-posterior."""
    slope = -w / prior_sd**2
    bend = np.zeros((*w.shape, w.shape[1])) + np.eye(w.shape[1]) / prior_sd**2
    for t in range(signed.shape[1]):
        z = signed[:, t]
        wrong = np.where(counts[:, t], expit(-_score(w, z)), 0.0)
        slope = slope + wrong[:, None] * z
        bend = bend + (wrong * (1 - wrong))[:, None, None] * z[:, :, None] * z[:, None, :]
    return slope, bend


def _climb(
    w: Floats, step: Floats, signed: Floats, counts: NDArray[np.bool_], prior_sd: float
) -> Floats:
    """Return each row moved by the longest of its halved steps that does not go downhill."""
    here = _height(w, signed, counts, prior_sd)
    share = np.ones(len(w))
    for _ in range(_HALVINGS):
        there = _height(w + share[:, None] * step, signed, counts, prior_sd)
        down = there < here - 1e-12 * np.abs(here)
        if not down.any():
            break
        share = np.where(down, share / 2, share)
    return w + share[:, None] * step


def _height(w: Floats, signed: Floats, counts: NDArray[np.bool_], prior_sd: float) -> Floats:
    height = -_score(w, w) / (2 * prior_sd**2)
    for t in range(signed.shape[1]):
        height = height + np.where(counts[:, t], log_expit(_score(w, signed[:, t])), 0.0)
    return height


def _score(w: Floats, z: Floats) -> Floats:
    total = np.zeros(len(w))
    for d in range(w.shape[1]):
        total = total + w[:, d] * z[:, d]
    return total
