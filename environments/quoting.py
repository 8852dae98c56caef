"""Finding verbatim quotes of evidence in free text.

A speaker may put words between ``<quote>`` and ``</quote>`` (or ``‹quote›`` and ``‹/quote›``, into
which the cleaning of speech turns them). Whether they *are* evidence is decided
here, by comparing texts, never by what the speaker claims. Comparison is made on normalized texts,
so that a changed letter case, punctuation mark, line break or ligature does not matter, while
everything that carries meaning does: words, the sign and the decimal point of a number, symbols.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MIN_WORDS = 4
"""Quotes of fewer words never count: they occur in too many texts by accident."""

_QUOTE = re.compile(
    r"[<‹]quote[>›]((?:(?![<‹]/?quote[>›]).)*)[<‹]/quote[>›]", re.IGNORECASE | re.DOTALL
)
_SIGNED = re.compile(r"(?<!\w)-(?=\d)")
_INNER = re.compile(r"(?<=\d)[.,:/](?=\d)")
_APOSTROPHES = str.maketrans("", "", "'’‘ʼ")
# Private-use stand-ins: what they stand for survives the removal of punctuation.
_KEEP = {"-": "\ue000", ".": "\ue001", ",": "\ue002", ":": "\ue003", "/": "\ue004", "%": "\ue005"}
_RESTORE = str.maketrans({stand_in: mark for mark, stand_in in _KEEP.items()})
_DROP_KEEP = str.maketrans("", "", "".join(_KEEP.values()))


def normalize(text: str) -> str:
    """Return a text as words separated by single blanks, ready for verbatim comparison.

    Applies NFKC and case folding, turns punctuation, white space, line breaks and control
    characters into blanks, and removes apostrophes and invisible characters. A minus sign before a
    number, marks between two digits (``1.5``, ``1/2``), percent signs and symbols stay, since
    without them ``-5`` would prove ``5``.
    """
    folded = unicodedata.normalize("NFKC", text.translate(_DROP_KEEP)).casefold()
    # Case folding can undo a composition, so compose once more.
    folded = unicodedata.normalize("NFKC", folded).translate(_DROP_KEEP)
    folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    folded = folded.replace("\u2212", "-").translate(_APOSTROPHES)
    folded = _SIGNED.sub(_KEEP["-"], folded).replace("%", _KEEP["%"])
    folded = _INNER.sub(lambda match: _KEEP[match.group()], folded)
    blanked = "".join(" " if _separates(c) else c for c in folded)
    return " ".join(blanked.split()).translate(_RESTORE)


def _separates(char: str) -> bool:
    category = unicodedata.category(char)
    return (category[0] in "PZC" and category != "Co") or category == "Sk"


def quoted_passages(text: str) -> list[str]:
    """Return the normalized content of every quote long enough to count, in order.

    An unclosed quote is none; of nested marks the innermost pair counts.
    """
    passages = (normalize(match) for match in _QUOTE.findall(text))
    return [passage for passage in passages if len(passage.split()) >= MIN_WORDS]


def find_quotes(text: str, evidence: Sequence[str]) -> list[int]:
    """Return the positions of the evidence quoted verbatim in a text.

    An item counts if its whole normalized text occurs, at word boundaries, between quote marks; one
    quote may hold several items. Each item is listed once, in order of first appearance.

    Args:
        text: A speech.
        evidence: Texts of the case's items, '' where there is none.
    """
    passages = quoted_passages(text)
    if not passages:
        return []
    items = [f" {normalize(item)} " for item in evidence]
    found: list[int] = []
    for passage in passages:
        padded = f" {passage} "
        places = [(padded.find(item), e) for e, item in enumerate(items) if item.strip()]
        found += [e for place, e in sorted(places) if place >= 0 and e not in found]
    return found
