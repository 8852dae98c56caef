"""Rows of a user's hidden profiles: shared and private facts, named by line where malformed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from environments.reading.records import FIELDS as READING_FIELDS
from environments.reading.records import Record, check_items, check_row
from environments.rows import RowError, check_fields

FIELDS = (
    *(field for field in READING_FIELDS if field not in ("passage", "evidence")),
    "shared",
    "private",
)
"""Fields that a row may have; question, options, answer, shared and private must be."""


@dataclass(frozen=True)
class ProfileRecord(Record):
    """One checked row; its evidence is the shared facts, then each member's own in turn."""

    holders: tuple[int, ...] = ()
    """For each item 0 if all members hold it, else the number of the member that does."""


def row_checker(n_members: int) -> Callable[[int, Any, Sequence[str]], Record]:
    """Return a check of rows for teams of this size, for `read_records`."""

    def check(line: int, row: Any, ignore: Sequence[str]) -> Record:
        check_fields(row, FIELDS, ignore)
        lists = _fact_lists(row, n_members)
        items = [item for facts in lists for item in facts]
        holders = tuple(holder for holder, facts in enumerate(lists) for _ in facts)
        rest = {k: v for k, v in row.items() if k not in ("shared", "private")}
        options = row.get("options")
        if isinstance(options, list) and len(options) > 1:  # else `check_row` refuses them
            _check_facts(lists, len(options))
        record = check_row(line, {**rest, "evidence": items}, ignore)
        return ProfileRecord(**vars(record), holders=holders)

    return check


def _fact_lists(row: dict[str, Any], n_members: int) -> list[list[Any]]:
    """Return the shared facts, then the private facts of each member."""
    for field in ("shared", "private"):
        if field not in row:
            raise RowError(f"has no {field}; expected a list")
        if not isinstance(row[field], list):
            raise RowError(f"{field}={row[field]!r}; expected a list")
    private = row["private"]
    if len(private) != n_members:
        raise RowError(
            f"private has {len(private)} lists; expected {n_members}, one per member "
            "(environment.n_members)"
        )
    for i, facts in enumerate(private):
        if not isinstance(facts, list):
            raise RowError(f"private[{i}]={facts!r}; expected a list of member {i + 1}'s facts")
    if not row["shared"] and not any(private):
        raise RowError("shared and private hold no fact; expected at least one")
    return [row["shared"], *private]


def _check_facts(lists: Sequence[Sequence[Any]], n_options: int) -> None:
    """Check every fact under the name that it has in the row, and that no two are the same."""
    seen: dict[str, str] = {}
    for holder, facts in enumerate(lists):
        field = f"private[{holder - 1}]" if holder else "shared"
        texts, _ = check_items(facts, field, n_options)
        for e, text in enumerate(texts):
            if text in seen:
                raise RowError(
                    f"{field}[{e}] repeats {seen[text]}; a fact is shared or has one holder"
                )
            seen[text] = f"{field}[{e}]"
