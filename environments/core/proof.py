"""Proofs: a number that the science states beside the number that this code obtains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """One claim, checked against a number that we did not make up.

    A piece lists its proofs in a function ``proofs() -> list[Proof]``; each obtains its number
    from the real implementation.

    Example:
        >>> Proof("σ(1)", "logistic function", 0.7311, 0.73106, 5e-5).ok
        True
    """

    claim: str
    """What is claimed, in a few words."""
    source: str
    """Where the expected number is from (paper, table, equation)."""
    expected: float
    """The number that the source states or that follows from the definition."""
    obtained: float
    """The number that the implementation gives."""
    tolerance: float
    """Largest absolute difference allowed: half a unit of the last printed digit where the source
    prints a number, a stated band where it is an estimate."""

    @property
    def ok(self) -> bool:
        """Whether the obtained number agrees (never for NaN)."""
        return abs(self.obtained - self.expected) <= self.tolerance
