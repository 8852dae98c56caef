"""Councils: every member may disclose what it holds, then all vote and a rule decides.

`Council` steps N councils at once; `parallel_env` puts the same object, with N = 1, behind
PettingZoo's ``ParallelEnv``::

    rounds x (every member discloses one item or passes) --> every member votes --> decision

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.jury.environment import Jury, JuryConfig
    >>> jury = Jury(JuryConfig(n_members=3), SplitPlan({Split.TEACHING: 10}))
    >>> env = parallel_env(jury.council())
    >>> observations, infos = env.reset(seed=1)
    >>> sorted(observations)
    ['member_1', 'member_2', 'member_3']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE, Environment
from environments.cases import Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.disclosing import DisclosingTeam
from environments.simulator import SimulatorParallelEnv
from environments.voting import ABSTAIN, elect

PASS = 0
"""Action: disclose nothing; in the last round, abstain."""


class Council(DisclosingTeam):
    """N councils that decide N cases side by side.

    An episode has ``rounds`` rounds of disclosure and one of voting. Actions are integers: 0
    passes or abstains, ``1 + e`` discloses evidence item e, ``1 + E + k`` votes for option k;
    without rounds of disclosure there is nothing to disclose and ``1 + k`` votes. Disclosing an
    item that the member does not hold, disclosing in the voting round and voting before it do
    nothing. A vote for an option that the case does not have is an abstention.

    The reward, shared by all members and paid once, is 1 if the decision is right and else 0, also
    where nobody votes. Each decision reveals one truth, charged to ``truth.spent["reward"]``.
    Ties are broken by a fair coin keyed by case.

    Observations are those of `environments.disclosing.DisclosingTeam.observe`; the last round,
    ``round == rounds``, is the vote.

    Args:
        environment: A numeric environment; its information groups other than ``public`` and
            ``source`` are the members.
        rounds: Rounds of disclosure, 0 or more.
        weights: Weight of each member's vote; 1 each if left out.
        use_prior: Whether the public prior's log-probabilities count as well.

    Raises:
        ConfigError: If there are no members, rounds is negative, weights do not fit, or the
            environment has no likelihoods.
    """

    name = "council"

    def __init__(
        self,
        environment: Environment,
        rounds: int = 3,
        weights: NDArray[np.float64] | None = None,
        use_prior: bool = False,
    ) -> None:
        members = [g for g in environment.information if g not in (PUBLIC, SOURCE)]
        if not members:
            raise ConfigError("a council needs information groups besides public and source")
        if rounds < 0:
            raise ConfigError(f"rounds={rounds}; 0 or more are needed")
        if weights is not None and np.shape(weights) != (len(members),):
            raise ConfigError(
                f"weights has shape {np.shape(weights)}, expected one for each of "
                f"{len(members)} members"
            )
        super().__init__(environment, {member: member for member in members}, rounds + 1)
        self.rounds = rounds
        self._weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        self._use_prior = use_prior
        self._tie = Keyed(environment.config.world_seed, "council.tie")

    @property
    def n_items(self) -> int:
        """Number of items that an action can disclose: E, or 0 without rounds of disclosure."""
        return self.environment.max_evidence if self.rounds else 0

    def action_space(self, seat: str) -> spaces.Discrete:
        """Return the actions of a member: pass, disclose an item, vote for an option."""
        return spaces.Discrete(1 + self.n_items + self.environment.max_options)

    def _open(self) -> None:
        super()._open()
        self.votes = frozen(np.full((self.n, len(self.seats)), ABSTAIN, dtype=np.int64))
        """[N, M] votes of the present episodes."""

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        if self.round < self.rounds:
            self._disclose(actions)
        else:
            self._vote(actions)

    def _vote(self, actions: Mapping[str, NDArray[Any]]) -> None:
        votes = self.votes.copy()
        for member, seat in enumerate(self.seats):
            if seat in actions:
                votes[:, member] = np.maximum(actions[seat] - 1 - self.n_items, ABSTAIN)
        self.votes = frozen(votes)
        prior = None
        if self._use_prior:
            prior = self.environment.assess(self.cases, PUBLIC, np.full(self.n, -1))
        tie = self._tie.uniform(self.case_id, shape=(self.environment.max_options,))
        mask = self.cases.option_mask
        self.choice = frozen(elect(votes, mask, tie, self._weights, prior))

    def _score(self) -> dict[str, NDArray[np.float64]]:
        reward = self._correct(self.choice != ABSTAIN)
        return dict.fromkeys(self.seats, frozen(reward))


def parallel_env(
    council: Council,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return one council at a time as a PettingZoo ``ParallelEnv``.

    Args:
        council: The council; it belongs to the returned environment from now on.
        split: Where cases come from; it must not be empty.
        replicate: Whose cases, for splits that differ by replicate.
        render_mode: None, or ``ansi`` to have ``render`` return text.

    Raises:
        ConfigError: If the split is empty.
    """
    ids = council.environment.case_ids(Split(split), replicate)
    return SimulatorParallelEnv(council, ids, render_mode)
