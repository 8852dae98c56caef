"""MCE, MME, MPE and their release, against the definitions written out."""

from itertools import combinations, permutations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from environments.core.errors import ConfigError
from environments.plan_explanation.domains import escape_room, fetch_tuck, rover
from environments.plan_explanation.explanations import Reconciliation, edit_distance
from environments.plan_explanation.proofs import proofs, random_pair

FETCH = Reconciliation(*fetch_tuck())
TUCK = "MOVE_LOC1_LOC2-has-precondition-HAND-TUCKED"


def _pair(seed):
    pair = random_pair(seed)
    assume(pair is not None)
    return Reconciliation(*pair)


def test_every_proof_holds():
    assert [proof.claim for proof in proofs() if not proof.ok] == []


def test_fetch_has_the_published_explanation():
    for kind in ("mce", "mme"):
        assert [[str(u) for u in e] for e in FETCH.smallest(kind)] == [[TUCK]]
    assert len(FETCH.mpe()) == 2
    assert FETCH.plan.cost == 5 and FETCH.expected.cost == 4
    assert FETCH.plan.actions == ("PICK-UP_B1", "TUCK", "MOVE_LOC1_LOC2", "PUT-DOWN_B1")
    assert FETCH.expected.actions == ("PICK-UP_B1", "MOVE_LOC1_LOC2", "PUT-DOWN_B1")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000))
def test_smallest_explanations_follow_the_definitions(seed):
    case = _pair(seed)

    def complete(explanation):
        return case.human.updated(explanation).is_optimal(case.plan.actions)

    def subsets(of):
        return [s for size in range(len(of) + 1) for s in combinations(of, size)]

    found = {kind: case.smallest(kind) for kind in ("mce", "mme", "mpe")}
    sizes = {kind: len(explanations[0]) for kind, explanations in found.items()}
    assert sizes["mce"] <= sizes["mme"] <= sizes["mpe"] == len(case.updates)
    whole = [set(s) for s in subsets(case.updates)]
    for explanation in found["mce"]:
        assert complete(explanation)
    assert not any(complete(s) for s in whole if len(s) < sizes["mce"])
    for explanation in found["mme"]:
        assert all(complete(s) for s in whole if s >= set(explanation))
    for small in (s for s in whole if len(s) < sizes["mme"]):
        assert not all(complete(s) for s in whole if s >= small)


@settings(max_examples=30, deadline=None)
@example(17726)  # the human's own plan begins with the robot's whole plan, and goes on
@given(st.integers(0, 100_000))
def test_an_online_explanation_comes_just_in_time(seed):
    case = _pair(seed)
    releases = case.online()
    told = [u for release in releases for u in release.updates]
    if case.plan.actions:
        assert len(told) == len(set(told)) == len(case.mce())
        assert case.human.updated(told).is_optimal(case.plan.actions)
    due = {release.step: release.updates for release in releases}
    assert list(due) == sorted(due) and all(due.values())
    known = []
    for step in range(len(case.plan.actions)):
        known += due.get(step, ())
        model = case.human.updated(known)
        end = model.run(case.plan.actions[: step + 1])
        assert end is not None
        assert end[1] + model.solve(end[0]).cost == model.solve().cost


def test_fetch_is_told_before_the_arm_is_tucked():
    (release,) = FETCH.online()
    assert release.step == 1 and [str(u) for u in release.updates] == [TUCK]
    nothing = Reconciliation(FETCH.robot, FETCH.robot)
    assert nothing.online() == [] and nothing.progressive() == ([], 0.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)]))
def test_the_progressive_order_is_the_best_of_all_orders(seed, weights):
    case = _pair(seed)
    effort, surprise = weights
    order, cost = case.progressive(case.mpe(), effort, surprise)

    def price(sequence):
        told, plan, total = [], case.human.solve(), 0.0
        for update in sequence:
            told.append(update)
            new = case.human.updated(told).solve()
            steps = [p.actions if p else () for p in (plan, new)]
            total += effort + surprise * edit_distance(*steps) ** 2
            plan = new
        return total

    assert sorted(map(str, order)) == sorted(map(str, case.mpe()))
    assert cost == pytest.approx(price(order), abs=1e-9)
    assert cost == pytest.approx(min(map(price, permutations(case.mpe()))), abs=1e-9)


def test_small_steps_beat_one_large_change_of_mind():
    """Rover: told "charged" first the plan changes by two actions at once, or in steps."""
    task = rover()
    case = Reconciliation(task.world(0b00111), task.base)
    order, cost = case.progressive(case.mpe())
    worst = max(
        sum(
            1 + edit_distance(*(case.human.updated(o[:i]).solve().actions for i in (k, k + 1))) ** 2
            for k in range(3)
        )
        for o in permutations(case.mpe())
    )
    assert cost < worst and len(order) == 3


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("", "", 0), ("abc", "", 3), ("abc", "axc", 1), ("abcd", "acd", 1), ("ab", "ba", 2)],
)
def test_edit_distance(a, b, distance):
    assert edit_distance(a, b) == edit_distance(b, a) == distance


def test_the_escape_room_needs_more_to_be_safe_than_to_be_right():
    task = escape_room()
    case = Reconciliation(task.world(0b01011), task.base)
    assert [str(u) for u in case.mce()] == ["EXIT-DOOR-has-precondition-ALARM-OFF"]
    assert {str(u) for u in case.mme()} == {
        "EXIT-DOOR-has-precondition-ALARM-OFF",
        "DISARM-ALARM-has-add-effect-HAS-KEY",
    }
    assert len(case.mpe()) == 3


def test_what_cannot_be_reconciled():
    task = escape_room()
    closed = task.base.updated([f for f in task.facts if f.feature.value == "CELLAR-OPEN"])
    with pytest.raises(ConfigError, match="no plan"):
        lost = type(closed)(closed.fluents, 0, closed.goal, closed.actions)
        Reconciliation(lost, closed)
    with pytest.raises(ConfigError, match="kind of explanation"):
        FETCH.smallest("best")
    with pytest.raises(ConfigError, match="no difference"):
        FETCH.progressive(task.facts[:1])
