"""Plan explanation as an environment: pure, sealed, exact; and the team that plays it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.test import parallel_api_test, parallel_seed_test

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.plan_explanation.domains import Task, escape_room, fact
from environments.plan_explanation.environment import PlanExplanation, PlanExplanationConfig
from environments.plan_explanation.explanations import Reconciliation
from environments.plan_explanation.strips import action, build
from environments.plan_explanation.tasks import TaskTable
from environments.plan_explanation.team import (
    ACCEPT,
    CHOOSE,
    REJECT,
    WAIT,
    BatchedReconciliation,
    parallel_env,
)

PLAN = SplitPlan({**dict.fromkeys(Split, 300), Split.TEACHING: 2000})
CONFIGS = [
    PlanExplanationConfig(),
    PlanExplanationConfig(explainers=3, domains=["escape_room"], known=0.0, fact_rate=0.3),
    PlanExplanationConfig(domains=["fetch", "rover"], known=0.6, doubt=0.1, world_seed=3),
]
WORLDS = [PlanExplanation(config, PLAN) for config in CONFIGS]
WORLD = WORLDS[0]


def _nobody(n):
    return np.zeros(n, dtype=np.int64)


@pytest.mark.parametrize("world", WORLDS, ids=["default", "three", "known"])
def test_it_conforms(world):
    assert_environment(world)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.data())
def test_dealing_is_a_pure_function_of_each_id(ids, data):
    ids = np.array(ids, dtype=np.int64)
    cut = data.draw(st.integers(0, len(ids)))
    whole, parts = WORLD.deal(ids), [WORLD.deal(ids[:cut]), WORLD.deal(ids[cut:])]
    for name in ("llr", "held"):
        joined = np.concatenate([getattr(part.evidence, name) for part in parts])
        assert np.array_equal(getattr(whole.evidence, name), joined)
    for name, value in whole.public.items():
        assert np.array_equal(value, np.concatenate([part.public[name] for part in parts]))


def test_the_truth_is_the_plan_that_is_optimal_in_the_robots_model():
    ids = WORLD.case_ids(Split.TEACHING, 0)[:300]
    cases, truth = WORLD.deal(ids), WORLD.seal().reveal(ids, "test")
    options = WORLD.render_options(cases)
    worlds = WORLD._law.world(ids)
    for row, (task, world) in enumerate(zip(cases.public["task"], worlds, strict=True)):
        model = WORLD._table.tasks[task].world(int(world))
        plans = [text.split(" at a ")[0].split(" which ")[0].split() for text in options[row]]
        assert [model.is_optimal(plan) for plan in plans].index(True) == truth[row]
        assert sum(model.is_optimal(plan) for plan in plans) == 1


def test_belief_is_bayes_rule_over_worlds():
    """Enumerates the worlds of each case by hand, with the reader's doubt about each update."""
    for world in WORLDS:
        table, c = world._table, world.config
        cases = world.deal(world.case_ids(Split.TEST, 0)[:40])
        codes = world._law.codes(cases.case_id)
        for g, group in enumerate(world.information):
            belief = np.exp(world.assess(cases, group, _nobody(40)))
            for row in range(40):
                task = int(cases.public["task"][row])
                seen = (cases.public["known"][row] > 0) | cases.evidence.held[row, :-1, g]
                weight = np.zeros(cases.width)
                for mask, holds in enumerate(table.worlds):
                    p = np.prod(np.where(holds, c.fact_rate, 1 - c.fact_rate))
                    agree = holds == (codes[row] == 2)
                    p *= np.prod(np.where(agree, 1 - c.doubt, c.doubt)[seen])
                    weight[table.best[task, mask]] += p
                shown = (weight / weight.sum())[cases.public["shown"][row]]
                assert np.abs(belief[row] - shown).max() < 1e-12


