"""Rows of a user's questions, checked one by one; see `environments.rows` for how they are read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from environments.rows import RowError, check_fields, clean_text, row_id, row_split, row_text

FIELDS = (
    "id",
    "question",
    "options",
    "answer",
    "passage",
    "evidence",
    "context",
    "source",
    "split",
)
"""Fields that a row may have; question, options, answer and one of passage or evidence must be."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\n+")


@dataclass(frozen=True)
class Record:
    """One checked row."""

    line: int
    id: str
    question: str
    options: tuple[str, ...]
    answer: int
    evidence: tuple[str, ...]
    llr: tuple[tuple[float, ...], ...] | None
    """Log-likelihoods per item and option; None unless every item has them."""
    context: str
    source: str
    split: str
    """One of `environments.rows.SPLIT_NAMES`, or '' to have it assigned."""


def split_sentences(passage: str) -> tuple[str, ...]:
    """Return the sentences of a passage, cut after ``. ! ? …`` and at line breaks."""
    parts: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(passage):
        closing = match.group().rstrip()
        parts.append(passage[start : match.start()] + closing)
        start = match.end()
    parts.append(passage[start:])
    return tuple(part.strip() for part in parts if part.strip())


def check_row(line: int, row: Any, ignore: Sequence[str], without_evidence: bool = False) -> Record:
    """Return the checked row.

    Args:
        line: Its place in the file.
        row: What the line holds.
        ignore: Further fields that it may have.
        without_evidence: Whether it has neither passage nor evidence.

    Raises:
        RowError: Saying what is wrong with it.
    """
    check_fields(row, FIELDS, ignore)
    question = row_text(row, "question")
    for field in ("options", "answer"):
        if field not in row:
            raise RowError(f"has no {field}")
    options = _options(row["options"])
    answer = _answer(row["answer"], options)
    evidence, llr = _evidence(row, len(options), without_evidence)
    return Record(
        line=line,
        id=row_id(row, (question, *sorted(options))),
        question=question,
        options=options,
        answer=answer,
        evidence=evidence,
        llr=llr,
        context=row_text(row, "context", ""),
        source=row_text(row, "source", ""),
        split=row_split(row),
    )


def _options(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise RowError(f"options={value!r}; expected a list of at least 2 texts")
    options = tuple(clean_text(option, f"options[{k}]") for k, option in enumerate(value))
    if len(set(options)) < len(options):
        raise RowError(f"options={value!r}; expected texts that differ")
    return options


def _answer(value: Any, options: tuple[str, ...]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
        return value
    if isinstance(value, str) and " ".join(value.split()) in options:
        return options.index(" ".join(value.split()))
    raise RowError(
        f"answer={value!r}; expected an index 0 … {len(options) - 1} or an option's text"
    )


def _evidence(
    row: dict[str, Any], n_options: int, without: bool
) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...] | None]:
    if without:
        if "passage" in row or "evidence" in row:
            raise RowError("has a passage or evidence, but environment.without_evidence is set")
        return (), ()
    if ("passage" in row) == ("evidence" in row):
        raise RowError("expected one of passage and evidence, not both or neither")
    if "passage" in row:
        return split_sentences(row_text(row, "passage")), None
    items = row["evidence"]
    if not isinstance(items, list) or not items:
        raise RowError(f"evidence={items!r}; expected a list of at least one item")
    texts, likelihoods = check_items(items, "evidence", n_options)
    if len(set(texts)) < len(texts):
        raise RowError("evidence has the same text twice; items must differ")
    return tuple(texts), tuple(likelihoods) if len(likelihoods) == len(texts) else None


def check_items(
    items: Sequence[Any], field: str, n_options: int
) -> tuple[list[str], list[tuple[float, ...]]]:
    """Return the texts of evidence items, and the likelihoods of those that have any.

    Args:
        items: Texts, or objects with ``text`` and perhaps ``llr``.
        field: Where they are in the row, for messages.
        n_options: Numbers that a likelihood must have.

    Raises:
        RowError: For an item that is neither.
    """
    texts, likelihoods = [], []
    for e, item in enumerate(items):
        name = f"{field}[{e}]"
        if isinstance(item, dict):
            extra = sorted(set(item) - {"text", "llr"})
            if extra:
                raise RowError(f"{name} has unknown field {extra[0]!r} (allowed: text, llr)")
            texts.append(clean_text(item.get("text"), f"{name}.text"))
            if item.get("llr") is not None:
                likelihoods.append(_llr(item["llr"], f"{name}.llr", n_options))
        else:
            texts.append(clean_text(item, name))
    return texts, likelihoods


def _llr(value: Any, name: str, n_options: int) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) else []
    good = all(
        isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in numbers
    )
    if len(numbers) != n_options or not good:
        raise RowError(f"{name}={value!r}; expected {n_options} finite numbers, one per option")
    return tuple(float(x) for x in numbers)
