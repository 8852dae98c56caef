"""Computation trees: conformance, consistent accounts, exact chance, and what each group knows."""

import numpy as np
import pytest
from scipy import stats

from environments.base import SplitPlan
from environments.cases import Split
from environments.computation_tree import rules
from environments.computation_tree.environment import ComputationTree, ComputationTreeConfig
from environments.computation_tree.law import NODE_BITS
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.decomposition import decomposable

PLAN = SplitPlan(dict.fromkeys(Split, 200))
CONFIGS = [
    ComputationTreeConfig(),
    ComputationTreeConfig(n_options=4, branching=3, depth=3, errors="redrawn", world_seed=2),
    ComputationTreeConfig(rule="and", branching=3, depth=3, leaf_bias=0.8),
    ComputationTreeConfig(rule="or", errors="redrawn"),
    ComputationTreeConfig(rule="xor", depth=6, obfuscated=True),
    ComputationTreeConfig(rule="majority", branching=5, depth=2),
    ComputationTreeConfig(rule="majority", branching=3, depth=3, stable=True, obfuscated=True),
]


def tree(**fields) -> ComputationTree:
    return ComputationTree(ComputationTreeConfig(**fields), PLAN)


def parts(cases):
    return cases.case_id >> NODE_BITS, cases.case_id & (2**NODE_BITS - 1)


