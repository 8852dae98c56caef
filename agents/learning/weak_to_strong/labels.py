"""Weak labels: ensembles of weak supervisors, and which labels are worth learning from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import ConfigError

Floats = NDArray[np.float64]


def mean_label(probs: Floats) -> Floats:
    """Return the mean probability of an ensemble.

    Args:
        probs: [M, n, K] the members' distributions.
    """
    return np.asarray(probs.mean(axis=0))


def majority_label(probs: Floats) -> Floats:
    """Return the majority vote of an ensemble as hard labels [n, K]; ties share the label.

    Args:
        probs: [M, n, K] the members' distributions; each votes for its most probable option.
    """
    votes = (np.arange(probs.shape[2]) == probs.argmax(axis=2)[..., None]).sum(axis=0)
    won = votes == votes.max(axis=1, keepdims=True)
    return won / won.sum(axis=1, keepdims=True)


def confident_rows(probs: Floats, keep: float, balanced: bool) -> NDArray[np.bool_]:
    """Return which labels to learn from: the most confident share of them.

    Confidence filtering leaves out the cases on which the weak supervisor is least sure. Balanced,
    the share is taken within each label class, so that filtering cannot change how often each
    class is taught.

    Args:
        probs: [n, K] weak labels.
        keep: Share kept, above 0 and at most 1; rounded up, within each class if balanced.
        balanced: Whether classes are filtered one by one.

    Returns:
        [n]; equal confidences are kept in the order of the rows.

    Raises:
        ConfigError: If ``keep`` is out of range.
    """
    if not 0.0 < keep <= 1.0:
        raise ConfigError(f"keep: given {keep}, allowed: above 0, at most 1")
    groups = probs.argmax(axis=1) if balanced else np.zeros(len(probs), dtype=np.int64)
    sure = probs.max(axis=1)
    chosen = np.zeros(len(probs), dtype=bool)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        count = int(np.ceil(keep * len(rows)))
        chosen[rows[np.argsort(-sure[rows], kind="stable")[:count]]] = True
    return chosen
