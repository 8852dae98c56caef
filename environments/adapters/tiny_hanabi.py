"""Tiny Hanabi, solved exactly: what a team can earn with, without and beyond communication.

Two players get a card each; the first acts, the second sees the action (but not the card behind
it) and acts; both earn the same. The first player's action thus is a message as well as a move.
All joint policies are enumerated, on OpenSpiel's own game tree.

Source: Foerster et al. 2019, Bayesian Action Decoder (arXiv 1811.01458), for the game; OpenSpiel's
``tiny_hanabi`` for the payoffs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from environments.adapters.openspiel_episode import load_game
from environments.base import Reference
from environments.core.errors import ConfigError

Payoff = NDArray[np.float64]
"""[C, C, A, A] common payoff by first and second card, first and second action."""

_MOST_POLICIES = 10_000_000


def payoff_table(game: str = "tiny_hanabi") -> tuple[Payoff, NDArray[np.float64]]:
    """Read a two-player, two-card, two-action common-payoff game off OpenSpiel's tree.

    Args:
        game: ``tiny_hanabi``, perhaps with parameters (``num_chance``, ``payoff``, …).

    Returns:
        The payoffs, and the chances of the pairs of cards [C, C].

    Raises:
        ConfigError: If OpenSpiel is missing, or the game is of another kind.
    """
    loaded = load_game(game)
    start = loaded.new_initial_state()
    cards = len(start.chance_outcomes()) if start.is_chance_node() else 0
    actions = loaded.num_distinct_actions()
    table = np.full((cards, cards, actions, actions), np.nan)
    chance = np.zeros((cards, cards))
    try:
        for first, p in start.chance_outcomes():
            for second, q in start.child(first).chance_outcomes():
                dealt = start.child(first).child(second)
                chance[first, second] = p * q
                for a in dealt.legal_actions():
                    for b in dealt.child(a).legal_actions():
                        returns = dealt.child(a).child(b).returns()
                        if returns[0] == returns[1]:
                            table[first, second, a, b] = returns[0]
    except (IndexError, RuntimeError) as error:
        raise ConfigError(f"{game!r} is not two cards and two actions: {error}") from None
    if cards == 0 or np.isnan(table).any():
        raise ConfigError(f"{game!r} is not two cards, two actions and one payoff for both")
    return table, chance


def optimum(payoff: Payoff, chance: NDArray[np.float64]) -> float:
    """Return the best expected payoff of the game as it is, over all joint policies.

    The first player's policies are enumerated; to each, the second player's best reply to every
    (own card, action seen) is exact, so that all joint policies are covered.
    """
    cards, actions = payoff.shape[0], payoff.shape[2]
    first = _policies(cards, actions)
    rows = np.arange(cards)
    best = -np.inf
    for policy in first:
        earned = chance[:, :, None] * payoff[rows, :, policy, :]  # [C1, C2, A2]
        told = np.arange(actions)[:, None] == policy  # [A1, C1]
        replies = np.einsum("ac,cdb->adb", told.astype(np.float64), earned).max(axis=2)
        best = max(best, float(replies.sum()))
    return best


def no_communication(payoff: Payoff, chance: NDArray[np.float64]) -> float:
    """Return the best expected payoff if the second player cannot see the first one's action."""
    cards, actions = payoff.shape[0], payoff.shape[2]
    rows = np.arange(cards)
    best = -np.inf
    for policy in _policies(cards, actions):
        earned = chance[:, :, None] * payoff[rows, :, policy, :]
        best = max(best, float(earned.sum(axis=0).max(axis=1).sum()))
    return best


def full_information(payoff: Payoff, chance: NDArray[np.float64]) -> float:
    """Return the expected payoff of players who both see both cards."""
    return float((chance * payoff.max(axis=(2, 3))).sum())


def chance_value(payoff: Payoff, chance: NDArray[np.float64]) -> float:
    """Return the expected payoff of players who act at random."""
    return float((chance * payoff.mean(axis=(2, 3))).sum())


def reference_values(game: str = "tiny_hanabi") -> Mapping[str, Reference]:
    """Return what the game is worth with different communication, all exact.

    Raises:
        ConfigError: As `payoff_table`.
    """
    payoff, chance = payoff_table(game)
    best, silent = optimum(payoff, chance), no_communication(payoff, chance)
    told = "expected payoff"
    return {
        "chance": Reference(chance_value(payoff, chance), f"{told} of random play"),
        "no_communication": Reference(silent, f"best {told} if actions cannot be seen"),
        "optimum": Reference(best, f"best {told}; the first action is a message"),
        "full_information": Reference(
            full_information(payoff, chance), f"best {told} if both see both cards"
        ),
        "implicit_communication": Reference(best - silent, "what seeing the action is worth"),
    }


def _policies(cards: int, actions: int) -> NDArray[np.int64]:
    """Return all deterministic policies from own card to action, [A**C, C]."""
    if actions**cards > _MOST_POLICIES:
        raise ConfigError(f"{actions}**{cards} policies are too many to enumerate")
    grid = np.indices((actions,) * cards)
    return grid.reshape(cards, -1).T
