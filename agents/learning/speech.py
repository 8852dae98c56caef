"""Language models that practise: debaters on speeches, judges on rulings, by the same objectives.

A speech's choices are its tokens; a ruling is one choice among options. What they earned decides
which become more likely (`agents.learning.practice`); the weights that a trainee starts from are
its frozen reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.learning.interface import Weights
from agents.learning.practice import REINFORCE, PracticeConfig, check, loss_of
from agents.learning.student import Student
from environments.core.errors import DataError

if TYPE_CHECKING:
    import torch

    from agents.language_model.backbone import Backbone
    from agents.language_model.scoring import Encoded

Choices = Callable[[], "tuple[torch.Tensor, torch.Tensor]"]
"""Computes log-probabilities [n, T] of the choices made, and which exist, under bound weights."""


class Trainee:
    """One language model that learns from what it earned.

    Args:
        backbone: The model; other trainees may share it, each binds its own weights.
        weights: What it starts from, and its frozen reference.
        config: Objective and its numbers.

    Raises:
        ConfigError: For numbers that cannot train.
    """

    def __init__(self, backbone: Backbone, weights: Weights, config: PracticeConfig) -> None:
        check(config, "practice")
        self._backbone = backbone
        self._config = config
        self._reference = backbone.frozen_parameters(weights)
        self._student = Student(
            backbone.tensors(weights), config.learning_rate, 0.0, config.clip_norm
        )

    def weights(self) -> Weights:
        """Return its present weights, read-only copies."""
        return self._student.weights()

    def speeches(
        self,
        prompts: Sequence[Sequence[int]],
        speeches: Sequence[Sequence[int]],
        reward: NDArray[np.float64],
        group: NDArray[np.int64],
    ) -> float:
        """Learn from speeches that these weights wrote.

        Args:
            prompts: n token sequences, none empty.
            speeches: n token sequences that continued them, the end token included; an empty one
                teaches nothing.
            reward: [n] what the judge, or the principal, gave.
            group: [n] ids; speeches of a group answered the same prompt.

        Returns:
            The mean loss before the first step; 0 if there was nothing to learn.

        Raises:
            DataError: For an empty prompt, or a sequence longer than the model's limit.
        """
        limit = self._backbone.max_length
        for prompt, speech in zip(prompts, speeches, strict=True):
            if not len(prompt) or len(prompt) + len(speech) > limit:
                raise DataError(
                    f"practice: a prompt of {len(prompt)} and a speech of {len(speech)} tokens; "
                    f"allowed: a prompt of at least one, together at most {limit}"
                )
        return self._practise(
            lambda: speech_log_probs(self._backbone, prompts, speeches), reward, group
        )

    def rulings(
        self,
        cases: Sequence[Encoded],
        choice: NDArray[np.int64],
        reward: NDArray[np.float64],
        group: NDArray[np.int64],
    ) -> float:
        """Learn from rulings that were drawn from these weights' distribution over options.

        Args:
            cases: n scoring prompts (see `agents.language_model.scoring`).
            choice: [n] option chosen.
            reward: [n] what the principal gave.
            group: [n] ids; rulings of a group were about the same prompt.

        Returns:
            The mean loss before the first step; 0 if there was nothing to learn.
        """
        return self._practise(
            lambda: ruling_log_probs(self._backbone, cases, choice), reward, group
        )

    def _practise(
        self, choices: Choices, reward: NDArray[np.float64], group: NDArray[np.int64]
    ) -> float:
        import torch

        with torch.no_grad():
            self._backbone.bind(self._reference)
            reference, _ = choices()
            self._backbone.bind(self._student.parameters)
            old, _ = choices()
        first = 0.0
        steps = 1 if self._config.objective == REINFORCE else self._config.epochs
        for step in range(steps):
            log_probs, mask = choices()
            losses = loss_of(self._config, log_probs, old, reference, mask, reward, group)
            if not len(losses):  # no group in which anything was better than anything else
                return 0.0
            loss = losses.mean()
            if step == 0:
                first = float(loss.detach())
            self._student.step(loss)
        return first


def speech_log_probs(
    backbone: Backbone, prompts: Sequence[Sequence[int]], speeches: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log p of every token of speeches given what came before, under the bound weights.

    Args:
        backbone: The model.
        prompts: n token sequences, none empty.
        speeches: n token sequences.

    Returns:
        [n, T] float32 log-probabilities and [n, T] mask; T is the longest speech (at least 1).
    """
    import torch

    before = np.array([len(prompt) for prompt in prompts])
    sizes = np.array([len(speech) for speech in speeches])
    width, length = max(1, int(sizes.max())), int((before + sizes).max())
    ids = np.zeros((len(prompts), length), dtype=np.int64)
    for row, (prompt, speech) in enumerate(zip(prompts, speeches, strict=True)):
        ids[row, : before[row] + sizes[row]] = [*prompt, *speech]
    written = np.arange(width) < sizes[:, None]
    rows, step = np.nonzero(written)
    place = before[rows] + step
    device = backbone.device
    # Padding is on the right, where a causal model's tokens never look: no mask is needed.
    logits = backbone.logits_at(
        {"input_ids": torch.from_numpy(ids).to(device)},
        torch.from_numpy(rows).to(device),
        torch.from_numpy(place - 1).to(device),
    ).float()
    tokens = torch.from_numpy(ids[rows, place]).to(device)
    each = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    mask = torch.from_numpy(written).to(device)
    log_probs = torch.zeros(mask.shape, device=device).masked_scatter(mask, each)
    return log_probs, mask.float()


def ruling_log_probs(
    backbone: Backbone, cases: Sequence[Encoded], choice: NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log-probability of the chosen option of each case, as sequences of one choice.

    Args:
        backbone: The model.
        cases: n scoring prompts.
        choice: [n]

    Returns:
        [n, 1] log-probabilities and a mask of ones.
    """
    import torch

    from agents.language_model.scoring import collate, score

    width = max(len(case.tails) for case in cases)
    scores = score(backbone, collate(backbone, cases, width)).log_softmax(-1)
    chosen = scores.gather(1, torch.from_numpy(np.asarray(choice)).to(scores.device)[:, None])
    return chosen, torch.ones_like(chosen)
