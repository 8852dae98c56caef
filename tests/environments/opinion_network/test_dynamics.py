"""Opinion dynamics: published examples, limits against steps, networks without a limit."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from environments.core.errors import ConfigError, UnknownNameError
from environments.opinion_network.dynamics import Weights, _stationary, _stationary_by_steps
from environments.opinion_network.proofs import (
    FRIEDKIN_JOHNSEN,
    GOLUB_JACKSON,
    INITIAL,
    SETTLED,
    proofs,
)
from environments.opinion_network.topology import TOPOLOGIES, graph, weights_of


def _random_weights(seed, n, sparsity=0.5):
    random = np.random.default_rng(seed)
    raw = random.uniform(0.05, 1, (n, n)) * (random.uniform(size=(n, n)) > sparsity)
    raw += np.eye(n) * 0.3 + np.roll(np.eye(n), 1, axis=1) * 0.2  # strongly connected, aperiodic
    return raw / raw.sum(axis=1, keepdims=True)


def test_all_proofs_hold():
    assert not [proof for proof in proofs() if not proof.ok]


def test_golub_jackson_influence():
    shares = Weights(GOLUB_JACKSON).influence()
    assert np.allclose(shares, [3 / 11, 4 / 11, 4 / 11], rtol=0, atol=1e-14)
    assert Weights(GOLUB_JACKSON).consensus([1.0, 2.0, 3.0]) == pytest.approx(23 / 11)


def test_friedkin_johnsen_example_to_its_printed_digits():
    a = 1 - np.diag(FRIEDKIN_JOHNSEN)
    settled = Weights(FRIEDKIN_JOHNSEN).friedkin_johnsen_limit(INITIAL, a)
    assert settled.round(2).tolist() == list(SETTLED)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_steps_reach_the_limits(seed, n):
    matrix = _random_weights(seed, n)
    weights, random = Weights(matrix), np.random.default_rng(seed)
    x = random.normal(size=(5, n))
    shares = weights.influence()
    assert np.allclose(shares @ matrix, shares) and shares.sum() == pytest.approx(1)
    assert np.allclose(weights.evolve(x, 3_000), weights.consensus(x)[:, None], atol=1e-8)
    a = random.uniform(0, 0.95, n)
    limit = weights.friedkin_johnsen_limit(x, a)
    assert np.allclose(weights.evolve(x, 1_000, a), limit, atol=1e-8)
    exact = np.linalg.solve(np.eye(n) - a[:, None] * matrix, (1 - a)[:, None] * x.T).T
    assert np.allclose(limit, exact)
    # Opinions never leave the range of the initial ones.
    assert (limit.max(axis=1) <= x.max(axis=1) + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 40))
def test_a_case_does_not_depend_on_its_batch(seed, n, cases):
    weights = Weights(_random_weights(seed, n))
    x = np.random.default_rng(seed).normal(size=(cases, n))
    a = np.linspace(0, 0.9, n)
    for whole, one in (
        (weights.step(x), weights.step),
        (weights.evolve(x, 3, a), lambda row: weights.evolve(row, 3, a)),
        (weights.consensus(x), weights.consensus),
        (weights.friedkin_johnsen_limit(x, a), lambda row: weights.friedkin_johnsen_limit(row, a)),
    ):
        for row in range(cases):
            assert np.array_equal(one(x[row]), whole[row])


def test_sparse_and_dense_weights_are_the_same():
    matrix = _random_weights(5, 30, 0.8)
    dense, thin = Weights(matrix), Weights(sparse.coo_matrix(matrix))
    x = np.random.default_rng(1).normal(size=30)
    assert np.array_equal(dense.step(x), thin.step(x))
    assert np.allclose(dense.step(x), matrix @ x) and np.allclose(thin.csr @ x, matrix @ x)
    assert np.array_equal(dense.influence(), thin.influence())


def test_influence_by_steps_equals_the_direct_solution():
    inner = sparse.csr_array(_random_weights(8, 60, 0.9))
    assert np.allclose(_stationary(inner), _stationary_by_steps(inner), atol=1e-10)
    large = weights_of(graph("scale_free", 5_000, 6), 0.3)
    shares = large.influence()
    assert shares.sum() == pytest.approx(1) and np.allclose(shares @ large.csr, shares, atol=1e-12)


def test_influence_of_an_undirected_network_is_its_degree():
    links = graph("scale_free", 40, 4, seed=3)
    degree = np.array([d for _, d in sorted(links.degree)])
    assert np.allclose(weights_of(links, 0.5).influence(), degree / degree.sum())


def test_networks_without_a_consensus_say_why():
    with pytest.raises(ConfigError, match="2 groups"):
        Weights(np.eye(2)).influence()
    with pytest.raises(ConfigError, match="period 2"):
        Weights([[0, 1], [1, 0]]).influence()
    with pytest.raises(ConfigError, match="period 3"):
        Weights(np.roll(np.eye(3), 1, axis=1)).influence()
    assert Weights([[1.0]]).influence().tolist() == [1.0]


def test_who_listens_to_nobody_leads_everybody():
    leader = Weights([[1, 0, 0], [0.5, 0.5, 0], [0, 0.9, 0.1]])
    assert leader.influence().tolist() == [1, 0, 0]
    stubborn = Weights(GOLUB_JACKSON).friedkin_johnsen_limit([7.0, 0.0, 1.0], [0, 1, 1])
    assert np.allclose(stubborn, 7)


def test_a_stubborn_minority_shifts_the_consensus():
    links = graph("small_world", 20, 4)
    weights = weights_of(links, 0.5)
    x = np.where(np.arange(20) < 2, 10.0, 0.0)
    before = weights.consensus(x)
    a = np.where(np.arange(20) < 2, 0.0, 0.95)
    after = weights.friedkin_johnsen_limit(x, a)[2:].mean()
    assert before < 1.5 and after > 2 * before
    # With fully open others two members in twenty win everybody over.
    assert np.allclose(weights.friedkin_johnsen_limit(x, np.where(a, 1.0, 0.0)), 10)


def test_no_limit_where_open_members_hear_only_one_another():
    pair = Weights([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]])
    with pytest.raises(ConfigError, match=r"members \[0, 1\] have susceptibility 1"):
        pair.friedkin_johnsen_limit([1.0, 2.0, 3.0], [1, 1, 0])
    settled = pair.friedkin_johnsen_limit([1.0, 2.0, 3.0], [0, 1, 1])
    assert np.allclose(settled, 1)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], "member 0 sum to 1.1"),
        ([[1, 0], [0.2, 0.7]], "member 1 sum to 0.9"),
        ([[1.5, -0.5], [0, 1]], "not negative"),
        ([[np.nan, 1], [0, 1]], "finite"),
        ([[1, 0, 0], [0, 1, 0]], "square"),
    ],
)
def test_bad_weights(matrix, message):
    with pytest.raises(ConfigError, match=message):
        Weights(matrix)


def test_bad_susceptibility():
    weights = Weights(GOLUB_JACKSON)
    for bad, message in (
        ([0.5, 0.5], "expected 3"),
        ([0, 1, 1.1], "0 … 1"),
        ([0, 0, np.nan], "0 …"),
    ):
        with pytest.raises(ConfigError, match=message):
            weights.total_influence(bad)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_gives_row_stochastic_weights_and_is_a_function_of_its_seed(name):
    first, again = (graph(name, 16, 4, 0.2, seed=7) for _ in range(2))
    assert nx.utils.graphs_equal(first, again) and sorted(first.nodes) == list(range(16))
    weights = weights_of(first, 0.4)
    assert np.allclose(weights.csr.sum(axis=1), 1)
    assert (np.diff(weights.heard, axis=1)[weights.weight[:, 1:] > 0] > 0).all()


def test_random_topologies_differ_by_seed():
    for name in ("small_world", "scale_free", "random"):
        graphs = [graph(name, 30, 4, 0.5, seed=seed) for seed in (0, 1)]
        assert not nx.utils.graphs_equal(*graphs)


def test_members_without_neighbours_keep_all_weight():
    links = nx.Graph()
    links.add_nodes_from(range(3))
    links.add_edge(0, 1)
    assert weights_of(links, 0.2).csr.toarray()[2].tolist() == [0, 0, 1]
    with pytest.raises(ConfigError, match="self_weight"):
        weights_of(links, 1.2)


def test_impossible_topologies():
    with pytest.raises(UnknownNameError, match="did you mean star"):
        graph("starr", 5)
    for name, n, degree in (("ring", 6, 3), ("ring", 4, 4), ("scale_free", 4, 4), ("star", 1, 2)):
        with pytest.raises(ConfigError):
            graph(name, n, degree)
