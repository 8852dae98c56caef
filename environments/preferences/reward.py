"""Reward models: how labels come from rewards, and how rewards are inferred from labels.

The label model is P(A ≻ B) = σ(β (R_A - R_B)) (Bradley & Terry 1952, "Rank analysis of incomplete
block designs", Biometrika 39; with linear rewards of segments: Christiano et al. 2017, arXiv
1706.03741, eq. 1; rationality β and mistakes ε: B-Pref, Lee et al. 2021, arXiv 2111.03026).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, minimize
from scipy.special import expit, log_expit

from environments.core.errors import ConfigError

Floats = NDArray[np.float64]


def label_probability(
    gap: ArrayLike, rationality: ArrayLike = 1.0, mistake: ArrayLike = 0.0
) -> Floats:
    """Return P(A ≻ B) = (1-ε) σ(β·ΔR) + ε (1 - σ(β·ΔR)), elementwise.

    Args:
        gap: ΔR = R_A - R_B.
        rationality: β ≥ 0; 0 labels at random.
        mistake: ε in [0, .5], probability that a label is flipped.
    """
    p = expit(np.asarray(rationality) * np.asarray(gap, dtype=np.float64))
    slip = np.asarray(mistake)
    return (1 - slip) * p + slip * (1 - p)


@dataclass(frozen=True)
class FittedReward:
    """A reward inferred from labels."""

    weights: Floats
    """[D] estimate of β·w: only the product is identified by labels."""
    errors: Floats
    """[D] standard errors (inverse of the observed information)."""
    log_likelihood: float
    """Of the labels at the estimate, natural logarithm, ridge not counted."""
    n: int
    """Labels used."""


def fit_reward(difference: ArrayLike, label: ArrayLike, ridge: float = 1e-6) -> FittedReward:
    """Infer a linear reward from pairwise labels by maximum likelihood (logistic, no intercept).

    Args:
        difference: [N, D] features of A minus features of B.
        label: [N] 1 if A was preferred, 0 if B; or the probability of it (soft labels).
        ridge: Coefficient of |weights|²/2, at least 0. A small one keeps the estimate finite where
            labels are separable; it biases the estimate by about ridge / information. With 0 the
            estimate is refused where it does not exist (Albert & Anderson 1984).

    Raises:
        ConfigError: For wrong shapes, labels outside [0, 1], numbers that are not finite, or an
            estimate that does not exist or is not unique.
    """
    x = np.asarray(difference, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not x.size:
        raise ConfigError(
            f"difference has shape {x.shape} and label {y.shape}; expected [N, D] and [N]"
        )
    if not np.isfinite(x).all() or not ((y >= 0) & (y <= 1)).all():
        raise ConfigError("differences must be finite and labels in 0 … 1")
    if not ridge >= 0:
        raise ConfigError(f"ridge={ridge}; expected at least 0")

    if ridge == 0 and _separable(x, y):
        raise ConfigError("some reward explains all labels (separable): no finite estimate exists")

    def loss(w: Floats) -> tuple[float, Floats]:
        score = x @ w
        fit = y * log_expit(score) + (1 - y) * log_expit(-score)
        gradient = x.T @ (expit(score) - y) + ridge * w
        return float(ridge * (w @ w) / 2 - fit.sum()), gradient

    def curvature(w: Floats) -> Floats:
        p = expit(x @ w)
        return (x * (p * (1 - p))[:, None]).T @ x + ridge * np.eye(x.shape[1])

    start = np.zeros(x.shape[1])
    best = minimize(loss, start, jac=True, hess=curvature, method="trust-exact", tol=1e-9)
    slope = float(np.abs(loss(best.x)[1]).max())
    if not slope <= 1e-6 * len(y):
        raise ConfigError(f"the optimizer found no reward (slope {slope:.1e}); scale the features")
    information = curvature(best.x)
    if np.linalg.matrix_rank(information, hermitian=True) < len(information):
        raise ConfigError("features are collinear over the pairs; drop one or raise ridge")
    score = x @ best.x
    fit = float((y * log_expit(score) + (1 - y) * log_expit(-score)).sum())
    return FittedReward(best.x, np.sqrt(np.diag(np.linalg.inv(information))), fit, len(y))


def _separable(x: Floats, y: Floats) -> bool:
    """Return whether some weights explain every label, with at least one label surely.

    Looks for weights whose signed scores are all non-negative and not all zero (Albert & Anderson
    1984, Biometrika 71); a soft label allows a score of zero only.
    """
    hard = (y == 0) | (y == 1)
    signed = x * np.where(y > 0.5, 1.0, -1.0)[:, None]
    soft = signed[~hard]
    answer = linprog(
        -signed[hard].sum(axis=0),
        A_ub=-signed[hard] if hard.any() else None,
        b_ub=np.zeros(int(hard.sum())) if hard.any() else None,
        A_eq=soft if len(soft) else None,
        b_eq=np.zeros(len(soft)) if len(soft) else None,
        bounds=(-1, 1),
    )
    return bool(answer.fun < -1e-9)


def bradley_terry(
    winner: ArrayLike, loser: ArrayLike, n_items: int, ridge: float = 1e-6
) -> FittedReward:
    """Infer the strengths of items from who beat whom; P(i beats j) = σ(s_i - s_j).

    Args:
        winner: [N] items that won.
        loser: [N] items that lost.
        n_items: Number of items; strengths have mean 0 (the gauge).
        ridge: As in `fit_reward`; with unbeaten items strengths are finite only through it.

    Returns:
        Strengths as ``weights`` [n_items]; ``errors`` are those of contrasts to the mean.

    Raises:
        ConfigError: For items out of range or an item against itself.
    """
    won, lost = np.asarray(winner, dtype=np.int64), np.asarray(loser, dtype=np.int64)
    both = np.concatenate([won, lost])
    if won.shape != lost.shape or won.ndim != 1 or not len(won):
        raise ConfigError("winner and loser must be lists of the same length, at least 1")
    if ((both < 0) | (both >= n_items)).any():
        raise ConfigError(f"items must be in 0 … {n_items - 1}")
    if (won == lost).any():
        raise ConfigError("an item cannot be compared with itself")
    difference = np.zeros((len(won), n_items))
    rows = np.arange(len(won))
    difference[rows, won], difference[rows, lost] = 1.0, -1.0
    # An orthonormal basis of the strengths of mean 0 removes the gauge before fitting.
    basis = np.linalg.svd(np.eye(n_items) - 1 / n_items)[0][:, :-1]
    fitted = fit_reward(difference @ basis, np.ones(len(won)), ridge)
    projected = difference @ basis
    p = expit(projected @ fitted.weights)
    information = (projected * (p * (1 - p))[:, None]).T @ projected
    information += ridge * np.eye(n_items - 1)
    spread = basis @ np.linalg.inv(information) @ basis.T
    return FittedReward(
        basis @ fitted.weights, np.sqrt(np.diag(spread)), fitted.log_likelihood, len(won)
    )


def weight_correlation(inferred: ArrayLike, principal: ArrayLike) -> Floats:
    """Return Pearson's correlation of inferred with the principal's reward weights.

    Args:
        inferred: [..., D] inferred weights.
        principal: [..., D] the principal's weights.

    Returns:
        [...]; NaN where either is constant (a correlation is not defined).
    """
    a, b = _centred(inferred), _centred(principal)
    both, left, right = _dot(a, b), _dot(a, a), _dot(b, b)
    scale = np.sqrt(left * right)
    value = np.full(np.shape(scale), np.nan)
    np.divide(both, scale, out=value, where=scale > 0)
    return value


def preference_regret(inferred: ArrayLike, principal: ArrayLike, difference: ArrayLike) -> Floats:
    """Return the principal's reward lost by choosing with inferred weights, mean over pairs.

    For a pair with ΔR = w·δ under the principal, choosing the wrong side loses |ΔR|; a choice
    between items that the inferred weights value alike is a coin and loses half of it.

    Args:
        inferred: [..., D] weights that choose.
        principal: [..., D] weights that value.
        difference: [..., P, D] features of A minus features of B.

    Returns:
        [...] in units of the principal's reward, at least 0.
    """
    delta = np.asarray(difference, dtype=np.float64)
    chosen = np.sign(_dot(delta, np.asarray(inferred, dtype=np.float64)[..., None, :]))
    value = _dot(delta, np.asarray(principal, dtype=np.float64)[..., None, :])
    lost = (np.abs(value) - chosen * value) / 2
    total = np.zeros(lost.shape[:-1])
    for pair in range(lost.shape[-1]):
        total = total + lost[..., pair]
    return total / lost.shape[-1]


def _centred(weights: ArrayLike) -> Floats:
    w = np.asarray(weights, dtype=np.float64)
    mean = _dot(w, np.ones(w.shape[-1])) / w.shape[-1]
    return w - mean[..., None]


def _dot(a: Floats, b: Floats) -> Floats:
    """Return the sum of products over the last axis in a fixed order, equal on any slice."""
    total = np.zeros(np.broadcast_shapes(a.shape[:-1], b.shape[:-1]))
    for d in range(a.shape[-1]):
        total = total + a[..., d] * b[..., d]
    return total
