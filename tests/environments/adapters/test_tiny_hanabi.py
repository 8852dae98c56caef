"""Tiny Hanabi: exact values, and that its solver knows other games too."""

import numpy as np
import pytest

from environments.adapters.proofs import brute_force, proofs
from environments.adapters.tiny_hanabi import (
    chance_value,
    full_information,
    no_communication,
    optimum,
    payoff_table,
    reference_values,
)
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed


def test_every_proof_holds():
    assert all(proof.ok for proof in proofs())


def test_references_of_tiny_hanabi():
    values = {name: reference.value for name, reference in reference_values().items()}
    assert values["optimum"] == values["full_information"] == 10.0
    assert values["no_communication"] == 8.0 and values["implicit_communication"] == 2.0
    assert values["chance"] == pytest.approx(134 / 36)


@pytest.mark.parametrize("seed", range(6))
def test_the_solver_equals_trying_everything_on_random_games(seed):
    payoff = np.round(10 * Keyed(seed, "payoff").uniform(np.arange(2), shape=(2, 2, 2)), 1)
    chance = Keyed(seed, "chance").uniform(np.arange(2), shape=(2,))
    chance = chance / chance.sum()
    best, silent = optimum(payoff, chance), no_communication(payoff, chance)
    assert best == pytest.approx(brute_force(payoff, chance))
    assert silent == pytest.approx(brute_force(payoff, chance, seen=False))
    assert chance_value(payoff, chance) <= silent <= best + 1e-12
    assert best <= full_information(payoff, chance) + 1e-12


def test_payoffs_are_read_off_the_tree():
    payoff, chance = payoff_table()
    assert payoff.shape == (2, 2, 3, 3) and (chance == 0.25).all()
    # The file order of OpenSpiel's default: card 0, card 0, action 0 pays 10, 0, 0.
    assert payoff[0, 0, 0].tolist() == [10, 0, 0] and payoff[1, 1, 2].tolist() == [10, 0, 0]
    with pytest.raises(ConfigError, match="is not two cards"):
        payoff_table("kuhn_poker")
    with pytest.raises(ConfigError, match="is not two cards"):
        payoff_table("tic_tac_toe")
