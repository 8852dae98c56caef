"""Decomposable worlds: claims that split into sub-claims, cases of the same environment.

Recursive protocols need nothing more of a world: how many sub-claims a claim has, which cases these
are, and what somebody who argues for an option of the claim must say of each of them. A claim
without sub-claims is a leaf; what is true of it can be read off evidence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from environments.base import Environment
from environments.cases import Cases
from environments.core.errors import ConfigError


class Decomposable(ABC):
    """What an environment offers beside the rest, if its claims split into sub-claims."""

    @abstractmethod
    def n_children(self, cases: Cases) -> NDArray[np.int64]:
        """Return the number of sub-claims of each case, [N]; 0 for a leaf."""

    @abstractmethod
    def children(self, cases: Cases) -> tuple[Cases, NDArray[np.int64]]:
        """Return the sub-claims of all cases and the row that each belongs to.

        Sub-claims come in a fixed order, case by case: C cases and [C] positions in ``cases``,
        ascending. A pure function of the case ids.
        """

    @abstractmethod
    def inherited(
        self, cases: Cases, stance: NDArray[np.int64], claims: Cases, parent: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return what follows for sub-claims from arguing for options of their parents.

        Args:
            cases: N cases.
            stance: [N] option that somebody argues for, -1 for none.
            claims: C sub-claims.
            parent: [C] row of ``cases`` that each belongs to.

        Returns:
            [C] option of each sub-claim that a consistent account claims; -1 where there is none.
            Nothing here tells which account is true.
        """


def decomposable(environment: Environment, protocol: str) -> Decomposable:
    """Return an environment as one whose claims split.

    Raises:
        ConfigError: If they do not, naming the protocol that needs it.
    """
    if not isinstance(environment, Decomposable):
        raise ConfigError(
            f"protocol {protocol!r} splits claims into sub-claims, which the environment "
            f"{environment.config.name!r} does not have (use computation_tree)"
        )
    return environment
