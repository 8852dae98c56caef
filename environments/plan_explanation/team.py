"""Explaining a plan as a decision process: explainers tell updates, the human accepts or chooses.

`BatchedReconciliation` steps N cases at once; `ReconciliationParallelEnv` plays one of them behind
PettingZoo's ``ParallelEnv`` and is the same implementation with N = 1.

A round::

    all observe --> all act at once --> updates are known to all, a proposal is on the table --> …
                         |
                         +-- the human accepted or chose, or rounds ran out: shared reward, end

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.plan_explanation.environment import PlanExplanation, PlanExplanationConfig
    >>> world = PlanExplanation(PlanExplanationConfig(), SplitPlan({Split.TEACHING: 10}))
    >>> env = ReconciliationParallelEnv(world)
    >>> env.possible_agents
    ['human', 'explainer_1']
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from environments.base import PUBLIC, SOURCE
from environments.cases import Cases, Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.plan_explanation.environment import PlanExplanation
from environments.team import Observation, TeamParallelEnv

HUMAN = "human"
WAIT, ACCEPT, REJECT, CHOOSE = 0, 1, 2, 3
"""Actions of the human; ``CHOOSE + k`` chooses option k, whatever is on the table."""


class BatchedReconciliation:
    """N humans, each with the explainers of a case.

    Explainers' actions: 0 says nothing, ``1 + e`` tells item e (nothing happens if the seat does
    not hold it), ``1 + E + k`` proposes option k. The human's: `WAIT`, `ACCEPT` the proposal that
    was on the table at the start of the round (nothing happens if there was none), `REJECT` it, or
    ``CHOOSE + k``. If several explainers propose at once, the last seat's proposal stands. Choosing
    an option that the case does not have ends the episode without a decision.

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

    def __init__(
        self, environment: PlanExplanation, rounds: int = 8, update_cost: float = 0.0
    ) -> None:
        if rounds < 1:
            raise ConfigError(f"rounds={rounds}; at least 1 is needed")
        if not 0 <= update_cost < np.inf:
            raise ConfigError(f"update_cost={update_cost}; a number of 0 or more is needed")
        self.environment = environment
        explainers = [g for g in environment.information if g not in (PUBLIC, SOURCE)]
        self.seats = {HUMAN: PUBLIC, **{name: name for name in explainers}}
        self.rounds, self.update_cost = rounds, update_cost
        self.truth = environment.seal()

    @property
    def n_items(self) -> int:
        """E, the width of the evidence axis."""
        return self.environment.max_evidence

    @property
    def n_options(self) -> int:
        """K, the width of the option axis."""
        return self.environment.max_options

    def n_actions(self, seat: str) -> int:
        """Return the number of a seat's actions: 3 + K for the human, else 1 + E + K."""
        return CHOOSE + self.n_options if seat == HUMAN else 1 + self.n_items + self.n_options

    def reset(self, case_id: ArrayLike) -> dict[str, Observation]:
        """Open an episode for each case and return what every seat observes.

        Args:
            case_id: [N] cases; ids may repeat.
        """
        self.cases: Cases = self.environment.deal(np.asarray(case_id, dtype=np.int64))
        n, information = self.cases.n, self.environment.information
        self.round = 0
        self.disclosed = frozen(np.zeros((n, self.n_items), dtype=bool))
        self.done = frozen(np.zeros(n, dtype=bool))
        self.choice = frozen(np.full(n, -1, dtype=np.int64))
        self.proposal = frozen(np.full(n, -1, dtype=np.int64))
        self.rejected = frozen(np.zeros((n, self.n_options), dtype=bool))
        held = self.cases.evidence.held
        self._held = {s: held[:, :, information.index(group)] for s, group in self.seats.items()}
        nobody = np.zeros(n, dtype=np.int64)
        self._assessment = {
            seat: frozen(np.exp(self.environment.assess(self.cases, group, nobody)))
            for seat, group in self.seats.items()
        }
        return self.observe()

    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now.

        Returns:
            Seat to arrays with N rows: ``assessment`` [N, K] probabilities that the seat concludes
            alone (fixed through the episode), ``options`` [N, K] which options exist, ``held``
            [N, E] items of its own, ``disclosed`` [N, E] items told, ``llr`` [N, E, K]
            log-likelihoods of items held or told (0 elsewhere), ``proposal`` [N, K] what is on the
            table (one or none), ``rejected`` [N, K] proposals turned down, ``round`` [N].
        """
        on_table = np.arange(self.n_options) == self.proposal[:, None]
        shared = {
            "options": frozen(self.cases.option_mask.astype(np.int8)),
            "disclosed": frozen(self.disclosed.astype(np.int8)),
            "proposal": frozen(on_table.astype(np.int8)),
            "rejected": frozen(self.rejected.astype(np.int8)),
            "round": frozen(np.full(self.cases.n, self.round, dtype=np.int64)),
        }
        return {
            seat: {
                "assessment": self._assessment[seat],
                "held": frozen(held.astype(np.int8)),
                "llr": frozen(
                    np.where((held | self.disclosed)[:, :, None], self.cases.evidence.llr, 0.0)
                ),
                **shared,
            }
            for seat, held in self._held.items()
        }

    def step(
        self, actions: Mapping[str, ArrayLike]
    ) -> tuple[dict[str, Observation], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Play one round in every unfinished episode.

        Args:
            actions: Seat to [N] actions; a seat that is left out does nothing. Actions of finished
                episodes are ignored.

        Returns:
            Observations, shared reward [N], ``terminated`` [N] (the human decided) and
            ``truncated`` [N] (rounds ran out), true only in the round in which it happens.

        Raises:
            ConfigError: For an unknown seat, a wrong shape or an action out of range.
        """
        moves = {seat: self._checked(seat, action) for seat, action in actions.items()}
        human = moves.pop(HUMAN, np.full(self.cases.n, WAIT))
        active, rows = ~self.done, np.arange(self.cases.n)
        picked = np.where(human == ACCEPT, self.proposal, human - CHOOSE)
        picked = np.where((human == WAIT) | (human == REJECT), -1, picked)
        terminated = active & (picked >= 0)
        decides = terminated & (picked < self.cases.n_options)
        refused = active & (human == REJECT) & (self.proposal >= 0)
        rejected = self.rejected.copy()
        rejected[rows[refused], self.proposal[refused]] = True
        proposal = np.where(refused, -1, self.proposal)
        disclosed = self.disclosed.copy()
        # A round's moves are simultaneous: what is told together with the decision is told too.
        for seat in self.seats:
            action = moves.get(seat)
            if action is None:
                continue
            item, option = action - 1, action - 1 - self.n_items
            speaks = np.flatnonzero(active & (item >= 0) & (item < self.n_items))
            real = speaks[self._held[seat][speaks, item[speaks]]]
            disclosed[real, item[real]] = True
            proposes = active & (option >= 0) & (option < self.cases.n_options)
            proposal = np.where(proposes, option, proposal)
        self.round += 1
        truncated = active & ~terminated & (self.round >= self.rounds)
        self.choice = frozen(np.where(decides, picked, self.choice))
        self.disclosed, self.proposal = frozen(disclosed), frozen(proposal)
        self.rejected, self.done = frozen(rejected), frozen(self.done | terminated | truncated)
        reward = np.zeros(self.cases.n)
        if decides.any():
            ids = self.cases.case_id[decides]
            reward[decides] = self.truth.reveal(ids, "reward") == picked[decides]
        cost = self.update_cost * disclosed.sum(axis=1)
        reward = np.where(terminated | truncated, reward - cost, 0.0)
        return self.observe(), reward, terminated, truncated

    def _checked(self, seat: str, action: ArrayLike) -> NDArray[np.int64]:
        if seat not in self.seats:
            raise ConfigError(f"unknown seat {seat!r} (allowed: {', '.join(self.seats)})")
        array, top = np.asarray(action), self.n_actions(seat)
        if array.shape != (self.cases.n,) or array.dtype.kind not in "iu":
            raise ConfigError(f"actions of {seat!r} must be {self.cases.n} integers")
        if ((array < 0) | (array >= top)).any():
            raise ConfigError(f"actions of {seat!r} must be in 0 … {top - 1}")
        return array.astype(np.int64)

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`; the same for every seat."""
        k, e = self.n_options, self.n_items
        return spaces.Dict(
            {
                "assessment": spaces.Box(0.0, 1.0, (k,), np.float64),
                "options": spaces.MultiBinary(k),
                "held": spaces.MultiBinary(e),
                "disclosed": spaces.MultiBinary(e),
                "llr": spaces.Box(-np.inf, np.inf, (e, k), np.float64),
                "proposal": spaces.MultiBinary(k),
                "rejected": spaces.MultiBinary(k),
                "round": spaces.Discrete(self.rounds + 1),
            }
        )


class ReconciliationParallelEnv(TeamParallelEnv):
    """One `BatchedReconciliation` case at a time, behind PettingZoo's ``ParallelEnv``.

    Cases are drawn, and ``reset`` and ``render`` work, as in `environments.team.TeamParallelEnv`.

    Args:
        environment: The environment.
        rounds: Rounds until an undecided episode ends.
        update_cost: Cost of an item told, in rewards.
        split: Where cases come from; it must not be empty.
        replicate: Whose cases, for splits that differ by replicate.
        render_mode: None, or ``ansi`` to have `render` return text.

    Raises:
        ConfigError: As `BatchedReconciliation`, or if the split is empty.
    """

    metadata = {
        "name": "facilitate_plan_explanation_v0",
        "render_modes": ["ansi"],
        "is_parallelizable": True,
    }

    def __init__(
        self,
        environment: PlanExplanation,
        rounds: int = 8,
        update_cost: float = 0.0,
        split: Split = Split.TEACHING,
        replicate: int = 0,
        render_mode: str | None = None,
    ) -> None:
        team = BatchedReconciliation(environment, rounds, update_cost)
        # The parent wants a judge; its seats are replaced by this team's.
        super().__init__(environment, {"judge": PUBLIC}, rounds, split, replicate, render_mode)
        self.team = team  # type: ignore[assignment]
        self.possible_agents = list(team.seats)
        self.observation_spaces = {s: team.observation_space(s) for s in team.seats}
        self.action_spaces = {s: spaces.Discrete(team.n_actions(s)) for s in team.seats}

    def render(self) -> str | None:
        """Return the case, what was told and what is proposed as text (mode ``ansi``)."""
        text = super().render()
        if text is None:
            return None
        options = self.team.environment.render_options(self.team.cases)[0]
        place = int(self.team.proposal[0])  # type: ignore[attr-defined]
        return text if place < 0 else f"{text}\nproposed: {options[place]}"


def parallel_env(
    environment: PlanExplanation,
    rounds: int = 8,
    update_cost: float = 0.0,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> ReconciliationParallelEnv:
    """Return plan explanation as a PettingZoo ``ParallelEnv``."""
    return ReconciliationParallelEnv(
        environment, rounds, update_cost, split, replicate, render_mode
    )
