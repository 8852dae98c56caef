"""Controls keep what they should and cut what they should."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.controls import (
    ControlConfig,
    flipped_truth,
    label_accuracy,
    random_targets,
    shuffled,
)
from agents.learning.objectives import Targets, Teaching, VerdictRows
from environments.core.keyed import Keyed


def block(n, seed=0, accuracy=0.8, width=3, first=0):
    """Targets that are right with the given probability, and what is around them."""
    draw = Keyed(seed, "block")
    case_id = np.arange(first, first + n)
    n_options = 2 + draw.integers(width - 1, case_id, 0)
    exists = np.arange(width) < n_options[:, None]
    right = draw.integers(n_options, case_id, 1)
    wrong = (right + 1 + draw.integers(n_options - 1, case_id, 2)) % n_options
    label = np.where(draw.uniform(case_id, 3) < accuracy, right, wrong)
    raw = np.where(exists, draw.uniform(case_id, 4, shape=(width,)), 0.0)
    raw[np.arange(n), label] = 1.0 + draw.uniform(case_id, 5)
    weight = (draw.uniform(case_id, 6) < 0.9).astype(float)
    target = np.where((weight > 0)[:, None], raw / raw.sum(axis=1, keepdims=True), 0.0)
    naive = np.where(exists, draw.uniform(case_id, 7, shape=(width,)), 0.0)
    prior = VerdictRows(
        naive / naive.sum(axis=1, keepdims=True), naive.argmax(axis=1), np.zeros(n, int), case_id
    )
    teaching = Teaching(case_id, 1, 0, n_options, {"naive": prior}, {})
    return Targets(target, weight, 1000 + case_id), teaching, prior, right


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 60), seed=st.integers(0, 10**6))
def test_shuffling_moves_every_target_to_another_case_of_its_kind(n, seed):
    targets, teaching, prior, _ = block(n, seed)
    got = shuffled(targets, teaching, prior)
    source = got.room_id - 1000
    assert sorted(source) == list(range(n))  # a permutation
    np.testing.assert_array_equal(teaching.n_options[source], teaching.n_options)
    counts = {k: (teaching.n_options == k).sum() for k in (2, 3)}
    alone = np.array([counts[k] == 1 for k in teaching.n_options])
    np.testing.assert_array_equal(source == np.arange(n), alone)
    np.testing.assert_array_equal(got.weight, np.where(alone, 0, targets.weight[source]))
    kept = got.weight > 0
    np.testing.assert_array_equal(got.target[kept], targets.target[source][kept])


def test_shuffling_stays_inside_strata_of_prior_confidence():
    targets, teaching, prior, _ = block(400, 3, width=2)
    confidence = prior.probs.max(axis=1)
    got = shuffled(targets, teaching, prior, ControlConfig(strata=4))
    rank = np.argsort(np.argsort(-confidence))
    np.testing.assert_array_equal(rank // 100, (rank // 100)[got.room_id - 1000])
    coarse = shuffled(targets, teaching, prior, ControlConfig(strata=1)).room_id - 1000
    assert (rank // 100 != (rank // 100)[coarse]).mean() > 0.5


def test_shuffling_cuts_the_link_to_the_case():
    targets, teaching, prior, right = block(4000, 4, accuracy=0.95, width=2)
    assert label_accuracy(targets, right) > 0.93
    assert abs(label_accuracy(shuffled(targets, teaching, prior), right) - 0.5) < 0.04


def test_a_random_judge_keeps_sharpness_and_knows_nothing():
    targets, teaching, _, right = block(4000, 5, accuracy=0.95, width=3)
    got = random_targets(targets, teaching)
    np.testing.assert_allclose(np.sort(got.target, axis=1), np.sort(targets.target, axis=1))
    assert not got.target[np.arange(3) >= teaching.n_options[:, None]].any()
    np.testing.assert_array_equal(got.weight, targets.weight)
    two = teaching.n_options == 2
    for options, chance in ((two, 1 / 2), (~two, 1 / 3)):
        part = Targets(got.target[options], got.weight[options], got.room_id[options])
        assert abs(label_accuracy(part, right[options]) - chance) < 0.04


def test_flipped_truth_matches_accuracy_and_sharpness_but_not_errors():
    targets, teaching, _, right = block(6000, 6, accuracy=0.75)
    got = flipped_truth(targets, teaching, targets, right)
    np.testing.assert_allclose(np.sort(got.target, axis=1), np.sort(targets.target, axis=1))
    want = label_accuracy(targets, right)
    assert abs(label_accuracy(got, right) - want) < 0.02
    kept = got.weight > 0
    errors = (got.target.argmax(1) != right)[kept]
    original = (targets.target.argmax(1) != right)[kept]
    assert abs(np.corrcoef(errors, original)[0, 1]) < 0.05  # independent of the judge's errors
    assert not got.target[np.arange(3) >= teaching.n_options[:, None]].any()


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_flipped_truth_at_its_ends_is_exact(accuracy):
    targets, teaching, _, right = block(300, 7, accuracy=accuracy)
    got = flipped_truth(targets, teaching, targets, right)
    assert label_accuracy(got, right) == accuracy


def test_flipped_truth_follows_the_truth_it_is_given():
    """Permuting the truth turns the labels round, which no honest arm's targets may do."""
    targets, teaching, _, right = block(500, 8, accuracy=0.75, width=2)
    one = flipped_truth(targets, teaching, targets, right)
    mirrored = replace(targets, target=targets.target[:, ::-1])
    other = flipped_truth(mirrored, teaching, mirrored, 1 - right)
    kept = one.weight > 0
    np.testing.assert_array_equal(
        other.target.argmax(axis=1)[kept], 1 - one.target.argmax(axis=1)[kept]
    )


def test_controls_do_not_depend_on_the_order_of_cases():
    targets, teaching, prior, right = block(40, 9)
    order = np.random.default_rng(0).permutation(40)

    def take(t):
        return Targets(t.target[order], t.weight[order], t.room_id[order])

    moved = Teaching(teaching.case_id[order], 1, 0, teaching.n_options[order], {}, {})
    moved_prior = VerdictRows(
        *(getattr(prior, f)[order] for f in ("probs", "choice", "fault", "room_id"))
    )
    pairs = (
        (shuffled(targets, teaching, prior), shuffled(take(targets), moved, moved_prior)),
        (random_targets(targets, teaching), random_targets(take(targets), moved)),
        (
            flipped_truth(targets, teaching, targets, right),
            flipped_truth(take(targets), moved, take(targets), right[order]),
        ),
    )
    for here, there in pairs:
        np.testing.assert_array_equal(take(here).target, there.target)
        np.testing.assert_array_equal(take(here).weight, there.weight)


def test_controls_leave_their_arguments_alone():
    targets, teaching, prior, right = block(30, 10)
    for array in (targets.target, targets.weight, targets.room_id, prior.probs):
        array.flags.writeable = False
    shuffled(targets, teaching, prior)
    random_targets(targets, teaching)
    flipped_truth(targets, teaching, targets, right)
