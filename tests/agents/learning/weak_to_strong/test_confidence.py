"""The auxiliary confidence loss against an independent computation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.learner import weighted_cross_entropy
from agents.learning.weak_to_strong.confidence import AuxiliaryConfidence, ConfidenceConfig
from environments.core.errors import ConfigError


def _probs(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    return rng.dirichlet(np.ones(k), size=n)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.0), (5, 0.1875), (10, 0.375), (19, 0.7125), (20, 0.75), (21, 0.75), (99, 0.75)],
)
def test_alpha_rises_linearly_and_stays(step: int, expected: float) -> None:
    loss = AuxiliaryConfidence(ConfidenceConfig(alpha_max=0.75, warmup=0.2))
    assert loss.alpha(step, 100) == pytest.approx(expected, abs=1e-15)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
def test_two_options_harden_exactly_the_weak_share(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    probs, weak = _probs(rng, n, 2), _probs(rng, n, 2)
    hard = AuxiliaryConfidence(ConfidenceConfig(buffer=0)).harden(probs, weak)
    # Continuous draws have no ties, so the share is exact.
    assert hard[:, 1].sum() == np.rint(weak[:, 1].mean() * n)
    # Those above the threshold are the most probable ones.
    assert probs[hard[:, 1] == 0, 1].max(initial=-1) <= probs[hard[:, 1] == 1, 1].min(initial=2)


def test_median_variant_halves_the_batch() -> None:
    rng = np.random.default_rng(0)
    loss = AuxiliaryConfidence(ConfidenceConfig(balance="median", buffer=0))
    hard = loss.harden(_probs(rng, 40, 2), _probs(rng, 40, 2))
    assert hard[:, 1].sum() == 20


@pytest.mark.parametrize("step", [0, 3, 50])
def test_loss_equals_an_independent_computation(step: int) -> None:
    """CE(f, (1 - α) f_weak + α f̂), written out with torch.quantile, also past the warm-up."""
    rng = np.random.default_rng(step)
    scores = torch.tensor(rng.normal(size=(16, 2)), dtype=torch.float64, requires_grad=True)
    weak = _probs(rng, 16, 2)
    loss = AuxiliaryConfidence(ConfidenceConfig(alpha_max=0.5, warmup=0.1, buffer=0))
    probs = scores.detach().softmax(-1).numpy()
    ours = weighted_cross_entropy(scores, torch.tensor(loss.targets(probs, weak, step, 100)))

    p = torch.tensor(probs[:, 1])
    positives = round(float(weak[:, 1].mean()) * 16)
    cut = torch.sort(p, descending=True).values[positives - 1]
    hat = (p >= cut).double()
    alpha = 0.5 * min(1.0, step / 10)
    goal = (1 - alpha) * torch.tensor(weak[:, 1]) + alpha * hat
    theirs = torch.nn.functional.binary_cross_entropy(scores.softmax(-1)[:, 1], goal)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-12)
    assert torch.allclose(
        torch.autograd.grad(ours, scores)[0], torch.autograd.grad(theirs, scores)[0]
    )


@given(seed=st.integers(0, 1000), k=st.integers(3, 5))
def test_many_options_keep_the_weak_shares(seed: int, k: int) -> None:
    """The declared multi-class form: balanced probabilities have the weak labels' class means."""
    rng = np.random.default_rng(seed)
    probs, weak = _probs(rng, 200, k), _probs(rng, 200, k)
    hard = AuxiliaryConfidence(ConfidenceConfig(buffer=0)).harden(probs, weak)
    assert (hard.sum(axis=1) == 1).all()
    # Hard shares follow the soft ones only roughly: 200 cases, sampling error about .035 per class.
    assert np.abs(hard.mean(axis=0) - weak.mean(axis=0)).max() < 0.15


def test_many_options_agree_with_the_plain_argmax_where_nothing_is_out_of_balance() -> None:
    rng = np.random.default_rng(1)
    probs = _probs(rng, 500, 4)
    hard = AuxiliaryConfidence(ConfidenceConfig(buffer=0)).harden(probs, probs)
    assert (hard.argmax(axis=1) == probs.argmax(axis=1)).mean() > 0.99


def test_tiny_minibatches_are_balanced_over_the_buffer() -> None:
    """With one case at a time the threshold comes from earlier cases, not from itself alone."""
    rng = np.random.default_rng(2)
    probs = np.stack([1 - (p := rng.uniform(size=400)), p], axis=1)
    weak = np.tile([0.7, 0.3], (400, 1))
    loss = AuxiliaryConfidence(ConfidenceConfig(buffer=200))
    hard = np.concatenate([loss.harden(probs[i : i + 1], weak[i : i + 1]) for i in range(400)])
    # 200 cases after the buffer is full: standard error .032.
    assert abs(hard[200:, 1].mean() - 0.3) < 0.1
    alone = AuxiliaryConfidence(ConfidenceConfig(buffer=0))
    single = np.concatenate([alone.harden(probs[i : i + 1], weak[i : i + 1]) for i in range(400)])
    assert single[:, 1].mean() == 0.0  # rint(.3) = 0 positives in a batch of one


def test_the_buffer_is_bounded_and_holds_no_graph() -> None:
    rng = np.random.default_rng(3)
    loss = AuxiliaryConfidence(ConfidenceConfig(buffer=32))
    for _ in range(50):
        loss.harden(_probs(rng, 8, 2), _probs(rng, 8, 2))
    assert sum(map(len, loss._probs)) < 32 + 8 + 1
    assert all(isinstance(part, np.ndarray) for part in loss._probs)


def test_an_option_that_does_not_exist_is_never_the_hard_label() -> None:
    probs = np.array([[0.6, 0.4, 0.0], [0.2, 0.3, 0.5]])
    weak = np.array([[0.1, 0.9, 0.0], [0.0, 0.1, 0.9]])
    hard = AuxiliaryConfidence(ConfidenceConfig(buffer=0)).harden(probs, weak)
    assert hard[0, 2] == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("alpha_max", 1.5), ("warmup", -0.1), ("balance", "mean"), ("buffer", -1)],
)
def test_values_out_of_range(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"confidence.{key}: given"):
        AuxiliaryConfidence(ConfidenceConfig(**{key: value}))
