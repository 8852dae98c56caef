"""Objectives: exact targets, exact weights, and who may see the truth."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents import OBJECTIVES
from agents.learning.learner import weighted_cross_entropy
from agents.learning.objectives import (
    Alignment,
    AlignmentConfig,
    Facilitation,
    FacilitationConfig,
    NoUpdate,
    NoUpdateConfig,
    SelfTraining,
    SelfTrainingConfig,
    Teaching,
    Truth,
    TruthConfig,
    Verdict,
    VerdictConfig,
    VerdictRows,
)
from agents.learning.weak_to_strong.objective import WeakLabels, WeakLabelsConfig
from coordination.messages import Fault
from environments.core.errors import ConfigError

NAN = np.nan
N_OPTIONS = np.array([3, 2, 3, 2])
JUDGE = np.array([[0.2, 0.7, 0.1], [0.6, 0.4, 0.0], [NAN, NAN, NAN], [0.5, 0.5, 0.0]])
STRONG = np.array([[0.0, 1.0, 0.0], [NAN, NAN, NAN], [0.3, 0.3, 0.4], [0.9, 0.1, 0.0]])
OWN = np.array([[0.1, 0.2, 0.7], [0.8, 0.2, 0.0], [0.4, 0.5, 0.1], [NAN, NAN, NAN]])
ROOMS = np.array([11, 12, 13, 14])


def teaching(**changes):
    verdict = VerdictRows(
        probs=JUDGE,
        choice=np.array([1, 0, 2, -1]),
        fault=np.array([Fault.NONE, Fault.UNPARSABLE, Fault.NONE, Fault.NONE]),
        room_id=ROOMS,
    )
    given = {
        "case_id": np.array([4, 3, 2, 1]),
        "replicate": 0,
        "seed": 0,
        "n_options": N_OPTIONS,
        "verdicts": {"debate": verdict},
        "stated": {"explanation.advisor": STRONG},
        "own": OWN,
        "reveal": None,
    }
    return Teaching(**{**given, **changes})


def test_every_registered_objective_says_what_it_is():
    for name in OBJECTIVES.shipped():
        cls = OBJECTIVES.get(name)
        assert cls.Config().name == name
        assert OBJECTIVES.describe(name)[0]
        assert cls(cls.Config()).needs() is not None
    assert [n for n in OBJECTIVES.shipped() if OBJECTIVES.get(n).spends_truth] == ["truth"]


def test_no_update_gives_no_sample():
    targets = NoUpdate(NoUpdateConfig()).targets(teaching())
    assert not targets.weight.any() and not targets.target.any()
    assert targets.target.shape == (4, 3)


def test_verdict_is_the_judges_posterior_and_bad_rulings_are_no_samples():
    objective = Verdict(VerdictConfig(conversation="debate"))
    assert objective.needs().conversations == {"debate"} and not objective.needs().own
    targets = objective.targets(teaching())
    # Decided; unparsable; decided without probabilities (hard); inconclusive.
    np.testing.assert_array_equal(targets.weight, [1, 0, 1, 0])
    np.testing.assert_array_equal(
        targets.target, [[0.2, 0.7, 0.1], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    )
    np.testing.assert_array_equal(targets.room_id, ROOMS)


def test_facilitation_follows_what_the_strong_agent_stated():
    objective = Facilitation(FacilitationConfig())
    assert objective.needs().stated == {"explanation.advisor"}
    targets = objective.targets(teaching())
    np.testing.assert_array_equal(targets.weight, [1, 0, 1, 1])
    np.testing.assert_array_equal(targets.target, np.nan_to_num(STRONG))


@given(share=st.floats(0, 1))
def test_alignment_is_the_weighted_sum_of_the_two_losses(share):
    """The identity λ·w_Φ·CE(Φ) + (1−λ)·w_D·CE(D) = w·CE(target), for any student."""
    log_q = torch.tensor([[0.1, -2.0, 0.7]] * 4, dtype=torch.float64).log_softmax(-1).numpy()
    strong = Facilitation(FacilitationConfig()).targets(teaching())
    judge = Verdict(VerdictConfig()).targets(teaching())
    both = Alignment(AlignmentConfig(facilitation=share)).targets(teaching())

    def loss(targets):
        return -targets.weight * (targets.target * log_q).sum(axis=1)

    np.testing.assert_allclose(loss(both), share * loss(strong) + (1 - share) * loss(judge))
    sums = both.target.sum(axis=1)
    np.testing.assert_allclose(sums[both.weight > 0], 1.0)


def test_alignment_at_its_ends_is_one_of_the_two():
    strong = Facilitation(FacilitationConfig()).targets(teaching())
    judge = Verdict(VerdictConfig()).targets(teaching())
    for share, part in ((1.0, strong), (0.0, judge)):
        both = Alignment(AlignmentConfig(facilitation=share)).targets(teaching())
        np.testing.assert_array_equal(both.target, part.target)
        np.testing.assert_array_equal(both.weight, part.weight)
    with pytest.raises(ConfigError, match="got 1.5, allowed: 0 to 1"):
        Alignment(AlignmentConfig(facilitation=1.5))


def test_self_training_is_hard_because_soft_own_targets_have_no_gradient():
    objective = SelfTraining(SelfTrainingConfig())
    assert objective.needs().own
    targets = objective.targets(teaching())
    np.testing.assert_array_equal(targets.target, [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(targets.weight, [1, 1, 1, 0])

    scores = torch.tensor(np.log(OWN[[0, 2]]), requires_grad=True)
    weighted_cross_entropy(scores, torch.tensor(OWN[[0, 2]])).backward()
    assert scores.grad.abs().max() < 1e-15
    scores.grad = None
    weighted_cross_entropy(scores, torch.tensor(targets.target[[0, 2]])).backward()
    assert scores.grad.abs().max() > 0.1


def test_only_the_ceiling_spends_truth_and_it_is_charged():
    spent = Counter()
    right = np.array([2, 1, 0, 0])

    def reveal(purpose):
        spent[purpose] += len(right)
        return right

    for name in OBJECTIVES.shipped():
        cls = OBJECTIVES.get(name)
        if name == "weak_labels":  # the objective of another engine, see below
            continue
        cls(cls.Config()).targets(teaching(reveal=reveal))
    assert spent == {"ceiling": 4}
    targets = Truth(TruthConfig()).targets(teaching(reveal=reveal))
    np.testing.assert_array_equal(targets.target, np.eye(3)[right])
    assert targets.weight.tolist() == [1, 1, 1, 1]


def test_weak_labels_are_not_for_scenarios_of_ticks():
    with pytest.raises(ConfigError, match="weak_to_strong section"):
        WeakLabels(WeakLabelsConfig()).targets(teaching())


def test_what_is_missing_is_named():
    for objective, match in (
        (Truth(TruthConfig()), "access to the truth"),
        (Verdict(VerdictConfig(conversation="duel")), "'duel'; allowed: debate"),
        (Facilitation(FacilitationConfig(seat="judge")), "'explanation.judge'; allowed: expl"),
        (SelfTraining(SelfTrainingConfig()), "own answers"),
    ):
        with pytest.raises(ConfigError, match=match):
            objective.targets(teaching(own=None))


def test_gradient_of_the_loss_is_weight_times_student_minus_target():
    torch.manual_seed(0)
    scores = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    target = torch.rand(5, 3, dtype=torch.float64).softmax(-1)
    weight = torch.tensor([1.0, 0.0, 0.5, 1.0, 0.25], dtype=torch.float64)
    loss = weighted_cross_entropy(scores, weight[:, None] * target)
    loss.backward()
    want = weight[:, None] * (scores.detach().softmax(-1) - target) / 5
    torch.testing.assert_close(scores.grad, want)
    assert torch.autograd.gradcheck(
        lambda s: weighted_cross_entropy(s, weight[:, None] * target), (scores,)
    )