def test_reference_values_are_what_simulation_gives():
    ids = np.arange(40_000)
    for world in WORLDS:
        values, cases = world.reference_values(), world.deal(ids)
        truth = world.seal().reveal(ids, "test")
        names = {"public": "prior", "source": "full_information"}
        for group in world.information:
            belief = world.assess(cases, group, _nobody(cases.n))
            best = belief >= belief.max(axis=1, keepdims=True) - 1e-9
            hit = best[np.arange(len(ids)), truth] / best.sum(axis=1)
            exact = values[names.get(group, group)].value
            assert abs(hit.mean() - exact) < 4.5 * 0.5 / np.sqrt(len(ids))
        for kind in ("mce", "mme", "mpe"):
            size = world.explanation(cases, kind).sum(axis=1)
            spread = max(size.std(), 0.01)
            assert abs(size.mean() - values[f"size_{kind}"].value) < 4.5 * spread / 200


def test_known_orderings():
    for world in WORLDS:
        v = {name: r.value for name, r in world.reference_values().items()}
        assert v["size_mce"] <= v["size_mme"] <= v["size_mpe"]
        assert v["human_model_after_mce"] == pytest.approx(1, abs=1e-12)
        assert v["human_model"] <= v["prior"] + 1e-12 <= v["full_information"] + 1e-12
        assert v["independent_pooling"] <= v["full_information"] + 1e-12
        assert v["full_information"] > 0.99


def test_explanations_of_cases_are_those_of_the_models():
    cases = WORLD.deal(WORLD.case_ids(Split.TEST, 0)[:60])
    worlds, humans = WORLD._law.world(cases.case_id), WORLD._human_world(cases)
    found = {kind: WORLD.explanation(cases, kind) for kind in ("mce", "mme", "mpe")}
    for row in range(60):
        task = WORLD._table.tasks[int(cases.public["task"][row])]
        case = Reconciliation(task.world(int(worlds[row])), task.world(int(humans[row])))
        for kind, marks in found.items():
            told = {task.facts[f] for f in np.flatnonzero(marks[row])}
            smallest = [set(e) for e in case.smallest(kind)]
            assert told in smallest
    for marks in found.values():  # an explanation is told from what the robot holds
        assert not (marks & ~cases.evidence.held[:, :, -1]).any()


def test_the_human_expects_another_plan_until_told():
    """The plan that seems cheapest is that of the human's model, and often the wrong one."""
    cases = WORLD.deal(np.arange(5000))
    human, task = WORLD._human_world(cases), cases.public["task"]
    expected = WORLD._table.best[task, human]
    share = (expected == WORLD._law.best(cases.case_id)).mean()
    exact = WORLD.reference_values()["human_model"].value
    assert abs(share - exact) < 4.5 * 0.5 / np.sqrt(5000)
    first = WORLD.render_options(cases.take([0]))[0]
    text = WORLD.render_human_model(cases.take([0]))[0]
    cheapest = min(int(t.rsplit(" ", 1)[1]) for t in first if "seeming cost" in t)
    tasks = WORLD._table.tasks[task[0]]
    assert tasks.world(int(human[0])).solve().cost == cheapest
    assert text == tasks.world(int(human[0])).describe()


def test_texts_state_facts_as_they_are():
    cases = WORLD.deal(WORLD.case_ids(Split.TEST, 0)[:50])
    codes = WORLD._law.codes(cases.case_id)
    for row, (context, items) in enumerate(
        zip(WORLD.render_context(cases), WORLD.render_evidence(cases), strict=True)
    ):
        task = WORLD._table.tasks[int(cases.public["task"][row])]
        assert context.startswith(task.title)
        for f, update in enumerate(task.facts):
            said = items[f] or context
            feature, holds = update.feature, codes[row, f] == 2
            assert f"model {feature.action} has " in said
            if feature.kind != "cost":
                kind = feature.kind.replace("-", " ")
                word = f"has {'' if holds else 'no '}{kind} {feature.value}."
                assert f"{feature.action} {word}" in said
            else:
                assert (f"{feature.action} has cost {feature.value}." in said) == holds


def test_explainers_share_the_facts():
    world = WORLDS[1]
    held = world.deal(world.case_ids(Split.TEST, 0)).evidence.held
    assert (held[:, :-1, 1:4].sum(axis=2) == held[:, :-1, 4]).all()
    assert not held[:, -1, 1:4].any() and held[:, -1, 4].all()


