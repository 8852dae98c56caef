"""The trainer: what it may see, when it stops, and that it is a pure function."""

import numpy as np
import pytest
import torch

from agents.language_model.config import LanguageModelConfig, ModelConfig
from agents.learning.interface import CaseTexts
from agents.learning.settings import LearnerSettings
from agents.learning.weak_to_strong.generative import language_batches, language_loss
from agents.learning.weak_to_strong.trainer import Trainer, Validation

WORDS = tuple(f"w{i}" for i in range(12))
SMALL = LanguageModelConfig(
    model=ModelConfig(hidden_size=8, intermediate_size=16, layers=1, heads=2)
)


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    torch.set_num_threads(1)
    settings = LearnerSettings(batch_size=8, epochs=3, learning_rate=1e-2, device="cpu")
    return Trainer(SMALL, settings, 0, WORDS)


def _cases(n: int, seed: int = 0) -> tuple[CaseTexts, np.ndarray]:
    """The right option is the word that stands in the context."""
    rng = np.random.default_rng(seed)
    context, options, truth = [], [], []
    for _ in range(n):
        right, wrong = rng.choice(len(WORDS), size=2, replace=False)
        place = int(rng.integers(2))
        pair = (WORDS[right], WORDS[wrong]) if place == 0 else (WORDS[wrong], WORDS[right])
        context.append(WORDS[right])
        options.append(pair)
        truth.append(place)
    return CaseTexts(np.arange(n), context, options), np.array(truth)


def _one_hot(truth: np.ndarray) -> np.ndarray:
    return (np.arange(2) == truth[:, None]).astype(float)


def test_a_fit_is_a_pure_function_of_its_arguments(trainer: Trainer) -> None:
    texts, truth = _cases(24)
    start, chosen = trainer.initial(1), np.ones(24, dtype=bool)
    first, fit = trainer.fit(start, texts, _one_hot(truth), chosen, 1)
    trainer.fit(start, texts, _one_hot(1 - truth), chosen, 2)  # something else in between
    second, again = trainer.fit(start, texts, _one_hot(truth), chosen, 1)
    assert all((first[name] == second[name]).all() for name in first)
    assert fit == again and fit.steps == 9 and fit.kept_epoch == 3


def test_cases_that_are_not_chosen_change_nothing(trainer: Trainer) -> None:
    texts, truth = _cases(24)
    chosen = np.arange(24) < 16
    poisoned = np.where(chosen, truth, 1 - truth)
    start = trainer.initial(0)
    first, _ = trainer.fit(start, texts, _one_hot(truth), chosen, 0)
    second, _ = trainer.fit(start, texts, _one_hot(poisoned), chosen, 0)
    assert all((first[name] == second[name]).all() for name in first)


def test_generative_finetuning_never_reads_a_label(trainer: Trainer) -> None:
    """Its interface has no place for one; the order of the options is all that it could learn."""
    texts, _ = _cases(16)
    weights = trainer.read(trainer.initial(0), texts, 1, 0)
    flipped = CaseTexts(texts.case_id, texts.context, [o[::-1] for o in texts.options])
    other = trainer.read(trainer.initial(0), flipped, 1, 0)
    start = trainer.initial(0)
    moved = max(float(np.abs(weights[name] - start[name]).max()) for name in weights)
    apart = max(float(np.abs(weights[name] - other[name]).max()) for name in weights)
    assert moved > 1e-3
    assert apart < 1e-5  # the same sequences in another order within the minibatch


def test_language_loss_is_the_mean_next_token_loss(trainer: Trainer) -> None:
    texts, _ = _cases(3)
    backbone = trainer.backbone
    trainer.predict(trainer.initial(0), texts, 2)  # binds weights
    cases = trainer._encoded(texts, np.arange(3))
    [(tokens, real)] = language_batches(cases, 8)
    total, count = 0.0, 0
    for row, mask in zip(tokens, real, strict=True):
        ids = torch.tensor(row[mask])[None]
        logits = backbone.model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
        total -= logits[torch.arange(ids.shape[1] - 1), ids[0, 1:]].sum().item()
        count += ids.shape[1] - 1
    assert language_loss(backbone, tokens, real).item() == pytest.approx(total / count, abs=1e-5)


def test_early_stopping_keeps_the_best_epoch(trainer: Trainer) -> None:
    """Validation labels that contradict the training labels get worse with every epoch."""
    texts, truth = _cases(32)
    chosen = np.ones(32, dtype=bool)
    against = Validation(texts, _one_hot(1 - truth))
    weights, fit = trainer.fit(
        trainer.initial(0), texts, _one_hot(truth), chosen, 0, validation=against
    )
    assert len(fit.validation) == 3
    assert fit.kept_epoch == 1 + int(np.argmin(fit.validation))
    probs = trainer.predict(weights, texts, 2)
    kept = -(against.target * np.log(probs)).sum(axis=1).mean()
    assert kept == pytest.approx(min(fit.validation), abs=1e-6)


def test_features_tell_options_apart(trainer: Trainer) -> None:
    texts, _ = _cases(10)
    found = trainer.features(trainer.initial(0), texts, 2)
    assert found.shape == (10, 2, 8)
    assert not np.allclose(found[:, 0], found[:, 1])
