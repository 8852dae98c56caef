"""Explaining a plan as a decision process: explainers tell updates, the human accepts or chooses.

`BatchedReconciliation` steps N cases at once; `parallel_env` plays the same object, with N = 1,
behind PettingZoo's ``ParallelEnv``.

A round::

    all observe --> all act at once --> updates are known to all, a proposal is on the table --> …
                         |
                         +-- the human accepted or chose, or rounds ran out: shared reward, end

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.plan_explanation.environment import PlanExplanation, PlanExplanationConfig
    >>> world = PlanExplanation(PlanExplanationConfig(), SplitPlan({Split.TEACHING: 10}))
    >>> env = parallel_env(world)
    >>> env.possible_agents
    ['human', 'explainer_1']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.base import PUBLIC, SOURCE
from environments.cases import Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.disclosing import UNDECIDED, EarlyEndingTeam
from environments.plan_explanation.environment import PlanExplanation
from environments.simulator import Observation, Outcome, SimulatorParallelEnv

HUMAN = "human"
WAIT, ACCEPT, REJECT, CHOOSE = 0, 1, 2, 3
"""Actions of the human; ``CHOOSE + k`` chooses option k, whatever is on the table."""


class BatchedReconciliation(EarlyEndingTeam):
    """N humans, each with the explainers of a case.

    Explainers' actions: 0 says nothing, ``1 + e`` tells item e (nothing happens if the seat does
    not hold it), ``1 + E + k`` proposes option k. The human's: `WAIT`, `ACCEPT` the proposal that
    was on the table at the start of the round (nothing happens if there was none), `REJECT` it, or
    ``CHOOSE + k``. If several explainers propose at once, the last seat's proposal stands. Choosing
    an option that the case does not have ends the episode without a decision. A seat that is left
    out of a step does nothing.

    The reward, shared by all seats at the end of an episode, is 1 for the plan that is optimal in
    the robot's model, else 0, less ``update_cost`` for every item told. Every decision reveals one
    truth, which is charged to ``truth.spent["reward"]``.

    Args:
        environment: The environment.
        rounds: Rounds until an undecided episode ends.
        update_cost: Cost of an item told, in rewards.

    Raises:
        ConfigError: If ``rounds`` is not positive or ``update_cost`` is negative.
    """

    name = "plan_explanation"

    def __init__(
        self, environment: PlanExplanation, rounds: int = 8, update_cost: float = 0.0
    ) -> None:
        if rounds < 1:
            raise ConfigError(f"rounds={rounds}; at least 1 is needed")
        if not 0 <= update_cost < np.inf:
            raise ConfigError(f"update_cost={update_cost}; a number of 0 or more is needed")
        explainers = [g for g in environment.information if g not in (PUBLIC, SOURCE)]
        seats = {HUMAN: PUBLIC, **{name: name for name in explainers}}
        super().__init__(environment, seats, rounds)
        self.update_cost = update_cost

    def n_actions(self, seat: str) -> int:
        """Return the number of a seat's actions: 3 + K for the human, else 1 + E + K."""
        return CHOOSE + self.n_options if seat == HUMAN else 1 + self.n_items + self.n_options

    def action_space(self, seat: str) -> spaces.Discrete:
        """Return the space of one row of a seat's actions."""
        return spaces.Discrete(self.n_actions(seat))

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`; the same for every seat."""
        table = {
            "proposal": spaces.MultiBinary(self.n_options),
            "rejected": spaces.MultiBinary(self.n_options),
        }
        return spaces.Dict({**super().observation_space(seat).spaces, **table})

    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now.

        Returns:
            Seat to the arrays of `environments.disclosing.DisclosingTeam.observe`, and
            ``proposal`` [N, K] what is on the table (one or none) and ``rejected`` [N, K]
            proposals turned down.
        """
        on_table = np.arange(self.n_options) == self.proposal[:, None]
        table = {
            "proposal": frozen(on_table.astype(np.int8)),
            "rejected": frozen(self.rejected.astype(np.int8)),
        }
        return {seat: {**own, **table} for seat, own in super().observe().items()}

    def render(self) -> str:
        """Return the first case, what was told and what is proposed as text."""
        text, place = super().render(), int(self.proposal[0])
        if place < 0:
            return text
        return (
            f"{text}\nproposed: {self.environment.render_options(self.cases.take([0]))[0][place]}"
        )

    def _open(self) -> None:
        super()._open()
        self.proposal: NDArray[np.int64] = frozen(np.full(self.n, UNDECIDED, dtype=np.int64))
        """[N] option on the table, -1 for none."""
        self.rejected: NDArray[np.bool_] = frozen(np.zeros((self.n, self.n_options), dtype=bool))
        """[N, K] proposals turned down."""

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        moves = dict(actions)
        human = moves.pop(HUMAN, np.full(self.n, WAIT))
        active = ~self.done
        picked = np.where(human == ACCEPT, self.proposal, human - CHOOSE)
        picked = np.where((human == WAIT) | (human == REJECT), UNDECIDED, picked)
        refused = np.flatnonzero(active & (human == REJECT) & (self.proposal >= 0))
        rejected, proposal = self.rejected.copy(), self.proposal.copy()
        rejected[refused, proposal[refused]] = True
        proposal[refused] = UNDECIDED
        for seat in self.seats[1:]:
            if seat in moves:
                option = moves[seat] - 1 - self.n_items
                proposes = active & (option >= 0) & (option < self.cases.n_options)
                proposal = np.where(proposes, option, proposal)
        # A round's moves are simultaneous: what is told together with the decision is told too.
        self._disclose(moves, active)
        self._decide(active, picked)
        self.proposal, self.rejected = frozen(proposal), frozen(rejected)

    def _outcome(self) -> Outcome:
        rewards, terminated, truncated = super()._outcome()
        cost = self.update_cost * self.disclosed.sum(axis=1)
        paid = np.where(terminated | truncated, rewards[HUMAN] - cost, 0.0)
        return dict.fromkeys(self.seats, frozen(paid)), terminated, truncated


def parallel_env(
    environment: PlanExplanation,
    rounds: int = 8,
    update_cost: float = 0.0,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return plan explanation, one case at a time, as a PettingZoo ``ParallelEnv``.

    Args:
        environment: The environment.
        rounds: Rounds until an undecided episode ends.
        update_cost: Cost of an item told, in rewards.
        split: Where cases come from; it must not be empty.
        replicate: Whose cases, for splits that differ by replicate.
        render_mode: None, or ``ansi`` to have ``render`` return text.

    Raises:
        ConfigError: As `BatchedReconciliation`, or if the split is empty.
    """
    ids = environment.case_ids(Split(split), replicate)
    team = BatchedReconciliation(environment, rounds, update_cost)
    return SimulatorParallelEnv(team, ids, render_mode)