def test_a_task_must_be_decidable():
    base = build("A", "G", [action("L", "A", "G", cost=2), action("R", "A", "G", cost=3)])
    tie = Task("x", "Tie.", base, (fact("L", "cost", "3"),))
    with pytest.raises(ConfigError, match="one plan is best whatever the facts"):
        TaskTable([tie])
    two = Task("x", "Two.", base, (fact("L", "cost", "4"), fact("R", "cost", "4")))
    with pytest.raises(ConfigError, match="two candidates are equally good where L-has-cost-4, R"):
        TaskTable([two])
    wall = Task("x", "Wall.", base, tuple(fact(n, "precondition", "G") for n in "LR"))
    with pytest.raises(ConfigError, match="no plan where"):
        TaskTable([wall])


def test_tasks_of_fewer_facts_are_padded():
    base = build("A", "G", [action("L", "A", "G", cost=2), action("R", "A", "G", cost=3)])
    small = Task("x", "Small.", base, (fact("L", "cost", "4"),))
    table = TaskTable([small, escape_room()])
    assert table.best[0].tolist() == [0, 1] * 16
    assert table.weights(0.3)[0].tolist()[:3] == pytest.approx([0.7, 0.3, 0.0])
    findings = table.findings(0.3, 0.01)
    belief = findings.posterior(np.zeros(1, dtype=np.int64), np.array([[0, 0, 0, 0, 0]]))
    assert np.exp(belief[0]).tolist() == pytest.approx([0.7, 0.3, 0, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domains": []}, "environment.domains is empty"),
        ({"domains": ["fetsh"]}, "did you mean fetch"),
        ({"domains": ["fetch", "fetch"]}, "twice"),
        ({"fact_rate": 1.0}, "environment.fact_rate=1.0"),
        ({"known": -0.1}, "environment.known"),
        ({"doubt": 0.0}, "environment.doubt=0.0"),
        ({"explainers": 6}, "environment.explainers=6"),
    ],
)
def test_a_bad_field_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        PlanExplanation(dataclasses.replace(PlanExplanationConfig(), **changes), PLAN)


def test_an_unknown_kind_of_explanation():
    with pytest.raises(ConfigError, match="unknown kind of explanation 'best'"):
        WORLD.explanation(WORLD.deal(np.arange(2)), "best")


# -- the team ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("world", WORLDS[:2], ids=["one", "three"])
def test_pettingzoo_accepts_it(world):
    parallel_api_test(parallel_env(world), num_cycles=60)
    parallel_seed_test(lambda: parallel_env(world), num_cycles=30)


def test_two_thousand_at_once_equal_one_at_a_time():
    world = WORLDS[1]
    team = BatchedReconciliation(world, rounds=5, update_cost=0.125)
    ids = world.case_ids(Split.TEACHING, 0)
    observed, played, outcomes = [team.reset(ids)], [], []
    for turn in range(5):
        actions = {s: Keyed(1, s).integers(team.n_actions(s), ids, turn) for s in team.seats}
        actions["human"] = np.where(actions["human"] >= CHOOSE, WAIT, actions["human"])
        observation, rewards, *outcome = team.step(actions)
        observed.append(observation)
        played.append(actions)
        outcomes.append((rewards["human"], *outcome))
    assert any(terminated.any() for _, terminated, _ in outcomes)
    assert any(truncated.any() for _, _, truncated in outcomes)
    env = parallel_env(world, rounds=5, update_cost=0.125)
    for row in range(0, len(ids), 97):
        observation, _ = env.reset(options={"case_id": ids[row]})
        turn = 0
        while True:
            for seat in team.seats:
                for name, value in observation[seat].items():
                    assert np.array_equal(value, observed[turn][seat][name][row])
            if not env.agents:
                break
            observation, reward, terminated, truncated, _ = env.step(
                {seat: played[turn][seat][row] for seat in team.seats}
            )
            for got, whole in zip((reward, terminated, truncated), outcomes[turn], strict=True):
                assert set(got.values()) == {whole[row]}
            turn += 1


