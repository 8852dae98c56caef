"""Models, their features, and optimal plans against brute force."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.errors import ConfigError, UnknownNameError
from environments.plan_explanation.domains import DOMAINS, fetch_tuck
from environments.plan_explanation.strips import Feature, Update, action, build, differences

FLUENTS = ["P", "Q", "R", "S"]
some = st.lists(st.sampled_from(FLUENTS), unique=True, max_size=2).map(" ".join)


@st.composite
def models(draw):
    actions = [
        action(f"A{i}", draw(some), draw(some), draw(some), draw(st.integers(1, 4)))
        for i in range(3)
    ]
    every = " ".join(FLUENTS)
    model = build(every, every, actions)  # names every fluent, in one order
    init, goal = (model.updated(_only(part, draw(some))) for part in ("initial-state", "goal"))
    return replace(model, init=init.init, goal=goal.goal)


def _only(kind, kept):
    gone = [f for f in FLUENTS if f not in kept.split()]
    return [Update(Feature("", kind, fluent), add=False) for fluent in gone]


@settings(max_examples=40, deadline=None)
@given(models())
def test_the_plan_is_the_cheapest_of_all_short_sequences(model):
    names = [a.name for a in model.actions]
    costs = [
        cost
        for length in range(5)
        for sequence in product(names, repeat=length)
        if (cost := model.cost_of(sequence)) is not None
    ]
    plan = model.solve()
    if plan is None:
        assert not costs
    else:
        assert model.cost_of(plan.actions) == plan.cost and model.is_optimal(plan.actions)
        # An optimal plan visits no state twice; beyond 4 steps brute force has not looked.
        assert plan.cost <= min(costs, default=plan.cost)
        if len(plan.actions) <= 4:
            assert plan.cost == min(costs)


@settings(max_examples=40, deadline=None)
@given(models(), models())
def test_the_differences_turn_one_model_into_the_other(robot, human):
    updates = differences(robot, human)
    assert human.updated(updates) == robot == human.updated(reversed(updates))
    assert len(set(updates)) == len(updates) and (not updates) == (robot == human)


def test_models_of_other_words_have_no_differences():
    one, two = (build("P", "Q", [action(name, "P", "Q")]) for name in ("GO", "COME"))
    three = build("P", "R", [action("GO", "P", "R")])
    for other in (two, three):
        with pytest.raises(ConfigError, match="same fluents and actions"):
            differences(one, other)


def test_features_read_as_in_the_literature():
    robot, human = fetch_tuck()
    assert [str(u) for u in differences(robot, human)] == [
        "MOVE_LOC1_LOC2-has-precondition-HAND-TUCKED",
        "MOVE_LOC2_LOC1-has-precondition-HAND-TUCKED",
    ]
    assert [str(u) for u in differences(human, robot)][0].startswith("not MOVE_LOC1_LOC2-has-")
    assert Feature("", "goal", "B1-AT-LOC2") in robot.features()
    costly = robot.updated([Update(Feature("TUCK", "cost", "7"))])
    assert [str(u) for u in differences(costly, robot)] == ["TUCK-has-cost-7"]
    assert "TUCK: cost 7; makes HAND-TUCKED" in costly.describe()


def test_effects_and_invalid_plans():
    model = build("P", "Q", [action("GO", "P", "Q P", "P", 3), action("STOP", ends="P")])
    assert model.solve().actions == ("GO",)
    assert model.run(["GO"])[0] == model.init | model.goal  # deleted, then added
    assert model.cost_of(["STOP", "GO"]) is None and model.cost_of(["STOP"]) is None
    assert model.solve(0) is None
    with pytest.raises(UnknownNameError, match="did you mean GO"):
        model.cost_of(["GOO"])


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (Feature("FLY", "precondition", "P"), "unknown action 'FLY'"),
        (Feature("GO", "precondition", "Z"), "unknown fluent 'Z'"),
        (Feature("GO", "colour", "P"), "unknown kind of feature 'colour'"),
        (Feature("GO", "cost", "0"), "positive whole number"),
    ],
)
def test_an_update_that_cannot_be(feature, message):
    model = build("P", "Q", [action("GO", "P", "Q")])
    with pytest.raises(ConfigError, match=message):
        model.updated([Update(feature)])


def test_models_that_cannot_be():
    with pytest.raises(ConfigError, match="cost=0"):
        build("P", "Q", [action("GO", "P", "Q", cost=0)])
    with pytest.raises(ConfigError, match="one name"):
        build("P", "Q", [action("GO"), action("GO")])


def test_shipped_facts_change_their_task():
    for tasks in DOMAINS.values():
        for task in tasks():
            for i in range(len(task.facts)):
                assert task.world(1 << i) != task.base
