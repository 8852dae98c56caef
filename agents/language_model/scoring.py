"""Scores of options: prompts to padded batches, batches to scores.

Two ways, chosen by ``scoring`` in the configuration:

* ``verdict``: s_k = log p(yes | prompt, option k) − log p(no | prompt, option k), the log-odds that
  the model calls the option right (P(True): Kadavath et al. 2022, arXiv 2207.05221);
* ``option``: s_k = Σ_t log p(token t of option k | prompt, earlier tokens), or its mean.

The distribution over options is the softmax of the scores. Logits are computed only at the
positions that a score needs.

Layout. Where the model allows it (`Backbone.shares_context`), a case is one sequence::

    tokens      context … | option 0 … | option 1 …
    positions   0 … P-1   | P, P+1 …   | P, P+1 …
    attends to  context   | context, itself        | context, itself

which is exactly what separate sequences compute, without computing the context K times. Otherwise
each option is a sequence of its own. Lengths and numbers of sequences are padded to multiples of 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.language_model.backbone import Backbone
from agents.language_model.prompts import ScoringPrompt
from environments.core.keyed import name_key

if TYPE_CHECKING:
    import torch

MULTIPLE = 8
"""Sequences and lengths are padded to a multiple of this."""
HIDDEN = -1e9
"""Additive attention mask, and score of an option that does not exist."""


@dataclass(frozen=True)
class Encoded:
    """A scoring prompt as token ids."""

    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """Tokens that the model reads for this prompt, the context counted once."""
        return len(self.prefix) + sum(map(len, self.tails))

    @property
    def longest(self) -> int:
        """Length of the longest single sequence."""
        return len(self.prefix) + max(map(len, self.tails))

    @property
    def fits(self) -> bool:
        """Whether there is something to condition on and something to score."""
        return bool(self.prefix) and all(self.tails)


@dataclass(frozen=True)
class Batch:
    """Padded tensors of n cases with K options, ready for any weights of the model."""

    inputs: dict[str, torch.Tensor]
    """``input_ids`` [R, T] and, with a shared context, ``position_ids`` and ``attention_mask``."""
    rows: torch.Tensor
    """[Q] row of each position where a logit is needed."""
    positions: torch.Tensor
    """[Q] that position."""
    targets: torch.Tensor
    """[Q] token whose probability is wanted (``option`` scoring)."""
    slots: torch.Tensor
    """[Q] case × K + option that the logit belongs to."""
    lengths: torch.Tensor
    """[n, K] scored tokens of each option (1 where it does not exist)."""
    exists: torch.Tensor
    """[n, K] whether the option exists."""


def encode(backbone: Backbone, prompts: Sequence[ScoringPrompt]) -> list[Encoded]:
    """Return the prompts as token ids."""
    pieces = [
        piece for prompt in prompts for part in (prompt.prefix, *prompt.tails) for piece in part
    ]
    ids = iter(backbone.encoder.encode(pieces))

    def joined(part: Sequence) -> tuple[int, ...]:
        return tuple(i for _ in part for i in next(ids))

    return [
        Encoded(joined(prompt.prefix), tuple(joined(tail) for tail in prompt.tails))
        for prompt in prompts
    ]


def collate(backbone: Backbone, cases: Sequence[Encoded], width: int) -> Batch:
    """Return one padded batch.

    Args:
        backbone: The model that will read it.
        cases: n prompts; each ``fits``.
        width: K, at least the largest number of options.
    """
    import torch

    layout = _shared(cases) if backbone.shares_context else _separate(cases)
    counts = np.array([len(case.tails) for case in cases])
    exists = np.arange(width) < counts[:, None]
    lengths = np.ones((len(cases), width), dtype=np.int64)
    rows: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    slots: list[int] = []
    verdict = backbone.config.scoring == "verdict"
    for n, case in enumerate(cases):
        for k, tail in enumerate(case.tails):
            row, start = layout.place[n][k]
            slot = n * width + k
            if verdict:
                rows.append(row)
                positions.append(start + len(tail) - 1)
                targets.append(0)
                slots.append(slot)
                continue
            # The first token is predicted at the end of the context, the others one by one.
            before = [len(case.prefix) - 1, *range(start, start + len(tail) - 1)]
            rows += [row] * len(tail)
            positions += before
            targets += tail
            slots += [slot] * len(tail)
            lengths[n, k] = len(tail)
    device = backbone.device

    def on_device(array: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(array)).to(device)

    inputs = {name: on_device(value) for name, value in layout.inputs.items()}
    if "attention_mask" in inputs:
        inputs["attention_mask"] = inputs["attention_mask"].to(backbone.model.dtype)
    return Batch(
        inputs,
        on_device(np.array(rows, dtype=np.int64)),
        on_device(np.array(positions, dtype=np.int64)),
        on_device(np.array(targets, dtype=np.int64)),
        on_device(np.array(slots, dtype=np.int64)),
        on_device(lengths),
        on_device(exists),
    )


def score(backbone: Backbone, batch: Batch) -> torch.Tensor:
    """Return the scores of all options under the bound weights, differentiable.

    Returns:
        [n, K] float32; `HIDDEN` where an option does not exist.
    """
    import torch

    if backbone.config.scoring == "verdict":
        terms = backbone.log_odds_at(batch.inputs, batch.rows, batch.positions).float()
    else:
        logits = backbone.logits_at(batch.inputs, batch.rows, batch.positions).float()
        terms = logits.log_softmax(-1).gather(1, batch.targets[:, None])[:, 0]
    total = torch.zeros(batch.exists.numel(), dtype=terms.dtype, device=terms.device)
    scores = total.index_add(0, batch.slots, terms).view(batch.exists.shape)
    if backbone.config.normalize_length:
        scores = scores / batch.lengths
    return scores.masked_fill(~batch.exists, HIDDEN)


def micro_batches(
    backbone: Backbone, cases: Sequence[Encoded], case_id: NDArray[np.int64], width: int
) -> list[tuple[NDArray[np.int64], Batch]]:
    """Cut cases into padded batches in canonical order.

    Prompts are sorted by (padded length, case id, content), so membership is a function of the set
    of prompts alone, not of the order in which they came.

    Args:
        backbone: The model.
        cases: Distinct prompts; each ``fits``.
        case_id: [len(cases)] their cases.
        width: K.

    Returns:
        Pairs of (positions in ``cases``, batch).
    """
    lengths = np.array([_ceil(case.tokens) for case in cases], dtype=np.int64)
    content = np.array([name_key(repr(case)) for case in cases], dtype=np.uint64)
    order = np.lexsort([content, case_id, lengths])
    size = backbone.config.micro_batch
    if not backbone.shares_context:
        size = max(MULTIPLE, size // width)
    cuts = [order[start : start + size] for start in range(0, len(order), size)]
    return [(cut, collate(backbone, [cases[i] for i in cut], width)) for cut in cuts]


@dataclass(frozen=True)
class _Layout:
    inputs: dict[str, np.ndarray]
    place: list[list[tuple[int, int]]]
    """Case, option -> (row, position of the tail's first token)."""


def _ceil(n: int) -> int:
    return -(-n // MULTIPLE) * MULTIPLE


def _shared(cases: Sequence[Encoded]) -> _Layout:
    rows, length = _ceil(len(cases)), _ceil(max(case.tokens for case in cases))
    ids = np.zeros((rows, length), dtype=np.int64)
    positions = np.zeros((rows, length), dtype=np.int64)
    # 0: context; k + 1: option k; -1: padding, which nothing attends to but itself.
    part = np.full((rows, length), -1, dtype=np.int64)
    place = []
    for n, case in enumerate(cases):
        start = len(case.prefix)
        ids[n, : case.tokens] = np.fromiter(
            (i for ids_ in (case.prefix, *case.tails) for i in ids_), np.int64, case.tokens
        )
        positions[n, :start] = np.arange(start)
        part[n, :start] = 0
        starts = []
        for k, tail in enumerate(case.tails):
            stop = start + len(tail)
            positions[n, start:stop] = np.arange(len(case.prefix), len(case.prefix) + len(tail))
            part[n, start:stop] = k + 1
            starts.append((n, start))
            start = stop
        place.append(starts)
    query, key = part[:, :, None], part[:, None, :]
    causal = np.tri(length, dtype=bool)
    sees = (causal & ((key == 0) | (key == query)) & (key >= 0)) | np.eye(length, dtype=bool)
    mask = np.where(sees, np.float32(0.0), np.float32(HIDDEN))[:, None]
    return _Layout({"input_ids": ids, "position_ids": positions, "attention_mask": mask}, place)


def _separate(cases: Sequence[Encoded]) -> _Layout:
    # Padding is on the right, where a causal model's tokens never look: no mask is needed.
    total = sum(len(case.tails) for case in cases)
    ids = np.zeros((_ceil(total), _ceil(max(case.longest for case in cases))), dtype=np.int64)
    place, row = [], 0
    for case in cases:
        starts = []
        for tail in case.tails:
            ids[row, : len(case.prefix) + len(tail)] = (*case.prefix, *tail)
            starts.append((row, len(case.prefix)))
            row += 1
        place.append(starts)
    return _Layout({"input_ids": ids}, place)