def test_a_robot_that_tells_all_and_a_human_who_adds_up_are_always_right():
    team = BatchedReconciliation(WORLD, rounds=10, update_cost=0.01)
    ids = WORLD.case_ids(Split.TEACHING, 0)
    team.reset(ids)
    for item in range(WORLD.max_evidence):
        seen, *_ = team.step({"explainer_1": np.full(len(ids), 1 + item)})
    belief = np.where(seen["human"]["options"], np.log(seen["human"]["assessment"] + 1e-300), -1e9)
    choice = np.argmax(belief + seen["human"]["llr"].sum(axis=1), axis=1)
    _, reward, terminated, _ = team.step({"human": CHOOSE + choice})
    told = team.cases.evidence.exists.sum(axis=1)
    assert terminated.all() and np.allclose(reward["human"], 1 - 0.01 * told)
    assert team.truth.spent == {"reward": len(ids)}


def test_proposals_are_accepted_rejected_and_replaced():
    team = BatchedReconciliation(WORLD, rounds=4)
    ids = WORLD.case_ids(Split.TEACHING, 0)[:3]
    truth = WORLD.seal().reveal(ids, "test")
    propose = 1 + WORLD.max_evidence
    seen = team.reset(ids)
    assert not seen["human"]["proposal"].any()
    # Accepting an empty table does nothing, though a proposal arrives in the same round.
    seen, _, terminated, _ = team.step(
        {"human": np.full(3, ACCEPT), "explainer_1": propose + 1 - np.minimum(truth, 1)}
    )
    assert not terminated.any() and (seen["human"]["proposal"].sum(axis=1) == 1).all()
    seen, *_ = team.step({"human": np.full(3, REJECT), "explainer_1": propose + truth})
    assert (seen["human"]["rejected"].sum(axis=1) == 1).all()
    assert (np.argmax(seen["human"]["proposal"], axis=1) == truth).all()
    _, reward, terminated, _ = team.step({"human": np.array([ACCEPT, REJECT, WAIT])})
    assert reward["human"].tolist() == [1, 0, 0] and terminated.tolist() == [True, False, False]
    assert team.choice.tolist() == [truth[0], -1, -1]
    _, reward, terminated, truncated = team.step({"human": np.array([CHOOSE, ACCEPT, ACCEPT])})
    # The second table is empty since its rejection; the third proposal still stands.
    assert reward["human"].tolist() == [0, 0, 1] and truncated.tolist() == [False, True, False]


def test_an_option_that_does_not_exist_is_no_decision():
    ids = np.arange(2000)
    three = ids[WORLD.deal(ids).n_options == 3][:4]
    team = BatchedReconciliation(WORLD, rounds=2)
    team.reset(three)
    _, reward, terminated, _ = team.step({"human": np.full(4, CHOOSE + 3)})
    assert not reward["human"].any() and terminated.all() and (team.choice == -1).all()
    assert not team.truth.spent


def test_impossible_teams_and_actions():
    with pytest.raises(ConfigError, match="rounds=0"):
        BatchedReconciliation(WORLD, rounds=0)
    with pytest.raises(ConfigError, match="update_cost=-1"):
        BatchedReconciliation(WORLD, update_cost=-1)
    with pytest.raises(ConfigError, match="no cases to draw from"):
        parallel_env(PlanExplanation(CONFIGS[0], SplitPlan({Split.CURVE: 5})), split=Split.TEST)
    team = BatchedReconciliation(WORLD)
    team.reset(np.arange(2))
    for actions in ({"cook": [0, 0]}, {"human": [0]}, {"human": [0, 7]}, {"explainer_1": [0.5, 1]}):
        with pytest.raises(ConfigError):
            team.step(actions)


def test_render_shows_what_was_told_and_proposed():
    env = parallel_env(WORLD, render_mode="ansi")
    env.reset(seed=2)
    before = env.render()
    item = int(np.flatnonzero(env.simulator.cases.evidence.held[0, :, 1])[0])
    env.step({"human": WAIT, "explainer_1": 1 + item})
    told = env.render()
    assert told == before + "\n" + WORLD.render_evidence(env.simulator.cases)[0][item]
    env.step({"human": WAIT, "explainer_1": 1 + WORLD.max_evidence})
    assert env.render() == told + "\nproposed: " + WORLD.render_options(env.simulator.cases)[0][0]
    assert parallel_env(WORLD).render() is None
