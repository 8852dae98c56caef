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
from environments.cases import Cases, Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.simulator import Observation, Simulator, SimulatorParallelEnv
from environments.voting import ABSTAIN, elect

PASS = 0
"""Action: disclose nothing; in the last round, abstain."""


class Council(Simulator):
    """N councils that decide N cases side by side.

    An episode has ``rounds`` rounds of disclosure and one of voting. Actions are integers: 0
    passes or abstains, ``1 + e`` discloses evidence item e, ``1 + E + k`` votes for option k;
    without rounds of disclosure there is nothing to disclose and ``1 + k`` votes. Disclosing an
    item that the member does not hold, disclosing in the voting round and voting before it do
    nothing. A vote for an option that the case does not have is an abstention.

    The reward, shared by all members and paid once, is 1 if the decision is right and else 0, also
    where nobody votes. Each decision reveals one truth, charged to ``truth.spent["reward"]``.
    Ties are broken by a fair coin keyed by case.

    Observations are those of `observe`.

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
        self.seats = tuple(g for g in environment.information if g not in (PUBLIC, SOURCE))
        if not self.seats:
            raise ConfigError("a council needs information groups besides public and source")
        if rounds < 0:
            raise ConfigError(f"rounds={rounds}; 0 or more are needed")
        if not environment.numeric:
            raise ConfigError(
                "a council needs evidence with likelihoods; this environment has none"
            )
        if weights is not None and np.shape(weights) != (len(self.seats),):
            raise ConfigError(
                f"weights has shape {np.shape(weights)}, expected one for each of "
                f"{len(self.seats)} members"
            )
        self.environment = environment
        self.rounds = rounds
        self.horizon = rounds + 1
        self.truth = environment.seal()
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

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`."""
        k, e = self.environment.max_options, self.environment.max_evidence
        return spaces.Dict(
            {
                "assessment": spaces.Box(0.0, 1.0, (k,), np.float64),
                "options": spaces.MultiBinary(k),
                "held": spaces.MultiBinary(e),
                "disclosed": spaces.MultiBinary(e),
                "llr": spaces.Box(-np.inf, np.inf, (e, k), np.float64),
                "round": spaces.Discrete(self.horizon + 1),
            }
        )

    def observe(self) -> dict[str, Observation]:
        """Return what every member observes now.

        Returns:
            Member to arrays with N rows: ``assessment`` [N, K] probabilities that it concludes
            alone (fixed through the episode), ``options`` [N, K] which options exist (0/1),
            ``held`` [N, E] items of its own, ``disclosed`` [N, E] items that all have seen,
            ``llr`` [N, E, K] log-likelihoods of items held or disclosed (0 elsewhere), ``round``
            [N] rounds played. The last round, ``round == rounds``, is the vote.
        """
        options = frozen(self.cases.option_mask.astype(np.int8))
        disclosed = frozen(self.disclosed.astype(np.int8))
        played = frozen(np.full(self.n, self.round, dtype=np.int64))
        observations = {}
        for seat, held in self._held.items():
            known = (held | self.disclosed)[:, :, None]
            observations[seat] = {
                "assessment": self._assessment[seat],
                "options": options,
                "held": frozen(held.astype(np.int8)),
                "disclosed": disclosed,
                "llr": frozen(np.where(known, self.cases.evidence.llr, 0.0)),
                "round": played,
            }
        return observations

    def render(self) -> str:
        """Return the first council's case, and what has been disclosed, as text."""
        evidence = self.environment.render_evidence(self.cases.take([0]))[0]
        lines = [
            self.environment.render_context(self.cases.take([0]))[0],
            *self.environment.render_options(self.cases.take([0]))[0],
            *(evidence[e] for e in np.flatnonzero(self.disclosed[0])),
        ]
        return "\n".join(lines)

    def _open(self) -> None:
        self.cases: Cases = self.environment.deal(self.case_id)
        self.disclosed: NDArray[np.bool_] = frozen(
            np.zeros((self.n, self.environment.max_evidence), dtype=bool)
        )
        self.votes = frozen(np.full((self.n, len(self.seats)), ABSTAIN, dtype=np.int64))
        """[N, M] votes of the present episodes."""
        self.choice = frozen(np.full(self.n, ABSTAIN, dtype=np.int64))
        """[N] decisions of the present episodes."""
        groups = self.environment.information
        self._held = {
            seat: self.cases.evidence.held[:, :, groups.index(seat)] for seat in self.seats
        }
        self._assessment = {
            seat: frozen(np.exp(self.environment.assess(self.cases, seat, np.full(self.n, code))))
            for code, seat in enumerate(self.seats)
        }

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        if self.round < self.rounds:
            self._disclose(actions)
        else:
            self._vote(actions)

    def _disclose(self, actions: Mapping[str, NDArray[Any]]) -> None:
        disclosed = self.disclosed.copy()
        for seat, action in actions.items():
            rows = np.flatnonzero((action >= 1) & (action <= self.n_items))
            item = action[rows] - 1
            disclosed[rows, item] |= self._held[seat][rows, item]
        self.disclosed = frozen(disclosed)

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
        decided = np.flatnonzero(self.choice != ABSTAIN)
        reward = np.zeros(self.n)
        if len(decided):
            truth = self.truth.reveal(self.case_id[decided], "reward")
            reward[decided] = truth == self.choice[decided]
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
