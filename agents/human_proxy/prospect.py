"""Prospect: what an uncertain outcome is worth to a person who hates losses and misjudges odds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.policies.base import require
from agents.policies.numeric import Bools, Floats, ordered_sum, probabilities
from environments.core.keyed import Keyed


@dataclass(frozen=True)
class ProspectTheory:
    """Cumulative prospect theory: v(x) = x^α, v(−x) = −λ·x^β, w(p) = p^γ/(p^γ+(1−p)^γ)^(1/γ).

    A gamble's value is Σ_j π_j·v(x_j) with rank-dependent weights: for gains π_j =
    w⁺(P(X ≥ x_j)) − w⁺(P(X > x_j)), for losses π_j = w⁻(P(X ≤ x_j)) − w⁻(P(X < x_j)).

    Example:
        >>> round(float(ProspectTheory().weight(0.1)), 4), round(float(ProspectTheory().value(-1)))
        (0.1863, -2)
    """

    alpha: float = 0.88
    """Curvature for gains."""
    beta: float = 0.88
    """Curvature for losses."""
    loss_aversion: float = 2.25
    """λ"""
    gamma: float = 0.61
    """Curvature of w⁺, for gains."""
    delta: float = 0.69
    """Curvature of w⁻, for losses."""

    source: ClassVar[str] = "Tversky & Kahneman 1992, J. Risk Uncertainty 5 (median estimates)"

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma", "delta"):
            value = getattr(self, name)
            require(0 < value <= 5, f"human_proxy.prospect.{name}", value, "a number in (0, 5]")
        where = "human_proxy.prospect.loss_aversion"
        require(self.loss_aversion >= 0, where, self.loss_aversion, "a factor >= 0")

    def value(self, x: ArrayLike) -> Floats:
        """Return v(x) of gains and losses against the reference point 0, any shape."""
        amount = np.asarray(x, dtype=np.float64)
        size = np.abs(amount)
        return np.where(amount >= 0, size**self.alpha, -self.loss_aversion * size**self.beta)

    def weight(self, p: ArrayLike, losses: bool = False) -> Floats:
        """Return w⁺(p), or w⁻(p) for losses, of probabilities of any shape."""
        chance = np.asarray(p, dtype=np.float64)
        power = self.delta if losses else self.gamma
        a, b = chance**power, (1.0 - chance) ** power
        return a / (a + b) ** (1.0 / power)

    def evaluate(self, outcomes: ArrayLike, chances: ArrayLike) -> Floats:
        """Return the value of gambles.

        Args:
            outcomes: [..., J] gains and losses, any order.
            chances: [..., J] their probabilities; outcomes of chance 0 count for nothing.

        Returns:
            [...]
        """
        x, p = np.broadcast_arrays(
            np.asarray(outcomes, dtype=np.float64), np.asarray(chances, dtype=np.float64)
        )
        order = np.argsort(x, axis=-1, kind="stable")
        x, p = np.take_along_axis(x, order, axis=-1), np.take_along_axis(p, order, axis=-1)
        below = np.clip(np.cumsum(p, axis=-1), 0.0, 1.0)  # P(X <= x_j)
        above = np.clip(np.cumsum(p[..., ::-1], axis=-1)[..., ::-1], 0.0, 1.0)  # P(X >= x_j)
        worse = np.concatenate([np.zeros_like(below[..., :1]), below[..., :-1]], axis=-1)
        better = np.concatenate([above[..., 1:], np.zeros_like(above[..., :1])], axis=-1)
        gain = self.weight(above) - self.weight(better)
        loss = self.weight(below, losses=True) - self.weight(worse, losses=True)
        return ordered_sum(np.where(x >= 0, gain, loss) * self.value(x), -1)

    def choose(
        self,
        outcomes: ArrayLike,
        chances: ArrayLike,
        sensitivity: float,
        seed: int,
        person: ArrayLike,
        question: ArrayLike,
    ) -> NDArray[np.int64]:
        """Return noisily rational choices among gambles, P(k) ∝ exp(sensitivity · V_k).

        Args:
            outcomes: [N, K, J] K gambles of J outcomes.
            chances: [N, K, J] their probabilities.
            sensitivity: How sharply people choose; ``inf`` takes the best.
            seed: Keys the draws.
            person: [N] ids.
            question: [N] ids.

        Returns:
            [N] positions among the K gambles.
        """
        values = self.evaluate(outcomes, chances)
        if np.isinf(sensitivity):
            return np.argmax(values, axis=-1).astype(np.int64)
        noise = Keyed(seed, "gamble").gumbel(person, question, shape=(values.shape[-1],))
        return np.argmax(sensitivity * values + noise, axis=-1).astype(np.int64)


TK1992 = ProspectTheory()
"""The published medians; defaults live here."""


@dataclass
class ProspectConfig:
    """Settings of `Prospect`; an empty one is the preset's."""

    gain: float | None = None
    """What a right decision brings; 0 with ``loss`` 0 turns the stage off."""
    loss: float | None = None
    """What a wrong decision costs (>= 0)."""
    may_decline: bool | None = None
    """Whether to give no decision where the best option is worth less than 0."""
    alpha: float | None = None
    beta: float | None = None
    loss_aversion: float | None = None
    gamma: float | None = None
    delta: float | None = None


@dataclass(frozen=True)
class Prospect:
    """Prospect theory of decisions with stakes: an option is a gamble on being right.

    Naming option k is worth V_k = w⁺(p_k)·v(gain) + w⁻(1 − p_k)·v(−loss), with p_k its believed
    probability; `choose` then takes V instead of the log-probability. Among sure deciders V only
    changes how noisy they are; with ``may_decline`` a person keeps silent unless V > 0, which with
    equal stakes takes a belief well above one half. Fields as in `ProspectConfig`. Gambles and
    lotteries proper are valued by `ProspectTheory`.
    """

    gain: float
    loss: float
    may_decline: bool
    theory: ProspectTheory = field(default=TK1992)

    source: ClassVar[str] = ProspectTheory.source

    def __post_init__(self) -> None:
        for name in ("gain", "loss"):
            value = getattr(self, name)
            fine = bool(np.isfinite(value)) and value >= 0
            require(fine, f"human_proxy.prospect.{name}", value, "a number >= 0")
        staked = self.active or not self.may_decline
        require(staked, "human_proxy.prospect.may_decline", True, "it with gain or loss above 0")

    @classmethod
    def of(cls, config: ProspectConfig) -> Prospect:
        """Return the stage of a complete configuration."""
        names = ("alpha", "beta", "loss_aversion", "gamma", "delta")
        theory = ProspectTheory(**{name: getattr(config, name) for name in names})
        assert config.gain is not None and config.loss is not None
        return cls(config.gain, config.loss, bool(config.may_decline), theory)

    @property
    def active(self) -> bool:
        """Whether there are any stakes."""
        return self.gain > 0 or self.loss > 0

    def __call__(self, log_belief: Floats, mask: Bools) -> Floats | None:
        """Return the value of naming each option, [B, K] (-inf outside ``mask``); None if off."""
        if not self.active:
            return None
        p = np.clip(probabilities(log_belief), 0.0, 1.0)
        win = self.theory.weight(p) * self.theory.value(self.gain)
        lose = self.theory.weight(1.0 - p, losses=True) * self.theory.value(-self.loss)
        return np.where(mask, win + lose, -np.inf)

    def declines(self, values: Floats) -> Bools:
        """Return [B] whose best option is not worth naming."""
        if not self.may_decline:
            return np.zeros(len(values), dtype=bool)
        return np.asarray(np.max(values, axis=1) <= 0)
