from math import exp, factorial

import numpy as np
import pytest

from agents.human_proxy.hierarchy import CognitiveHierarchy
from environments.core.errors import ConfigError

MODEL = CognitiveHierarchy()


def test_levels_are_poisson():
    shares = MODEL.shares()
    assert shares.sum() == pytest.approx(1.0)
    assert shares[:4] == pytest.approx([exp(-1.5) * 1.5**k / factorial(k) for k in range(4)])
    assert (shares * np.arange(21)).sum() == pytest.approx(1.5)
    assert MODEL.left_out() < 1e-15
    level = MODEL.level_of(np.arange(100_000), 3)
    assert np.bincount(level, minlength=4)[:4] / 1e5 == pytest.approx(shares[:4], abs=0.005)


def test_the_beauty_contest_has_the_published_mean():
    guesses = MODEL.guesses(2 / 3)
    assert guesses[:3] == pytest.approx([50, 100 / 3, 2 / 3 * (0.4 * 50 + 0.6 * 100 / 3)])
    assert MODEL.beauty_contest(2 / 3) == pytest.approx(33.5, abs=0.05)
    deeper = [CognitiveHierarchy(tau).beauty_contest(2 / 3) for tau in (0.1, 1.0, 1.5, 4.0)]
    assert deeper == sorted(deeper, reverse=True) and deeper[0] > 45


def test_level_one_answers_a_random_player_and_dominated_actions_die_out():
    game = np.array([[[1.0, 1.0], [3.0, 0.0]]])  # against a coin, action 1 is worth 1.5
    rows, columns = MODEL.strategies(game)
    assert rows[0, 0].tolist() == [0.5, 0.5] and rows[0, 1].tolist() == [0.0, 1.0]
    assert rows[0, 2].tolist() == [1.0, 0.0]  # level 2 meets mostly action 1: .4·.5 + .6
    assert np.array_equal(rows, columns)  # symmetric game
    dilemma = np.array([[[3.0, 0.0], [5.0, 1.0]]])
    both = MODEL.population(dilemma)[0][0]
    assert both == pytest.approx([MODEL.shares()[0] / 2, 1 - MODEL.shares()[0] / 2])


def test_an_asymmetric_game_and_ties():
    own = np.array([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    other = np.array([[[0.0, 2.0, 2.0], [0.0, 1.0, 1.0]]])
    rows, columns = MODEL.strategies(own, other)
    assert rows.shape == (1, 21, 2) and columns.shape == (1, 21, 3)
    assert rows[0, 1].tolist() == [0.5, 0.5]  # indifferent
    assert columns[0, 1].tolist() == [0.0, 0.5, 0.5]
    assert rows[0, 2].tolist() == [0.0, 1.0]


def test_players_keep_their_level_and_play_in_its_proportions():
    n = 60_000
    game = np.tile([[[1.0, 1.0], [3.0, 0.0]]], (n, 1, 1))
    people = np.arange(n)
    acts = MODEL.play(game, people, 0, seed=4)
    assert (acts == 1).mean() == pytest.approx(MODEL.population(game[:1])[0][0, 1], abs=0.01)
    thinks = MODEL.level_of(people, 4) >= 1
    again = MODEL.play(game, people, 1, seed=4)
    assert np.array_equal(acts[thinks], again[thinks]) and not np.array_equal(acts, again)
    one = MODEL.play(game[5:6], people[5:6], 0, seed=4)
    assert one[0] == acts[5]


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="cognitive_hierarchy.tau"):
        CognitiveHierarchy(tau=0.0)
    with pytest.raises(ConfigError, match="cognitive_hierarchy.levels"):
        CognitiveHierarchy(levels=0)
