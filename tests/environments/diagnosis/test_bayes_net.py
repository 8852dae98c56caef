"""Exact inference: the paper's numbers, and enumeration of random nets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.errors import ConfigError, UnknownNameError
from environments.diagnosis.bayes_net import BayesNet, make_variable
from environments.diagnosis.files import load_net

ASIA = load_net("asia")


@pytest.mark.parametrize(
    ("disease", "stated"), [("tub", 0.0878), ("lung", 0.0995), ("bronc", 0.8114)]
)
def test_visit_and_dyspnoea_give_the_published_numbers(disease, stated):
    belief = ASIA.posterior(disease, {"asia": "yes", "dysp": "yes"})
    assert round(float(belief[0]), 4) == stated
    assert belief.sum() == pytest.approx(1, abs=1e-14)


def test_marginals_of_the_chest_clinic():
    """By hand: tub .01·.05+.99·.01, lung .5·.1+.5·.01, bronc .5·.6+.5·.3, and the noisy rest."""
    stated = {"tub": 0.0104, "lung": 0.055, "bronc": 0.45, "either": 0.064828}
    for name, value in stated.items():
        assert ASIA.posterior(name, {})[0] == pytest.approx(value, abs=1e-12)
    assert ASIA.posterior("xray", {})[0] == pytest.approx(0.05 + 0.93 * 0.064828, abs=1e-12)


def _random_net(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 4, size=6)
    variables = []
    for i, size in enumerate(sizes):
        parents = [j for j in range(i) if rng.random() < 0.4]
        table = rng.random((*sizes[parents], size)) + 0.05
        table = table / table.sum(axis=-1, keepdims=True)
        states = [f"s{s}" for s in range(size)]
        variables.append(make_variable(f"v{i}", states, [f"v{j}" for j in parents], table))
    order = rng.permutation(len(variables))  # a net's order need not be topological
    return BayesNet([variables[i] for i in order], "random"), sizes


def _whole(net, sizes):
    joint = np.ones(sizes)
    for cell in np.ndindex(*sizes):
        for variable in net.variables.values():
            place = tuple(cell[int(name[1:])] for name in (*variable.parents, variable.name))
            joint[cell] *= variable.table[place]
    return joint


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100_000), st.data())
def test_elimination_equals_enumeration(seed, data):
    net, sizes = _random_net(seed)
    joint = _whole(net, sizes)
    query = data.draw(st.integers(0, 5))
    rows = [
        {i: data.draw(st.integers(-1, int(sizes[i]) - 1)) for i in range(6) if i != query}
        for _ in range(4)
    ]
    evidence = {f"v{i}": [row[i] for row in rows] for i in range(6) if i != query}
    got = net.posterior(f"v{query}", evidence)
    for row, belief in zip(rows, got, strict=True):
        part = joint
        for axis, state in row.items():
            if state >= 0:
                part = np.take(part, [state], axis=axis)
        expected = part.sum(axis=tuple(a for a in range(6) if a != query))
        assert np.abs(belief - expected / expected.sum()).max() < 1e-12
    pair = net.joint([f"v{query}", f"v{(query + 1) % 6}"])
    others = tuple(a for a in range(6) if a not in (query, (query + 1) % 6))
    expected = joint.sum(axis=others)
    assert np.allclose(pair, expected if query < (query + 1) % 6 else expected.T, atol=1e-12)


def test_rows_of_evidence_are_independent_of_the_batch():
    rng = np.random.default_rng(0)
    evidence = {name: rng.integers(-1, 2, 5000) for name in ("asia", "smoke", "xray", "dysp")}
    whole = ASIA.posterior("lung", evidence)
    for row in (0, 2047, 2048, 4999):
        alone = ASIA.posterior("lung", {n: c[row : row + 1] for n, c in evidence.items()})
        assert np.abs(alone[0] - whole[row]).max() < 1e-14
    assert ASIA.posterior("lung", {"asia": np.zeros(0, dtype=int)}).shape == (0, 2)


def test_names_and_positions_mix_and_broadcast():
    both = ASIA.posterior("tub", {"asia": "yes", "dysp": [0, 1]})
    assert both.shape == (2, 2)
    assert np.allclose(both[0], ASIA.posterior("tub", {"asia": "yes", "dysp": "yes"}))


@pytest.mark.parametrize(
    ("query", "evidence", "error", "message"),
    [
        ("lungs", {}, UnknownNameError, "did you mean lung"),
        ("lung", {"smok": "yes"}, UnknownNameError, "did you mean smoke"),
        ("lung", {"smoke": "maybe"}, UnknownNameError, "state of 'smoke'"),
        ("lung", {"smoke": [2]}, ConfigError, "'smoke' must be in -1 … 1"),
        ("lung", {"smoke": [0.5]}, ConfigError, "state positions"),
        ("lung", {"smoke": [0, 1], "asia": [0, 1, 1]}, ConfigError, "differ in length"),
        ("tub", {"either": [0, 1], "lung": [0, 0]}, ConfigError, "row 1 has probability zero"),
    ],
)
def test_impossible_questions(query, evidence, error, message):
    with pytest.raises(error, match=message):
        ASIA.posterior(query, evidence)


def test_a_net_too_large_is_refused_before_memory_is():
    parents = [make_variable(f"p{i}", ["a", "b"], [], [0.5, 0.5]) for i in range(30)]
    chain = [
        make_variable(f"c{i}", ["a", "b"], [f"p{i}", f"c{i - 1}"] if i else ["p0"], table)
        for i, table in enumerate([np.full((2, 2), 0.5), *[np.full((2, 2, 2), 0.5)] * 29])
    ]
    net = BayesNet([*parents, *chain], "wide")
    with pytest.raises(ConfigError, match="'wide' is too large for exact inference"):
        net.joint([f"p{i}" for i in range(30)])
    assert np.allclose(net.posterior("c29", {"p0": "a"}), 0.5)
