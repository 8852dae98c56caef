"""From an engine's scores to likelihoods and beliefs, fitted on the calibration split.

Three small models, each a logistic regression on J calibration cases (whose truth is spent):

* `fit_choice`: P(truth = k) = softmax_k(x_k · β), the conditional logit (McFadden 1974). Gives the
  surface-only belief and every expert's belief from its noisy score.
* `fit_items`: the log-likelihood ratio of *one* item, "option k has score s at depth d", for
  option k against any other. By Bayes' rule it is ``logit P(k right | s) - logit P(k right)``, and
  a logistic regression ``a_d + b_d g(s)`` estimates it.
* `fit_discounts`: scores of one option at several depths come from one search and are dependent;
  adding their ratios would count the same thing up to seven times. Each depth gets a discount
  w_d in [0, 1] such that a reader who adds everything up to depth d is calibrated, for every d at
  once: w minimizes the mean over d of the log loss of softmax_k(Σ_{e ≤ d} w_e l_e,k). The price,
  stated here: a reader of one shallow item alone is less sure than it could be.

All fits are convex and deterministic; coefficients are rounded to four decimals, so that the last
bits of a processor's arithmetic cannot reach a ledger.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from environments.core.beliefs import log_normalize

RIDGE = 1.0
"""Precision of the normal prior on slopes; keeps a separable fit finite."""
CLIP = 2000.0
"""Centipawns beyond which a noisy reader tells no difference."""


def squash(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sign(s) · log(1 + |s| / 100) of scores in centipawns: pawns near 0, ratios far out."""
    return np.sign(score) * np.log1p(np.abs(score) / 100)


def fit_choice(
    features: NDArray[np.float64], truth: NDArray[np.int64], option_mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the conditional-logit slopes β, shape [F].

    Args:
        features: [J, K, F] of every option; finite.
        truth: [J] right options.
        option_mask: [J, K] which options exist.
    """
    right = np.arange(option_mask.shape[1]) == truth[:, None]

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logp = log_normalize((features * beta).sum(axis=2), option_mask)
        error = np.exp(logp) - right
        gradient = (error[:, :, None] * features).sum(axis=(0, 1)) + RIDGE * beta
        return -logp[right].sum() + RIDGE * (beta**2).sum() / 2, gradient

    return _minimum(loss, np.zeros(features.shape[2]), None)


def choice_belief(
    features: NDArray[np.float64] | NDArray[np.int64],
    slopes: NDArray[np.float64],
    option_mask: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the log-softmax over options of features [N, K, F] times slopes [F], shape [N, K]."""
    logits = np.zeros(option_mask.shape)
    for column, slope in enumerate(slopes.tolist()):
        logits = logits + slope * features[:, :, column]
    return log_normalize(logits, option_mask)


def fit_items(
    squashed: NDArray[np.float64], truth: NDArray[np.int64], option_mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intercepts a and slopes b of the items' log-likelihood ratios, each [D].

    Args:
        squashed: [J, K, D] squashed scores, NaN where there is none.
        truth: [J] right options.
        option_mask: [J, K] which options exist.
    """
    right = np.arange(option_mask.shape[1]) == truth[:, None]
    offset = np.broadcast_to(-np.log(option_mask.sum(axis=1) - 1.0)[:, None], option_mask.shape)
    depths = squashed.shape[2]
    intercepts, slopes = np.zeros(depths), np.zeros(depths)
    for d in range(depths):
        use = option_mask & np.isfinite(squashed[:, :, d])
        x, y, base = squashed[:, :, d][use], right[use], offset[use]

        def loss(
            ab: NDArray[np.float64],
            x: NDArray[np.float64] = x,
            y: NDArray[np.bool_] = y,
            base: NDArray[np.float64] = base,
        ) -> tuple[float, NDArray[np.float64]]:
            z = base + ab[0] + ab[1] * x
            error = 1 / (1 + np.exp(-z)) - y
            value = np.logaddexp(0, np.where(y, -z, z)).sum() + RIDGE * (ab**2).sum() / 2
            return value, np.array([error.sum(), (error * x).sum()]) + RIDGE * ab

        intercepts[d], slopes[d] = _minimum(loss, np.zeros(2), None)
    return intercepts, slopes


def fit_discounts(
    ratios: NDArray[np.float64], truth: NDArray[np.int64], option_mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the discount of each depth, in [0, 1], shape [D].

    Args:
        ratios: [J, K, D] log-likelihood ratios of single items, 0 where there is no item.
        truth: [J] right options.
        option_mask: [J, K] which options exist.
    """
    right = np.arange(option_mask.shape[1]) == truth[:, None]
    cases, _, depths = ratios.shape

    def loss(weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total = np.cumsum(ratios * weight, axis=2)
        value, gradient = 0.0, np.zeros(depths)
        for d in range(depths):
            logp = log_normalize(total[:, :, d], option_mask)
            error = np.exp(logp) - right
            value -= logp[right].sum()
            gradient[: d + 1] += (error[:, :, None] * ratios[:, :, : d + 1]).sum(axis=(0, 1))
        return value / cases, gradient / cases

    return _minimum(loss, np.full(depths, 0.5), [(0.0, 1.0)] * depths)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share of n trials (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    z = 1.959963984540054
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def _minimum(loss, start, bounds) -> NDArray[np.float64]:
    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.round(found.x, 4) + 0.0