def levels(world, split=Split.TEACHING, most=600):
    """Yield (cases, claims, parent rows) from the roots down, some of each level."""
    cases = world.deal(world.case_ids(split, 0))
    while True:
        claims, parent = world.children(cases)
        if not claims.n:
            return
        yield cases, claims, parent
        cases = claims.take(np.arange(0, claims.n, max(1, claims.n // most)))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.rule}{c.branching}{c.errors}")
def test_it_conforms(config):
    assert_environment(ComputationTree(config, PLAN))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.rule}{c.branching}{c.errors}")
def test_every_account_adds_up_at_every_node(config):
    world = ComputationTree(config, PLAN)
    law, seen = world.law, 0
    for cases, claims, parent in levels(world):
        above, below = law.values(*parts(cases)), law.values(*parts(claims))
        assert (below >= 0).all()
        np.testing.assert_array_equal(np.bincount(parent), law.branching)
        for k in range(world.max_options):
            children = below[:, k].reshape(cases.n, law.branching)
            np.testing.assert_array_equal(rules.apply(config.rule, children), above[:, k])
        facts = world.facts(cases, "public")
        options = claims.public["candidates"].reshape(cases.n, law.branching, -1)
        np.testing.assert_array_equal(facts["child_candidates"], options)
        assert (np.diff(options, axis=2) > 0).all(), "candidates are distinct and ascending"
        seen += 1
    assert seen == config.depth


def test_wrong_accounts_differ_along_one_path_to_a_single_leaf():
    for rule, branching in (("sum", 3), ("and", 2), ("xor", 2), ("majority", 3)):
        world = tree(rule=rule, branching=branching, depth=4)
        for cases, claims, _ in levels(world):
            above, below = world.law.values(*parts(cases)), world.law.values(*parts(claims))
            differ = (below[:, 0] != below[:, 1]).reshape(cases.n, branching).sum(axis=1)
            np.testing.assert_array_equal(differ, above[:, 0] != above[:, 1])


def test_who_argues_for_an_option_inherits_a_consistent_story():
    for config in CONFIGS:
        world = ComputationTree(config, PLAN)
        cases = world.deal(world.case_ids(Split.TEACHING, 0))
        claims, parent = world.children(cases)
        for stance in range(world.max_options):
            told = world.inherited(cases, np.full(cases.n, stance), claims, parent)
            said = np.take_along_axis(claims.public["candidates"], told[:, None], axis=1)[:, 0]
            made = rules.apply(config.rule, said.reshape(cases.n, -1))
            np.testing.assert_array_equal(made, cases.public["candidates"][:, stance])
        nobody = world.inherited(cases, np.full(cases.n, -1), claims, parent)
        assert (nobody == -1).all()


def test_truth_is_a_fair_coin_whatever_the_public_sees():
    plan = SplitPlan({Split.TEST: 20_000})
    world = ComputationTree(ComputationTreeConfig(n_options=2), plan)
    ids = world.case_ids(Split.TEST, 0)
    truth, cases = world.seal().reveal(ids, "test"), world.deal(ids)
    facts = world.facts(cases, "public")
    error = 4.5 * 0.5 / np.sqrt(len(ids))
    assert abs(truth.mean() - 0.5) < error
    for name in ("candidates", "child_candidates"):  # no linear reading of the facts helps
        seen = facts[name].reshape(len(ids), -1)
        for column in seen.T:
            r = np.corrcoef(column, truth)[0, 1] if column.std() else 0.0
            assert abs(r) < 4.5 / np.sqrt(len(ids))
    assert "child_belief" not in facts
    assert (world.assess(cases, "public", ids) == np.log(0.5)).all()


def test_the_source_knows_every_node_and_a_leaf_can_be_read():
    world = tree(rule="xor", depth=3)
    for cases, claims, _ in levels(world):
        for some in (cases, claims):
            truth = world.seal().reveal(some.case_id, "test")
            belief = world.assess(some, "source", some.case_id)
            np.testing.assert_array_equal(belief.argmax(axis=1), truth)
    assert not cases.evidence.exists.any() and claims.evidence.exists.all()
    reading = claims.evidence.llr[:, 0].argmax(axis=1)
    np.testing.assert_array_equal(reading, world.seal().reveal(claims.case_id, "test"))
    private, beliefs = world.facts(cases, "source"), world.assess(claims, "source", claims.case_id)
    np.testing.assert_array_equal(private["child_belief"].reshape(beliefs.shape), beliefs)


@pytest.mark.parametrize("rule, carried", [("sum", 2), ("and", 2), ("majority", 2)])
def test_obfuscated_errors_are_somewhere_among_the_parts_that_carry_the_claim(rule, carried):
    branching = 3 if rule == "majority" else 2
    world = tree(
        rule=rule, branching=branching, depth=2, obfuscated=True, stable=rule == "majority"
    )
    roots = world.deal(world.case_ids(Split.TEACHING, 0))
    truth = world.seal().reveal(roots.case_id, "test")
    np.testing.assert_array_equal(world.assess(roots, "source", truth).argmax(axis=1), truth)
    lie = (truth == 0) if rule != "sum" else np.ones(roots.n, dtype=bool)
    roots, truth = roots.take(lie), truth[lie]
    claims, parent = world.children(roots)
    told = world.inherited(roots, 1 - truth, claims, parent)
    belief = np.exp(world.assess(claims, "source", parent))
    trust = np.take_along_axis(belief, told[:, None], axis=1)[:, 0].reshape(roots.n, -1)
    wrong = (told != world.seal().reveal(claims.case_id, "test")).reshape(roots.n, -1)
    np.testing.assert_array_equal(wrong.sum(axis=1), 1)
    doubted = trust < 0.99
    np.testing.assert_array_equal(doubted.sum(axis=1), carried)
    np.testing.assert_allclose(trust[doubted], 1 - 1 / carried, atol=1e-8)
    assert doubted[wrong].all(), "the error is among the doubted parts, and cannot be told apart"


def test_leaves_of_an_agreed_tree_are_as_configured():
    # Below an agreed node leaves are iid given its value: the split of a sum is binomial.
    world = ComputationTree(
        ComputationTreeConfig(depth=1, leaf_mean=20.0), SplitPlan({Split.TEST: 4000})
    )
    tree_id = world.case_ids(Split.TEST, 0) >> NODE_BITS
    forty = np.full((len(tree_id), 2), 40)
    first = world.law.child_values(tree_id, np.zeros_like(tree_id), 0, forty)[:, 0, 0]
    assert stats.kstest(first, stats.binom(40, 0.5).cdf).statistic < 0.14  # discrete: P(20) is .125
    assert abs(first.mean() - 20) < 4.5 * np.sqrt(10 / len(first))
    assert abs(first.var() - 10) < 4.5 * 10 * np.sqrt(2 / len(first))
    gate = ComputationTree(
        ComputationTreeConfig(rule="or", depth=1, leaf_bias=0.25), SplitPlan({Split.TEST: 4000})
    )
    ones = np.ones((4000, 2), dtype=np.int64)
    children = gate.law.child_values(tree_id, np.zeros_like(tree_id), 0, ones)[:, :, 0]
    both = 0.25**2 / (1 - 0.75**2)
    assert abs(children.all(axis=1).mean() - both) < 4.5 * np.sqrt(both * (1 - both) / 4000)


def test_a_deep_tree_costs_its_depth():
    world = ComputationTree(
        ComputationTreeConfig(depth=18, errors="redrawn"), SplitPlan({Split.TEST: 50})
    )
    cases = world.deal(world.case_ids(Split.TEST, 0))
    for _ in range(18):
        claims, parent = world.children(cases)
        cases = claims.take(np.searchsorted(parent, np.arange(50)))
    assert (world.n_children(cases) == 0).all()
    assert world.law.n_nodes == 2**19 - 1


def test_texts_name_node_rule_and_children():
    world = tree(rule="and")
    claims, _ = world.children(world.deal(world.case_ids(Split.TEST, 0)[:1]))
    asked = world.render_context(claims)[1]
    assert "node.2 ?" in asked and "true if all of its children are true" in asked
    assert "node.2.1 , node.2.2" in asked and world.render_options(claims)[0] == ["false", "true"]
    for _ in range(3):
        claims, _ = world.children(claims)
    assert world.render_evidence(claims)[0][0].startswith("The reading of the leaf node.1.1.1.1 is")
    assert "It is a leaf" in world.render_context(claims)[0]


@pytest.mark.parametrize(
    "fields, part",
    [
        ({"rule": "sums"}, "did you mean sum"),
        ({"errors": "x"}, "allowed: path, redrawn"),
        ({"depth": 0}, "depth=0 is not in 1"),
        ({"rule": "and", "n_options": 3}, "a gate has 2 values"),
        ({"n_options": 8, "branching": 3}, "at most 256"),
        ({"rule": "majority"}, "needs an odd number"),
        ({"stable": True}, "needs rule: majority"),
        ({"obfuscated": True, "n_options": 3}, "needs n_options: 2"),
        ({"depth": 18, "branching": 3}, "nodes; at most"),
    ],
)
def test_configurations_that_cannot_be_are_one_clear_line(fields, part):
    with pytest.raises(ConfigError) as error:
        tree(**fields)
    assert part in str(error.value) and "\n" not in str(error.value)


def test_other_environments_do_not_split():
    from environments.jury.environment import Jury, JuryConfig

    with pytest.raises(ConfigError, match="'recursive_debate' splits claims.*'jury' does not"):
        decomposable(Jury(JuryConfig(), PLAN), "recursive_debate")


def test_replicates_have_trees_of_their_own_and_ids_have_an_end():
    world = tree()
    assert not np.isin(world.case_ids(Split.TEACHING, 1), world.case_ids(Split.TEACHING, 0)).any()
    assert (world.case_ids(Split.TEST, 7) > 0).all()
    with pytest.raises(ConfigError, match="replicate 4096"):
        world.case_ids(Split.TEACHING, 4096)
