"""What a conformance checker finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The outcome of one check of a component."""

    check: str
    """What is promised, in a few words."""
    ok: bool
    detail: str = ""
    """What was seen, or what is wrong."""

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'} {self.check}: {self.detail}"
