"""Rows of a user's file, checked one by one: every malformed row is named by file and line."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from environments.cases import Split
from environments.core.errors import DataError

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

SPLIT_NAMES = ("train", "validation", "test", *(split.value for split in Split))
"""Values of ``split``. ``train`` serves warm start, calibration and teaching, ``validation`` the
curve; ``test`` is the same in both vocabularies."""

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
    """One of `SPLIT_NAMES`, or '' to have it assigned."""


class RowError(Exception):
    """What is wrong with a row, before its place is known."""


def read_records(
    path: Path,
    ignore: Sequence[str],
    check: Callable[[int, Any, Sequence[str]], Record] | None = None,
) -> list[Record]:
    """Read and check a ``.jsonl`` or ``.parquet`` file.

    Args:
        path: The file.
        ignore: Further fields that rows may have; they are not read.
        check: Makes a record of (line, row, ignore) or raises `RowError`; `check_row` if left out.

    Raises:
        DataError: If the file is missing or empty, or with the place of the first malformed row
            and the lines of all others.
    """
    if not path.is_file():
        raise DataError("no such file; environment.path must name a .jsonl or .parquet file", path)
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)
    make = check or check_row
    records: list[Record] = []
    faults: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            if isinstance(row, RowError):
                raise row
            record = make(line, row, ignore)
            if record.id in seen:
                raise RowError(
                    f"id {record.id!r} is also at line {seen[record.id]}; ids must differ"
                )
        except RowError as problem:
            faults.append((line, str(problem)))
            continue
        seen[record.id] = line
        records.append(record)
    if faults:
        line, message = faults[0]
        if len(faults) > 1:
            others = ", ".join(str(other) for other, _ in faults[1:11])
            more = ", …" if len(faults) > 11 else ""
            message += f" (also malformed: {len(faults) - 1} at lines {others}{more})"
        raise DataError(message, path, line)
    if not records:
        raise DataError("holds no rows", path)
    return records


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


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            if not raw.strip():
                continue
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                yield (
                    number,
                    json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_nan),
                )
            except RowError as problem:
                yield number, problem
            except UnicodeDecodeError:
                yield number, RowError("is not UTF-8 text")
            except (json.JSONDecodeError, RecursionError) as problem:
                detail = problem.msg if isinstance(problem, json.JSONDecodeError) else "too deep"
                yield number, RowError(f"is not JSON ({detail}); expected one object per line")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise RowError("has a field twice")
    return row


def _no_nan(name: str) -> float:
    raise RowError(f"holds {name}, which is not a JSON number")


def _parquet_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as problem:
        raise DataError(f"is not a readable Parquet file ({problem})", path) from None
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {key: value for key, value in row.items() if value is not None}


def check_row(line: int, row: Any, ignore: Sequence[str]) -> Record:
    """Return the checked row.

    Args:
        line: Its place in the file.
        row: What the line holds.
        ignore: Further fields that it may have.

    Raises:
        RowError: Saying what is wrong with it.
    """
    if not isinstance(row, dict):
        raise RowError(
            f"is a {type(row).__name__}; expected an object with fields {', '.join(FIELDS)}"
        )
    unknown = sorted(set(row) - set(FIELDS) - set(ignore))
    if unknown:
        raise RowError(
            f"unknown field {unknown[0]!r} (allowed: {', '.join(FIELDS)}; "
            "list others in environment.ignore_fields)"
        )
    question = _text(row, "question")
    options = _options(row.get("options"))
    answer = _answer(row.get("answer"), options)
    evidence, llr = _evidence(row, len(options))
    split = _text(row, "split", "")
    if split and split not in SPLIT_NAMES:
        raise RowError(f"split={split!r} (allowed: {', '.join(SPLIT_NAMES)})")
    given_id = row.get("id", "\x1f".join((question, *sorted(options))))
    if isinstance(given_id, bool) or not isinstance(given_id, str | int) or given_id == "":
        raise RowError(f"id={given_id!r}; expected text or an integer")
    return Record(
        line=line,
        id=str(given_id),
        question=question,
        options=options,
        answer=answer,
        evidence=evidence,
        llr=llr,
        context=_text(row, "context", ""),
        source=_text(row, "source", ""),
        split=split,
    )


def _text(row: dict[str, Any], field: str, default: str | None = None) -> str:
    if field not in row or (row[field] is None and default is not None):
        if default is None:
            raise RowError(f"has no {field}; expected text")
        return default
    return clean_text(row[field], field)


def clean_text(value: Any, field: str) -> str:
    """Return text on one line; the words stay as they are.

    Raises:
        RowError: If it is no text, empty, or holds half a surrogate pair.
    """
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{field}={value!r}; expected non-empty text")
    if any(unicodedata.category(c) == "Cs" for c in value):
        raise RowError(f"{field} holds half a surrogate pair, which is not text")
    return value.strip() if field == "passage" else " ".join(value.split())


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
    row: dict[str, Any], n_options: int
) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...] | None]:
    if ("passage" in row) == ("evidence" in row):
        raise RowError("expected one of passage and evidence, not both or neither")
    if "passage" in row:
        return split_sentences(_text(row, "passage")), None
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
