"""What is known of outside games, beside what is obtained by solving them through the adapter."""

from __future__ import annotations

import itertools

import numpy as np

from environments.adapters.openspiel_episode import OpenSpielEpisode
from environments.adapters.simulator import OutsideSimulator
from environments.adapters.tiny_hanabi import (
    Payoff,
    full_information,
    no_communication,
    optimum,
    payoff_table,
)
from environments.core.proof import Proof

_GAME = "Foerster et al. 2019 (arXiv 1811.01458); OpenSpiel's tiny_hanabi"
_EPISODES = 256


def proofs() -> list[Proof]:
    """Return every proof of this package; needs the extra ``[openspiel]``."""
    payoff, chance = payoff_table()
    best = optimum(payoff, chance)
    silent = no_communication(payoff, chance)
    return [
        Proof("tiny Hanabi: optimum over all joint policies", _GAME, 10.0, best, 1e-12),
        Proof(
            "tiny Hanabi: optimum, every pair of policies tried one by one",
            _GAME,
            10.0,
            brute_force(payoff, chance),
            1e-12,
        ),
        Proof(
            "tiny Hanabi: optimum if the first action cannot be seen (enumerated on 3^2 x 3^2)",
            "definition",
            brute_force(payoff, chance, seen=False),
            silent,
            1e-12,
        ),
        Proof(
            "tiny Hanabi: both see both cards",
            "definition",
            10.0,
            full_information(payoff, chance),
            1e-12,
        ),
        Proof(
            f"tiny Hanabi: mean reward of {_EPISODES} played episodes of the optimal policies",
            _GAME,
            10.0,
            played(payoff, chance),
            0.0,
        ),
    ]


def brute_force(payoff: Payoff, chance: np.ndarray, seen: bool = True) -> float:
    """Return the optimum by trying every pair of policies, for small games.

    Args:
        payoff: [C, C, A, A].
        chance: [C, C].
        seen: Whether the second player sees the first one's action.
    """
    return max(value for value, _, _ in _pairs(payoff, chance, seen))


def _pairs(payoff: Payoff, chance: np.ndarray, seen: bool):
    cards, actions = payoff.shape[0], payoff.shape[2]
    c, d = np.indices((cards, cards))
    for first in itertools.product(range(actions), repeat=cards):
        told = np.array(first)
        for reply in itertools.product(range(actions), repeat=cards * (actions if seen else 1)):
            second = np.array(reply).reshape(cards, -1)
            b = second[d, told[c]] if seen else second[d, 0]
            yield float((chance * payoff[c, d, told[c], b]).sum()), told, second


def played(payoff: Payoff, chance: np.ndarray) -> float:
    """Return the mean reward of the best pair of policies, played through the adapter."""
    _, first, second = max(_pairs(payoff, chance, True), key=lambda pair: pair[0])
    game = OutsideSimulator(lambda: OpenSpielEpisode("tiny_hanabi"), horizon=2)
    cards = payoff.shape[0]
    seen = game.reset(np.arange(_EPISODES))
    own = seen["player_0"]["observation"][:, :cards].argmax(axis=1)
    idle = np.zeros(_EPISODES, dtype=np.int64)
    seen, _, _, _ = game.step({"player_0": first[own], "player_1": idle})
    told = seen["player_1"]["observation"]
    card = told[:, :cards].argmax(axis=1)
    action = told[:, cards : cards + payoff.shape[2]].argmax(axis=1)
    _, rewards, _, _ = game.step({"player_0": idle, "player_1": second[card, action]})
    return float(rewards["player_1"].mean())
