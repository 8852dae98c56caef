"""The table of findings against sums written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.findings import FindingTable, confuse


def _joint(seed, shape=(3, 2, 3, 2)):
    weight = np.random.default_rng(seed).random(shape) + 0.01
    return weight / weight.sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_posterior_is_bayes_rule_for_every_subset(seed, data):
    joint = _joint(seed)
    table = FindingTable(joint[None])
    codes = np.array([[data.draw(st.integers(0, s)) for s in joint.shape[1:]]])
    cell = joint
    for axis, code in enumerate(codes[0], start=1):
        part = np.take(cell, [code - 1], axis=axis) if code else cell
        cell = part.sum(axis=axis, keepdims=True)
    expected = cell.ravel() / cell.sum()
    got = np.exp(table.posterior(np.zeros(1, dtype=np.int64), codes))[0]
    assert np.abs(got - expected).max() < 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_items_add_up_to_the_whole_given_what_is_public(seed):
    table = FindingTable(_joint(seed)[None])
    codes = table.all_codes()
    zero = np.zeros(len(codes), dtype=np.int64)
    public = np.where([True, False, False], codes, 0)
    items = table.items(zero, public, codes)
    whole = table.likelihood(zero, codes) - table.likelihood(zero, public)
    assert np.abs(items.sum(axis=1) - whole).max() < 1e-12
    assert not items[:, 0].any()  # the public finding is no item
    assert not items[codes[:, 1] == 0, 1].any()  # nor is one that was not observed


def test_independent_findings_have_no_joint_reading():
    prior = np.array([0.2, 0.3, 0.5])
    a = np.array([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5]])
    b = np.array([[0.3, 0.7], [0.8, 0.2], [0.5, 0.5]])
    independent = FindingTable(np.einsum("k,ka,kb->kab", prior, a, b)[None])
    assert independent.dependence([False, False]) < 1e-12
    seen = [True, True]
    naive = independent.naive_accuracy([False, False], seen)
    assert naive == pytest.approx(independent.accuracy(seen), abs=1e-12)
    joint = np.einsum("k,ka,kb->kab", prior, a, b)
    joint[0] = [[0.0001, 0.0999], [0.0999, 0.0001]]
    assert FindingTable(joint[None] / joint.sum()).dependence([False, False]) > 1


def test_an_exclusive_or_needs_both_findings():
    joint = np.zeros((2, 2, 2)) + 0.01
    joint[0, 0, 0] = joint[0, 1, 1] = joint[1, 0, 1] = joint[1, 1, 0] = 0.24
    table = FindingTable(joint[None])
    for observed, expected in (([0, 0], 0.5), ([1, 0], 0.5), ([0, 1], 0.5), ([1, 1], 0.96)):
        assert table.accuracy(observed) == pytest.approx(expected, abs=1e-12)
    assert table.naive_accuracy([0, 0], [1, 1]) == pytest.approx(0.5, abs=1e-12)


def test_an_option_that_a_model_lacks_is_never_believed():
    joint = np.stack([_joint(1, (3, 2)), _joint(2, (3, 2))])
    joint[1, 2] = 0
    joint[1] /= joint[1].sum()
    table = FindingTable(joint)
    belief = table.posterior(np.array([0, 1]), np.array([[1], [2]]))
    assert np.isfinite(belief[0]).all() and np.isneginf(belief[1, 2])
    assert np.isfinite(table.items(np.array([1]), np.array([[0]]), np.array([[2]]))).all()


def test_confusion_keeps_the_other_axes_and_moves_the_stated_share():
    joint = _joint(3, (2, 3))
    noisy = confuse(joint, 1, 0.3)
    assert np.allclose(noisy.sum(axis=1), joint.sum(axis=1), atol=1e-15)
    expected = 0.7 * joint[:, 0] + 0.15 * (joint[:, 1] + joint[:, 2])
    assert np.allclose(noisy[:, 0], expected, atol=1e-15)
