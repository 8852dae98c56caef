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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.language_model.backbone import Backbone
from agents.language_model.prompts import ScoringPrompt, View
from agents.language_model.tokens import CACHE
from environments.core.keyed import name_key

if TYPE_CHECKING:
    import torch

SMALL = 500_000
"""Numbers in a padded batch that is worth remembering (2 MB)."""
REMEMBERED = 32
"""Padded batches remembered by a backbone."""
MULTIPLE = 8
"""Sequences and lengths are padded to a multiple of this."""
HIDDEN = -1e9
"""Additive attention mask, and score of an option that does not exist."""


@dataclass(frozen=True)
class Encoded:
    """A scoring prompt as token ids, with what batches need of it, computed once."""

    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]

    @cached_property
    def tokens(self) -> int:
        """Tokens that the model reads for this prompt, the context counted once."""
        return len(self.prefix) + sum(map(len, self.tails))

    @cached_property
    def longest(self) -> int:
        """Length of the longest single sequence."""
        return len(self.prefix) + max(map(len, self.tails))

    @cached_property
    def fits(self) -> bool:
        """Whether there is something to condition on and something to score."""
        return bool(self.prefix) and all(self.tails)

    @cached_property
    def content(self) -> int:
        """64-bit hash of the ids."""
        return name_key(repr((self.prefix, self.tails)))

    @cached_property
    def flat(self) -> NDArray[np.int64]:
        """[3, tokens] context and all tails in a row: ids, positions, part (0 context, k + 1)."""
        start = len(self.prefix)
        lengths = [len(tail) for tail in self.tails]
        places = [np.arange(start), *(np.arange(start, start + n) for n in lengths)]
        return np.stack(
            [
                np.array([i for part in (self.prefix, *self.tails) for i in part]),
                np.concatenate(places),
                np.repeat(np.arange(len(lengths) + 1), [start, *lengths]),
            ]
        )

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Place of each tail's first token in `flat`."""
        return tuple(accumulate((len(tail) for tail in self.tails[:-1]), initial=len(self.prefix)))


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


def encode_case(
    backbone: Backbone, context: str, options: tuple[str, ...], order: tuple[int, ...]
) -> Encoded:
    """Return the prompt of a case that nobody has spoken about; the same object for equal texts.

    Args:
        backbone: Remembers the cases that it has encoded.
        context: The case.
        options: Its options, in canonical order.
        order: Presentation order; without effect on ``plain`` prompts, which show no list.
    """
    plain = backbone.prompter.style == "plain"
    key = (context, options) if plain else (context, options, order)
    known = backbone.encoded_cases
    if key not in known:
        if len(known) > CACHE:
            known.clear()
        (known[key],) = encode(backbone, [backbone.prompter.judge(View(context, options, order))])
    return known[key]


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
    slots = np.flatnonzero(exists)
    lengths = np.ones(exists.shape, dtype=np.int64)
    tails = [tail for case in cases for tail in case.tails]
    rows, starts = np.array(layout.place).T
    sizes = np.array([len(tail) for tail in tails])
    if backbone.config.scoring == "verdict":
        positions, targets = starts + sizes - 1, np.zeros(len(tails), dtype=np.int64)
    else:
        # The first token is predicted at the end of the context, the others one by one.
        context = np.repeat([len(case.prefix) for case in cases], counts)
        step = np.concatenate([np.arange(-1, size - 1) for size in sizes])
        before = np.repeat(starts, sizes) + step
        positions = np.where(step < 0, np.repeat(context, sizes) - 1, before)
        targets = np.array([i for tail in tails for i in tail])
        lengths.ravel()[slots] = sizes
        rows, slots = np.repeat(rows, sizes), np.repeat(slots, sizes)
    device = backbone.device

    def on_device(array: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(array)).to(device)

    inputs = {name: on_device(value) for name, value in layout.inputs.items()}
    if "attention_mask" in inputs:
        inputs["attention_mask"] = inputs["attention_mask"].to(backbone.model.dtype)
    return Batch(
        inputs,
        rows=on_device(rows),
        positions=on_device(positions),
        targets=on_device(targets),
        slots=on_device(slots),
        lengths=on_device(lengths),
        exists=on_device(exists),
    )


