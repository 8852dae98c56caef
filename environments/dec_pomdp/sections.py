"""Cutting a ``.dpomdp`` text into sections, with the line of every word.

A section is a keyword, a colon and what follows up to the next keyword at the start of a line.
Comments run from ``#`` to the end of the line; empty lines mean nothing.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from environments.core.errors import DataError

PREAMBLE = ("agents", "discount", "values", "states", "start", "actions", "observations")
"""Sections that occur exactly once (``start`` also as ``start include`` or ``start exclude``)."""
TABLES = ("T", "O", "R")
"""Sections that occur any number of times, later ones overwriting earlier ones."""

_KEYWORD = re.compile(r"\s*(start\s+include|start\s+exclude|[A-Za-z]+)\s*:")
_WORD = re.compile(r":|[^\s:]+")


@dataclass(frozen=True)
class Word:
    """One word of the file, or a colon."""

    text: str
    line: int


@dataclass
class Section:
    """A keyword and the words after its colon."""

    keyword: str
    """As in the file, with one blank in ``start include``."""
    line: int
    """Line of the keyword, from 1."""
    words: list[Word] = field(default_factory=list)

    def rows(self) -> list[list[Word]]:
        """Return the words line by line, without empty lines."""
        lines: dict[int, list[Word]] = {}
        for word in self.words:
            lines.setdefault(word.line, []).append(word)
        return list(lines.values())

    def fields(self) -> list[list[Word]]:
        """Return the words between colons."""
        parts: list[list[Word]] = [[]]
        for word in self.words:
            if word.text == ":":
                parts.append([])
            else:
                parts[-1].append(word)
        return parts


def cut_sections(text: str, file: str) -> tuple[list[Section], int]:
    """Return the sections of a text in order, and its number of lines.

    Raises:
        DataError: For words before the first section or a keyword that does not exist.
    """
    sections: list[Section] = []
    lines = text.splitlines()
    for number, raw in enumerate(lines, start=1):
        body = raw.partition("#")[0]
        match = _KEYWORD.match(body)
        keyword = " ".join(match.group(1).split()) if match else ""
        if match and keyword.split()[0] in (*PREAMBLE, *TABLES):
            sections.append(Section(keyword, number))
            body = body[match.end() :]
        elif ":" in body or (body.strip() and not sections):
            raise DataError(_unknown(keyword or body.split()[0]), file, number)
        if sections:
            sections[-1].words += [Word(word, number) for word in _WORD.findall(body)]
    return sections, max(len(lines), 1)


def _unknown(given: str) -> str:
    allowed = (*PREAMBLE, *TABLES)
    near = difflib.get_close_matches(given, allowed, n=1)
    hint = f"; did you mean {near[0]}:?" if near else ""
    return f"{given!r} begins no section{hint} (allowed: {', '.join(allowed)})"
