"""The auxiliary confidence loss of weak-to-strong generalization (Burns et al. 2023, section 4.3).

::

    L = CE(f, (1 - α) · f_weak + α · f̂),        f̂ = 1[f > t], without gradient

The student f is pulled towards its own hardened predictions f̂ by α, so that it may disagree with a
weak label about which it is confident. The threshold t makes the student's share of hard positives
equal to the mean weak probability (the paper's class balance); α rises linearly over the warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.core.errors import ConfigError

Floats = NDArray[np.float64]

BALANCES = ("weak", "median", "none")
_ROUNDS = 200
"""Iterations of the class balance for more than two options; it converges geometrically."""


@dataclass
class ConfidenceConfig:
    """Configuration of `AuxiliaryConfidence`."""

    alpha_max: float = 0.5
    """Weight of the student's own hardened predictions after the warm-up: .75 in the paper for the
    largest students, else .5."""
    warmup: float = 0.2
    """Share of the steps over which the weight rises from 0; the paper: the first 10 to 20 %."""
    balance: str = "weak"
    """Where the threshold comes from. ``weak``: the quantile at which the share of hard positives
    is the mean weak probability; ``median``: the median of the student's probabilities (two
    options only); ``none``: the most probable option."""
    buffer: int = 256
    """Predictions that the threshold is computed from, at least: earlier minibatches fill up a
    small one. 0 for the minibatch alone."""


class AuxiliaryConfidence:
    """Targets of the auxiliary confidence loss, minibatch by minibatch.

    More than two options are not defined in the paper. Declared here: option k of case i is scored
    log p_ik + b_k, with offsets b such that the balanced probabilities ``softmax(log p_i + b)``
    have the weak labels' mean in every class; the hard label is the option of the greatest score.
    For two options this is the paper's quantile, computed exactly.

    Predictions enter as plain numbers, so neither the hard labels nor the buffer keep a graph.

    Args:
        config: Its settings.

    Raises:
        ConfigError: For a value out of range.
    """

    def __init__(self, config: ConfidenceConfig) -> None:
        for key, low, high in (("alpha_max", 0.0, 1.0), ("warmup", 0.0, 1.0)):
            given = getattr(config, key)
            if not low <= given <= high:
                raise ConfigError(f"confidence.{key}: given {given}, allowed: {low:g} to {high:g}")
        if config.balance not in BALANCES:
            raise ConfigError(
                f"confidence.balance: given {config.balance!r}, allowed: {', '.join(BALANCES)}"
            )
        if config.buffer < 0:
            raise ConfigError(f"confidence.buffer: given {config.buffer}, allowed: 0 or more")
        self.config = config
        self._probs: list[Floats] = []
        self._weak: list[Floats] = []

    def alpha(self, step: int, total: int) -> float:
        """Return α at a step: ``min(1, step / (warmup · total)) · α_max``.

        Args:
            step: Steps taken before this one.
            total: Steps of the whole training.
        """
        rise = self.config.warmup * total
        return self.config.alpha_max * (1.0 if rise <= 0 else min(1.0, step / rise))

    def targets(self, probs: Floats, weak: Floats, step: int, total: int) -> Floats:
        """Return the mixed targets of a minibatch and remember it in the buffer.

        Args:
            probs: [B, K] the student's probabilities; 0 where an option does not exist.
            weak: [B, K] weak labels, hard or soft.
            step: Steps taken before this one.
            total: Steps of the whole training.

        Returns:
            [B, K] ``(1 - α) · weak + α · hardened``.
        """
        hard = self.harden(probs, weak)
        alpha = self.alpha(step, total)
        return (1.0 - alpha) * weak + alpha * hard

    def harden(self, probs: Floats, weak: Floats) -> Floats:
        """Return the student's hard labels as one-hot rows [B, K], balanced over the buffer."""
        known, labels = self._remember(probs, weak)
        width = probs.shape[1]
        if self.config.balance == "none":
            choice = probs.argmax(axis=1)
        elif width == 2:
            choice = (probs[:, 1] > self._threshold(known[:, 1], labels[:, 1])).astype(np.int64)
        elif self.config.balance == "median":
            raise ConfigError(f"confidence.balance: 'median' needs two options, given {width}")
        else:
            with np.errstate(divide="ignore"):
                choice = (np.log(probs) + _offsets(known, labels)).argmax(axis=1)
        return (np.arange(width) == choice[:, None]).astype(np.float64)

    def _threshold(self, probs: Floats, weak: Floats) -> float:
        if self.config.balance == "median":
            return float(np.median(probs))
        # Exactly round(n · mean) of the n predictions lie above t, ties aside.
        ordered = np.sort(probs)
        negatives = len(ordered) - int(np.rint(weak.mean() * len(ordered)))
        if negatives == 0:
            return -np.inf
        return float(ordered[negatives - 1])

    def _remember(self, probs: Floats, weak: Floats) -> tuple[Floats, Floats]:
        self._probs.append(probs)
        self._weak.append(weak)
        while len(self._probs) > 1 and sum(map(len, self._probs[1:])) >= self.config.buffer:
            del self._probs[0], self._weak[0]
        return np.concatenate(self._probs), np.concatenate(self._weak)


def _offsets(probs: Floats, weak: Floats) -> Floats:
    """Return b [K] with mean_i softmax(log p_i + b) = mean_i weak_i (iterative proportional)."""
    goal = weak.mean(axis=0)
    scale = np.ones_like(goal)
    for _ in range(_ROUNDS):
        shares = probs * scale
        shares = (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)).mean(axis=0)
        scale = np.where(shares > 0, scale * goal / np.where(shares > 0, shares, 1.0), scale)
    with np.errstate(divide="ignore"):
        return np.log(scale)
