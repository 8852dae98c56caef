"""Does a strong student imitate its weak supervisor, or generalize beyond it?

Burns et al. 2023, sections 5.1 and 5.2: agreement with the weak label split by whether it was
right, and how salient a concept is in the student's representations (a linear probe).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RIDGE = 1e-3
"""Penalty of the probe behind `saliency`."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of a student with its supervisor, on cases with known truth."""

    where_right: float | None
    """Share of agreement on cases that the supervisor has right; None if there are none."""
    where_wrong: float | None
    """Share of agreement on cases that it has wrong: imitation of errors. 1 - this is at most the
    share of errors corrected (with two options it is that share)."""
    corrected: float | None
    """The student's accuracy on cases that the supervisor has wrong."""
    n_right: int
    n_wrong: int


def agreement(student: Ints, supervisor: Ints, truth: Ints) -> Agreement:
    """Split a student's agreement with its supervisor by the supervisor's correctness.

    Args:
        student: [n] chosen options.
        supervisor: [n] weak labels.
        truth: [n] right options.
    """
    right = supervisor == truth
    same = student == supervisor

    def share(values: NDArray[np.bool_]) -> float | None:
        return float(values.mean()) if len(values) else None

    return Agreement(
        share(same[right]),
        share(same[~right]),
        share((student == truth)[~right]),
        int(right.sum()),
        int((~right).sum()),
    )


@dataclass(frozen=True)
class Probe:
    """A linear probe: an option's score is ``features @ weight``."""

    weight: Floats
    mean: Floats
    scale: Floats

    def scores(self, features: Floats) -> Floats:
        """Return the probe's scores.

        Args:
            features: [..., H]
        """
        return ((features - self.mean) / self.scale) @ self.weight


def fit_probe(features: Floats, truth: Ints, exists: NDArray[np.bool_], ridge: float) -> Probe:
    """Fit a linear probe for "this option is right" on representations of options.

    A conditional logit over the options of each case, with an L2 penalty, features standardized;
    the optimum is unique, so nothing is random.

    Args:
        features: [n, K, H] representation of each option.
        truth: [n] right options; the caller accounts for the truth spent.
        exists: [n, K] which options exist.
        ridge: Penalty on the squared norm of the weights, per case.
    """
    flat = features[exists]
    mean, scale = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-8)
    standard = np.where(exists[..., None], (features - mean) / scale, 0.0)
    hit = np.arange(features.shape[1]) == truth[:, None]

    def loss(weight: Floats) -> tuple[float, Floats]:
        scores = np.where(exists, standard @ weight, -np.inf)
        top = scores.max(axis=1, keepdims=True)
        exponent = np.exp(scores - top)
        probs = exponent / exponent.sum(axis=1, keepdims=True)
        chosen = np.log(np.maximum(probs[hit], 1e-300))
        slope = ((probs - hit)[..., None] * standard).sum(axis=1).mean(axis=0)
        return float(-chosen.mean() + ridge * weight @ weight), slope + 2 * ridge * weight

    start = np.zeros(features.shape[2])
    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    return Probe(found.x, mean, scale)


def saliency(
    features: Floats,
    truth: Ints,
    exists: NDArray[np.bool_],
    train: NDArray[np.bool_],
) -> float:
    """Return the accuracy of a linear probe on held-out cases: how salient the concept is.

    Args:
        features: [n, K, H] representations.
        truth: [n]
        exists: [n, K]
        train: [n] cases that the probe is fitted on; it is scored on the others.
    """
    probe = fit_probe(features[train], truth[train], exists[train], RIDGE)
    scores = np.where(exists[~train], probe.scores(features[~train]), -np.inf)
    return float((scores.argmax(axis=1) == truth[~train]).mean())
