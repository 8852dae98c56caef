"""From text to token ids, with a wall between what we write and what others said.

A prompt is a sequence of *pieces*. Trusted pieces (instructions, a chat template's own text) may
contain special tokens; untrusted pieces (cases, evidence, speeches) never do: special tokens in
them are split into ordinary text, and whatever control token still comes out is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

CACHE = 200_000
"""Texts remembered before the cache starts anew."""

UNKNOWN, PAD, END, SEPARATOR, ASK, YES, NO = (
    "<unk>",
    "<pad>",
    "<eos>",
    "<sep>",
    "<ask>",
    "<yes>",
    "<no>",
)
"""Special tokens of models built from scratch."""


@dataclass(frozen=True)
class Piece:
    """A part of a prompt."""

    text: str
    trusted: bool = False
    """Whether special tokens in the text are meant."""


def word_tokenizer(vocabulary: Iterable[str], max_length: int) -> Any:
    """Return a fast tokenizer whose tokens are words separated by blanks.

    The special tokens are not in the word list, so no text can spell them: they enter only through
    trusted pieces.

    Args:
        vocabulary: Words, in any order (they are sorted); words outside become ``<unk>``.
        max_length: Recorded as the tokenizer's ``model_max_length``.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    special = [PAD, END, SEPARATOR, ASK, YES, NO]
    words = sorted({part for word in vocabulary for part in word.split()} - {*special, UNKNOWN})
    backend = Tokenizer(
        WordLevel({word: place for place, word in enumerate([UNKNOWN, *words])}, UNKNOWN)
    )
    backend.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        model_max_length=max_length,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [SEPARATOR, ASK, YES, NO]})
    return tokenizer


class Encoder:
    """Encodes pieces, remembering the ids of every text it has seen.

    Args:
        tokenizer: A transformers tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        control = {token for token in tokenizer.get_added_vocab() if token.strip()}
        self._control = {tokenizer.convert_tokens_to_ids(token) for token in control}
        self._control |= set(tokenizer.all_special_ids)
        self._control.discard(tokenizer.unk_token_id)
        self._seen: dict[Piece, tuple[int, ...]] = {}

    def encode(self, pieces: Iterable[Piece]) -> list[tuple[int, ...]]:
        """Return the ids of each piece; new texts are tokenized in one batch."""
        wanted = list(pieces)
        if len(self._seen) > CACHE:
            self._seen.clear()
        new = list(dict.fromkeys(piece for piece in wanted if piece not in self._seen))
        for trusted in (False, True):
            self._learn([piece for piece in new if piece.trusted == trusted], trusted)
        return [self._seen[piece] for piece in wanted]

    def _learn(self, pieces: Sequence[Piece], trusted: bool) -> None:
        if not pieces:
            return
        encoded = self._tokenizer(
            [piece.text for piece in pieces],
            add_special_tokens=False,
            split_special_tokens=not trusted,
        )["input_ids"]
        for piece, ids in zip(pieces, encoded, strict=True):
            keep = ids if trusted else [i for i in ids if i not in self._control]
            self._seen[piece] = tuple(keep)

    def joined(self, pieces: Sequence[Piece]) -> tuple[int, ...]:
        """Return the ids of all pieces in a row."""
        return tuple(i for ids in self.encode(pieces) for i in ids)
