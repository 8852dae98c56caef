"""Votes into decisions: plurality, weights, ties, abstentions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.keyed import Keyed
from environments.voting import ABSTAIN, elect, pick, tally

MASK = np.ones((1, 3), dtype=bool)
TIE = np.array([[0.2, 0.9, 0.5]])


def _elect(votes, mask=MASK, tie=TIE, **more):
    return elect(np.array([votes]), mask, tie, **more).tolist()[0]


def test_the_option_with_most_votes_wins():
    assert tally(np.array([[0, 2, 2, ABSTAIN, 7]]), 3).tolist() == [[1, 0, 2]]
    assert _elect([0, 2, 2]) == 2
    assert _elect([0, 2, 2], weights=np.array([3.0, 1, 1])) == 0
    assert _elect([0, 0, 2], prior=np.array([[0.0, 0, 1.5]])) == 2


def test_ties_go_to_the_greatest_draw_among_the_tied():
    assert _elect([0, 1, 2]) == 1
    assert _elect([0, 2, ABSTAIN]) == 2
    assert _elect([0, 0, 2], weights=np.array([0.1, 0.2, 0.3])) == 2  # .1 + .2 is not .3 in floats


def test_nobody_votes_nobody_wins_and_absent_options_get_no_vote():
    assert _elect([ABSTAIN, ABSTAIN]) == ABSTAIN
    few = np.array([[True, True, False]])
    assert _elect([2, 2, 0], mask=few) == 0
    assert _elect([2, 2], mask=few) == ABSTAIN
    assert pick(np.array([1.0, 1, 9]), few[0], TIE[0]) == 1


def test_a_tie_is_a_fair_coin():
    n = 20_000
    tie = Keyed(1, "tie").uniform(np.arange(n), shape=(3,))
    votes = np.tile([0, 2], (n, 1))
    share = np.bincount(elect(votes, np.ones((n, 3), dtype=bool), tie), minlength=3) / n
    assert share[1] == 0 and abs(share[0] - 0.5) < 4.5 * 0.5 / np.sqrt(n)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9), st.randoms())
def test_the_order_of_voters_does_not_matter(votes, random):
    shuffled = list(votes)
    random.shuffle(shuffled)
    assert _elect(votes) == _elect(shuffled)
