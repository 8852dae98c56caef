"""CSV tables of human data: documented columns, read strictly, errors with file and line."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from environments.core.columns import Columns
from environments.core.errors import DataError

PERSON = "person"
"""Optional column of every table: who decided. Rows of one person are resampled together."""


@dataclass(frozen=True)
class Field:
    """One column of a table."""

    about: str
    low: float = -np.inf
    high: float = np.inf
    whole: bool = False
    """Whether only whole numbers are allowed."""
    empty: bool = False
    """Whether a cell may be empty (read as NaN)."""
    many: bool = False
    """Whether a cell holds several numbers, separated by semicolons."""
    option_of: str = ""
    """Columns ``name_*`` that a cell names one of by its number, one that is not empty."""

    def allowed(self) -> str:
        """Return what a cell may hold, in words."""
        kind = "whole number" if self.whole else "number"
        span = ""
        if np.isfinite(self.low) and np.isfinite(self.high):
            span = f" from {self.low:g} to {self.high:g}"
        elif np.isfinite(self.low):
            span = f" of at least {self.low:g}"
        many = "s separated by semicolons, each a" if self.many else ""
        text = f"a {kind}{span}" if not self.many else f"{kind}{many} {kind}{span}"
        return f"{text} or nothing" if self.empty else text


@dataclass(frozen=True)
class Table:
    """What was read."""

    columns: Columns
    """Numbers as float64; ``name_*`` and cells with several numbers as [N, …] with NaN padding."""
    group: np.ndarray
    """[N] group of each row: one per person, or per row where nobody is named."""
    named: bool
    """Whether the file names persons."""
    ignored: tuple[str, ...]
    """Columns of the file that the model does not use."""


def read_table(path: str | Path, fields: Mapping[str, Field]) -> Table:
    """Read a CSV file (comma separated, UTF-8, names in line 1).

    A field whose name ends in ``_*`` stands for columns ``…_1``, ``…_2`` and so on, at least two.

    Args:
        path: The file.
        fields: Column to what it may hold.

    Raises:
        DataError: With file and line: an unreadable file, a missing or repeated column, a row of
            another length, a cell that is not allowed, the number of an option that is not there.
    """
    header, rows = _rows(path)
    want = _expand(fields, header, path)
    cells: dict[str, list[list[float]]] = {name: [] for name in want}
    people: list[str] = []
    place = {name: i for i, name in enumerate(header)}
    for line, row in rows:
        if len(row) != len(header):
            told = f"{len(row)} cells; the header has {len(header)} columns"
            raise DataError(told, path, line)
        for name, field in want.items():
            cells[name].append(_cell(row[place[name]].strip(), name, field, path, line))
        if PERSON in place:
            person = row[place[PERSON]].strip()
            if not person:
                raise DataError(f"{PERSON}: nothing; give a name or number", path, line)
            people.append(person)
    if not rows:
        raise DataError("no rows below the header", path)
    columns = {name: _array(values, want[name].many) for name, values in cells.items()}
    for name in [n for n in fields if n.endswith("_*")]:
        stem = name[:-1]
        numbered = [columns.pop(n) for n in sorted(_numbered(stem, header), key=_number)]
        columns[stem[:-1]] = np.stack(numbered, axis=1)
    for name, field in want.items():
        if field.option_of:
            lines = [line for line, _ in rows]
            _check_options(name, columns[name], columns[field.option_of[:-2]], path, lines)
    if people:
        group = np.unique(np.array(people, dtype=object).astype(str), return_inverse=True)[1]
    else:
        group = np.arange(len(rows))
    ignored = tuple(n for n in header if n not in want and n != PERSON)
    return Table(Columns(columns), group.astype(np.int64), bool(people), ignored)


def _rows(path: str | Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    rows: list[tuple[int, list[str]]] = []
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                header = [name.strip() for name in next(reader, [])]
                for row in reader:
                    if row:
                        rows.append((reader.line_num, row))
            except csv.Error as error:
                raise DataError(f"not a CSV row ({error})", path, reader.line_num) from error
    except OSError as error:
        raise DataError(f"cannot read ({error.strerror})", path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start})", path) from error
    if not header:
        raise DataError("empty; the first line must name the columns", path, 1)
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice:
        raise DataError(f"column {twice[0]!r} appears twice", path, 1)
    return header, rows


def _expand(fields: Mapping[str, Field], header: list[str], path: str | Path) -> dict[str, Field]:
    want: dict[str, Field] = {}
    for name, field in fields.items():
        if not name.endswith("_*"):
            found = [name] if name in header else []
        else:
            found = sorted(_numbered(name[:-1], header), key=_number)
            expected = [f"{name[:-1]}{i + 1}" for i in range(max(2, len(found)))]
            found = found if found == expected else []
        if not found:
            shown = f"{name[:-1]}1, {name[:-1]}2, …" if name.endswith("_*") else name
            raise DataError(
                f"no column {shown} (needed: {', '.join(fields)}; the file has: "
                f"{', '.join(header)})",
                path,
                1,
            )
        want.update(dict.fromkeys(found, field))
    return want


def _numbered(stem: str, header: list[str]) -> list[str]:
    return [name for name in header if re.fullmatch(re.escape(stem) + r"[1-9]\d*", name)]


def _number(name: str) -> int:
    return int(name.rsplit("_", 1)[1])


def _cell(text: str, name: str, field: Field, path: str | Path, line: int) -> list[float]:
    if not text:
        if field.empty:
            return [np.nan]
        raise DataError(f"{name}: nothing; give {field.allowed()}", path, line)
    numbers = []
    for part in text.split(";") if field.many else [text]:
        try:
            number = float(part)
        except ValueError:
            number = np.nan
        fine = bool(np.isfinite(number)) and field.low <= number <= field.high
        if not fine or (field.whole and number != round(number)):
            raise DataError(f"{name}: {part.strip()!r}; give {field.allowed()}", path, line)
        numbers.append(number)
    return numbers


def _check_options(
    name: str, chosen: np.ndarray, options: np.ndarray, path: str | Path, lines: list[int]
) -> None:
    """Refuse the first row whose number, from 1, is not of an option with a value."""
    exists = ~np.isnan(options)
    there = (chosen[:, None] == np.arange(1, options.shape[1] + 1)) & exists
    bad = np.flatnonzero(~there.any(axis=1))
    if bad.size:
        row = int(bad[0])
        allowed = ", ".join(str(k + 1) for k in np.flatnonzero(exists[row])) or "none"
        told = f"{name}: {chosen[row]:g} is no option of this row (its options: {allowed})"
        raise DataError(told, path, lines[row])


def _array(values: list[list[float]], many: bool) -> np.ndarray:
    if not many:
        return np.array([value[0] for value in values], dtype=np.float64)
    found = np.full((len(values), max(map(len, values), default=0)), np.nan)
    for row, value in enumerate(values):
        found[row, : len(value)] = value
    return found