def owners(batch: Batch, case_owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whose each row of a batch is, shape [R]; -1 for padding, which comes last.

    Args:
        batch: n cases.
        case_owner: [n] whose each case is.
    """
    found = np.full(len(batch.inputs["input_ids"]), -1, dtype=np.int64)
    case = batch.slots.cpu().numpy() // batch.exists.shape[1]
    found[batch.rows.cpu().numpy()] = case_owner[case]
    return found


def repeated(batch: Batch, times: int) -> Batch:
    """Return a batch with all its cases, then all again, ``times`` times (padding rows too)."""
    import torch

    if times == 1:
        return batch
    n, width = batch.exists.shape
    turn = torch.arange(times, device=batch.rows.device)[:, None]

    def shifted(value: torch.Tensor, by: int) -> torch.Tensor:
        return (value[None] + by * turn).reshape(-1)

    def again(value: torch.Tensor) -> torch.Tensor:
        return value.repeat(times, *(1,) * (value.dim() - 1))

    return Batch(
        {name: again(value) for name, value in batch.inputs.items()},
        rows=shifted(batch.rows, len(batch.inputs["input_ids"])),
        positions=again(batch.positions),
        targets=again(batch.targets),
        slots=shifted(batch.slots, n * width),
        lengths=again(batch.lengths),
        exists=again(batch.exists),
    )


def score(backbone: Backbone, batch: Batch) -> torch.Tensor:
    """Return the scores of all options under the bound weights, differentiable.

    Returns:
        [n, K] float32 (float64 of a float64 model); `HIDDEN` where an option does not exist.
    """
    import torch

    if backbone.config.scoring == "verdict":
        terms = _wide(backbone.log_odds_at(batch.inputs, batch.rows, batch.positions))
    else:
        logits = _wide(backbone.logits_at(batch.inputs, batch.rows, batch.positions))
        terms = logits.log_softmax(-1).gather(1, batch.targets[:, None])[:, 0]
    total = torch.zeros(batch.exists.numel(), dtype=terms.dtype, device=terms.device)
    scores = total.index_add(0, batch.slots, terms).view(batch.exists.shape)
    if backbone.config.normalize_length:
        scores = scores / batch.lengths
    return scores.masked_fill(~batch.exists, HIDDEN)


def _wide(terms: torch.Tensor) -> torch.Tensor:
    import torch

    return terms.to(torch.promote_types(terms.dtype, torch.float32))


def micro_batches(
    backbone: Backbone, cases: Sequence[Encoded], case_id: NDArray[np.int64], width: int
) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """Cut cases into padded batches in canonical order, one at a time.

    Prompts are sorted by (padded length, case id, content), so membership is a function of the set
    of prompts alone, not of the order in which they came.

    Args:
        backbone: The model.
        cases: Distinct prompts; each ``fits``.
        case_id: [len(cases)] their cases.
        width: K.

    Yields:
        Pairs of (positions in ``cases``, batch).
    """
    lengths = np.array([_ceil(case.tokens) for case in cases], dtype=np.int64)
    content = np.array([case.content for case in cases], dtype=np.uint64)
    order = np.lexsort([content, case_id, lengths])
    size = backbone.config.micro_batch
    if not backbone.shares_context:
        size = max(MULTIPLE, size // width)
    for start in range(0, len(order), size):
        cut = order[start : start + size]
        yield cut, _collated(backbone, tuple(cases[i] for i in cut), width)


def _collated(backbone: Backbone, cases: tuple[Encoded, ...], width: int) -> Batch:
    """Return `collate` of the cases, remembered if small: exams ask the same cases every time."""
    key = (width, *map(id, cases))  # ids stay valid: what is remembered holds its cases
    if key in backbone.batches:
        return backbone.batches[key][1]
    batch = collate(backbone, cases, width)
    tokens = sum(tensor.numel() for tensor in batch.inputs.values())
    if tokens <= SMALL:
        if len(backbone.batches) >= REMEMBERED:
            del backbone.batches[next(iter(backbone.batches))]
        backbone.batches[key] = (cases, batch)
    return batch


@dataclass(frozen=True)
class _Layout:
    inputs: dict[str, np.ndarray]
    place: list[tuple[int, int]]
    """Of each option of each case: row, and position of the tail's first token."""


def _ceil(n: int) -> int:
    return -(-n // MULTIPLE) * MULTIPLE


def _shared(cases: Sequence[Encoded]) -> _Layout:
    rows, length = _ceil(len(cases)), _ceil(max(case.tokens for case in cases))
    # Part 0 is context, k + 1 option k, -1 padding, which nothing attends to but itself.
    ids, positions, part = table = np.zeros((3, rows, length), dtype=np.int64)
    part[:] = -1
    sizes = np.array([case.tokens for case in cases])
    filled = np.zeros((rows, length), dtype=bool)
    filled[: len(cases)] = np.arange(length) < sizes[:, None]
    table[:, filled] = np.concatenate([case.flat for case in cases], axis=1)
    place = [(n, start) for n, case in enumerate(cases) for start in case.starts]
    part = part.astype(np.int16)
    query, key = part[:, :, None], part[:, None, :]
    causal = np.tri(length, dtype=bool)
    # Padding comes last and has one number, so it sees itself (no row is empty) and nothing else
    # sees it.
    hidden = ~(causal & ((key == 0) | (key == query)))
    mask = (hidden * np.float32(HIDDEN))[:, None]
    return _Layout({"input_ids": ids, "position_ids": positions, "attention_mask": mask}, place)


def _separate(cases: Sequence[Encoded]) -> _Layout:
    # Padding is on the right, where a causal model's tokens never look: no mask is needed.
    total = sum(len(case.tails) for case in cases)
    ids = np.zeros((_ceil(total), _ceil(max(case.longest for case in cases))), dtype=np.int64)
    place: list[tuple[int, int]] = []
    for case in cases:
        for tail in case.tails:
            ids[len(place), : len(case.prefix) + len(tail)] = (*case.prefix, *tail)
            place.append((len(place), len(case.prefix)))
    return _Layout({"input_ids": ids}, place)
