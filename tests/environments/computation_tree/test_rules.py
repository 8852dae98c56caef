"""Rules of a node: values, what carries a claim, and probabilities of the whole from its parts."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.computation_tree import rules

ONE_NODE = {"candidates": np.array([[0, 1]]), "children": np.tile([0, 1], (1, 3, 1))}


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("sum", [0, 1, 1, 2, 1, 2, 2, 3]),
        ("and", [0, 0, 0, 0, 0, 0, 0, 1]),
        ("or", [0, 1, 1, 1, 1, 1, 1, 1]),
        ("xor", [0, 1, 1, 0, 1, 0, 0, 1]),
        ("majority", [0, 0, 0, 1, 0, 1, 1, 1]),
    ],
)
def test_values_of_all_patterns(rule, expected):
    assert rules.apply(rule, np.array(list(product((0, 1), repeat=3)))).tolist() == expected


@given(st.sampled_from(rules.RULES), st.tuples(*[st.integers(0, 1)] * 3))
def test_a_claim_falls_only_with_parts_that_carry_it(rule, children):
    values = np.array([children])
    result = rules.apply(rule, values)
    carries = rules.supporting(rule, values, result)[0]
    for i in range(3):
        turned = values.copy()
        turned[0, i] = 1 - turned[0, i]
        if rules.apply(rule, turned)[0] != result[0]:
            assert carries[i]


@pytest.mark.parametrize(
    "rule, whole",
    [
        ("and", lambda p: p**3),
        ("or", lambda p: 1 - (1 - p) ** 3),
        ("xor", lambda p: (1 - (1 - 2 * p) ** 3) / 2),
        ("majority", lambda p: 3 * p**2 * (1 - p) + p**3),
    ],
)
def test_independent_parts_make_the_textbook_probability(rule, whole):
    for p in (0.0, 0.2, 0.7, 1.0):
        probs = np.tile([1 - p, p], (1, 3, 1))
        mass = rules.combine(rule, ONE_NODE["children"], probs, ONE_NODE["candidates"])[0]
        assert mass[1] == pytest.approx(whole(p), abs=1e-12)
        assert mass.sum() == pytest.approx(1.0, abs=1e-12)


def test_parts_that_make_no_candidate_leave_the_rest():
    children, values = np.array([[[3, 4], [4, 9]]]), np.array([[7, 12]])
    half = np.full((1, 2, 2), 0.5)
    np.testing.assert_allclose(rules.combine("sum", children, half, values), [[0.25, 0.25]])


@pytest.mark.parametrize(
    "rule, claims, claim, expected",
    [
        ("and", [1, 1, 1], 1, 0.4 ** (1 / 3)),
        ("or", [0, 0, 0], 0, 0.4 ** (1 / 3)),
        ("majority", [1, 1, 0], 1, np.sqrt(0.4)),
        ("majority", [1, 1, 1], 1, 0.43293),
    ],
)
def test_even_trust_makes_the_target_and_no_more(rule, claims, claim, expected):
    trust = rules.even_trust(
        rule,
        ONE_NODE["children"],
        np.array([claims]),
        ONE_NODE["candidates"],
        np.array([claim]),
        np.array([0.4]),
    )
    assert trust[0] == pytest.approx(expected, abs=1e-5)


def test_certainty_is_finite_and_normalized():
    known = rules.certain(np.array([1]), 3)
    assert np.isfinite(known).all() and np.exp(known).sum() == pytest.approx(1.0, abs=1e-12)
    assert known.argmax() == 1
