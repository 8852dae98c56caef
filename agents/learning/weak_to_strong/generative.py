"""Generative finetuning: the plain language-model loss on task texts, without labels.

Burns et al. 2023, section 5.2.2: a student that has read the task's texts finds the task's concept
more salient. No label enters: every option of a case is read, the wrong ones too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.language_model.backbone import Backbone
from agents.language_model.scoring import MULTIPLE, Encoded

if TYPE_CHECKING:
    import torch


def language_batches(
    cases: Sequence[Encoded], size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield the token sequences of cases, one for each option, padded.

    Args:
        cases: Encoded cases; each option's sequence is the case's text and the option.
        size: Cases in a batch.

    Yields:
        ``(tokens [R, T], real [R, T])``.
    """
    for start in range(0, len(cases), size):
        rows = [
            (*case.prefix, *tail) for case in cases[start : start + size] for tail in case.tails
        ]
        length = -(-max(map(len, rows)) // MULTIPLE) * MULTIPLE
        tokens = np.zeros((len(rows), length), dtype=np.int64)
        real = np.zeros((len(rows), length), dtype=bool)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
            real[place, : len(row)] = True
        yield tokens, real


def language_loss(
    backbone: Backbone, tokens: NDArray[np.int64], real: NDArray[np.bool_]
) -> torch.Tensor:
    """Return the mean negative log-likelihood of every token given those before it.

    Args:
        backbone: With the weights bound.
        tokens: [R, T] padded on the right, where a causal model does not look.
        real: [R, T] which tokens are text.
    """
    import torch

    rows, positions = np.nonzero(real[:, 1:])
    device = backbone.device
    inputs = {"input_ids": torch.from_numpy(tokens).to(device)}
    place = (torch.from_numpy(rows).to(device), torch.from_numpy(positions).to(device))
    logits = backbone.logits_at(inputs, *place).float()
    following = torch.from_numpy(tokens[rows, positions + 1]).to(device)
    return torch.nn.functional.cross_entropy(logits, following)
