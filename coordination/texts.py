"""Texts of the cases of a room, rendered when first needed and once per case."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coordination.cohort import TextView
from environments.base import Environment
from environments.cases import Cases


class CaseTexts:
    """Lazily rendered texts; rows that share a case share its texts.

    Args:
        environment: Renders.
        cases: B cases, with repetitions.
    """

    def __init__(self, environment: Environment, cases: Cases) -> None:
        self._environment = environment
        self._cases = cases

    @cached_property
    def _distinct(self) -> tuple[Cases, NDArray[np.int64]]:
        _, first, place = np.unique(self._cases.case_id, return_index=True, return_inverse=True)
        return self._cases.take(first), place.reshape(-1).astype(np.int64)

    @cached_property
    def _context(self) -> list[str]:
        return self._environment.render_context(self._distinct[0])

    @cached_property
    def _options(self) -> list[list[str]]:
        return self._environment.render_options(self._distinct[0])

    @cached_property
    def _evidence(self) -> list[list[str]]:
        return self._environment.render_evidence(self._distinct[0])

    def context(self, row: int) -> str:
        """Return the public context of a room's case."""
        return self._context[self._distinct[1][row]]

    def options(self, row: int) -> list[str]:
        """Return the options of a room's case."""
        return self._options[self._distinct[1][row]]

    def evidence(self, row: int) -> list[str]:
        """Return all items of a room's case."""
        return self._evidence[self._distinct[1][row]]

    def view(self, rows: NDArray[np.int64], known: NDArray[np.bool_]) -> TextView:
        """Return the texts that a seat may read.

        Args:
            rows: [n] rooms.
            known: [n, E] items that the seat holds or has been told of; the others stay ''.
        """
        case = self._distinct[1][rows]
        # Two rows share an entry only if they know the same items of the same case.
        pattern = np.packbits(known, axis=1).astype(np.int64)
        key = np.concatenate([case[:, None], pattern], axis=1)
        _, first, place = np.unique(key, axis=0, return_index=True, return_inverse=True)
        distinct = case[first].tolist()
        items = known.shape[1]
        hidden = [""] * items
        evidence = [
            _shown(self._evidence[c], known[i]) if known[i].any() else hidden
            for c, i in zip(distinct, first.tolist(), strict=True)
        ]
        return TextView(
            case=place.reshape(-1).astype(np.int64),
            context=[self._context[c] for c in distinct],
            options=[self._options[c] for c in distinct],
            evidence=evidence,
        )


def _shown(texts: list[str], known: NDArray[np.bool_]) -> list[str]:
    return [text if seen else "" for text, seen in zip(texts, known.tolist(), strict=True)]
