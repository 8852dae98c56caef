"""Cognitive hierarchy: players who think a few steps ahead, about players who think fewer.

A model of games, not of a conversation: it stands beside the stages of `HumanProxy` and gives
policies of games their choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, pdtr

from agents.policies.base import require
from agents.policies.numeric import TIE, Floats, ordered_sum
from environments.core.keyed import Keyed


@dataclass(frozen=True)
class CognitiveHierarchy:
    """Levels of thinking are Poisson(τ); level k best-responds to the true shares of levels < k.

    Level 0 plays at random. Level k believes that the others are of levels 0 … k−1 in the
    proportions f(h)/Σ_{l<k} f(l). Levels above ``levels`` are left out and the rest renormalized
    (at τ = 1.5 and 20 levels their share is below 1e-16).

    Example:
        >>> round(CognitiveHierarchy().beauty_contest(2 / 3), 1)
        33.5
    """

    tau: float = 1.5
    """Mean number of steps."""
    levels: int = 20
    """Highest level."""

    source: ClassVar[str] = "Camerer, Ho & Chong 2004, Q. J. Econ. 119 (τ = 1.5)"

    def __post_init__(self) -> None:
        require(0 < self.tau <= 50, "cognitive_hierarchy.tau", self.tau, "a number in (0, 50]")
        where = "cognitive_hierarchy.levels"
        require(1 <= self.levels <= 200, where, self.levels, "a count from 1 to 200")

    def shares(self) -> Floats:
        """Return the share of each level 0 … ``levels``, shape [L + 1]; sums to 1."""
        k = np.arange(self.levels + 1)
        share = np.exp(k * np.log(self.tau) - self.tau - gammaln(k + 1))
        return share / share.sum()

    def beliefs(self, level: int) -> Floats:
        """Return what a player of ``level`` ≥ 1 believes of lower levels, shape [level]."""
        lower = self.shares()[:level]
        return lower / lower.sum()

    def guesses(self, fraction: float, low: float = 0.0, high: float = 100.0) -> Floats:
        """Return each level's guess in the game "guess ``fraction`` of the mean guess", [L + 1].

        Level 0 guesses uniformly (its mean is given). Others take the number of players as large.
        """
        guess = np.empty(self.levels + 1)
        guess[0] = (low + high) / 2.0
        for k in range(1, self.levels + 1):
            guess[k] = fraction * float(self.beliefs(k) @ guess[:k])
        return guess

    def beauty_contest(
        self, fraction: float = 2 / 3, low: float = 0.0, high: float = 100.0
    ) -> float:
        """Return the mean guess of a population."""
        return float(self.shares() @ self.guesses(fraction, low, high))

    def strategies(self, own: ArrayLike, other: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Return how each level plays two-player matrix games.

        Args:
            own: [N, A, C] payoffs of the row player.
            other: [N, A, C] payoffs of the column player; None for a symmetric game
                (``own`` transposed).

        Returns:
            [N, L + 1, A] and [N, L + 1, C]: each level's probabilities of actions; a level that is
            indifferent between several best ones plays each equally often.
        """
        mine = np.asarray(own, dtype=np.float64)
        theirs = mine.transpose(0, 2, 1) if other is None else np.asarray(other, dtype=np.float64)
        n, rows, columns = mine.shape
        row_play = np.full((n, self.levels + 1, rows), 1.0 / rows)
        column_play = np.full((n, self.levels + 1, columns), 1.0 / columns)
        for k in range(1, self.levels + 1):
            believed = self.beliefs(k)[None, :, None]
            facing_columns = ordered_sum(believed * column_play[:, :k], 1)
            facing_rows = ordered_sum(believed * row_play[:, :k], 1)
            row_play[:, k] = _best(ordered_sum(mine * facing_columns[:, None, :], 2))
            column_play[:, k] = _best(ordered_sum(theirs * facing_rows[:, :, None], 1))
        return row_play, column_play

    def population(self, own: ArrayLike, other: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Return how the whole population plays: [N, A] and [N, C]; see `strategies`."""
        share = self.shares()[None, :, None]
        rows, columns = self.strategies(own, other)
        return ordered_sum(share * rows, 1), ordered_sum(share * columns, 1)

    def level_of(self, person: ArrayLike, seed: int) -> NDArray[np.int64]:
        """Return the level at which each person thinks: a trait, keyed by its id."""
        draw = Keyed(seed, "thinking_level").uniform(person)
        ends = np.cumsum(self.shares())
        return np.minimum(np.searchsorted(ends, draw, side="right"), self.levels).astype(np.int64)

    def play(
        self,
        own: ArrayLike,
        person: ArrayLike,
        question: ArrayLike,
        seed: int,
        other: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """Return the actions of row players, shape [N].

        Args:
            own: [N, A, C] payoffs of the person.
            person: [N] ids; key the level.
            question: [N] ids of games; key the draw.
            seed: Keys everything.
            other: [N, A, C] payoffs of the opponent; None for a symmetric game.
        """
        rows, _ = self.strategies(own, other)
        level = self.level_of(person, seed)
        chance = rows[np.arange(len(rows)), np.broadcast_to(level, len(rows))]
        draw = Keyed(seed, "game_action").uniform(person, question)
        ends = np.cumsum(chance, axis=1)
        return np.minimum((ends <= draw[:, None]).sum(axis=1), chance.shape[1] - 1)

    def left_out(self) -> float:
        """Return the share of people above ``levels``, before renormalizing."""
        return float(1.0 - pdtr(self.levels, self.tau))


def _best(value: Floats) -> Floats:
    top = value.max(axis=1, keepdims=True)
    best = (value >= top - TIE * np.maximum(np.abs(top), 1.0)).astype(np.float64)
    return best / best.sum(axis=1, keepdims=True)
