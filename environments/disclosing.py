"""What all teams that disclose evidence have in common: cases, who holds what, who has seen what.

`environments.team`, `environments.council` and `environments.plan_explanation.team` differ in how
a team decides; how its seats hold, disclose and observe evidence is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.base import Environment
from environments.cases import Cases
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.simulator import Observation, Outcome, Simulator

UNDECIDED = -1
"""In `DisclosingTeam.choice`: no decision."""


class DisclosingTeam(Simulator):
    """N teams whose seats hold evidence of N cases and may disclose it to all.

    A subclass says what actions mean, and calls `_disclose` with what they disclose.

    Args:
        environment: A numeric environment.
        groups: Seat to information group.
        horizon: Rounds of an episode, at most.

    Raises:
        ConfigError: If a group is unknown or the environment has no likelihoods.
    """

    def __init__(self, environment: Environment, groups: Mapping[str, str], horizon: int) -> None:
        for seat, group in groups.items():
            if group not in environment.information:
                allowed = ", ".join(environment.information)
                raise ConfigError(f"seats.{seat}={group!r} is no information group ({allowed})")
        if not environment.numeric:
            raise ConfigError(
                f"a {self.name} needs evidence with likelihoods; this environment has none"
            )
        self.environment = environment
        self.groups = dict(groups)
        self.seats = tuple(groups)
        self.horizon = horizon
        self.truth = environment.seal()

    @property
    def n_items(self) -> int:
        """E, the number of items that an action can disclose."""
        return self.environment.max_evidence

    @property
    def n_options(self) -> int:
        """K, the width of the option axis."""
        return self.environment.max_options

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`; the same for every seat."""
        k, e = self.n_options, self.environment.max_evidence
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
        """Return what every seat observes now.

        Returns:
            Seat to arrays with N rows: ``assessment`` [N, K] probabilities that the seat concludes
            alone (fixed through the episode), ``options`` [N, K] which options exist (0/1),
            ``held`` [N, E] items of its own, ``disclosed`` [N, E] items that all have seen,
            ``llr`` [N, E, K] log-likelihoods of items held or disclosed (0 elsewhere), ``round``
            [N] rounds played.
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
        """Return the first team's case, and what has been disclosed, as text."""
        first = self.cases.take([0])
        evidence = self.environment.render_evidence(first)[0]
        lines = [
            self.environment.render_context(first)[0],
            *self.environment.render_options(first)[0],
            *(evidence[e] for e in np.flatnonzero(self.disclosed[0])),
        ]
        return "\n".join(lines)

    def _open(self) -> None:
        self.cases: Cases = self.environment.deal(self.case_id)
        self.disclosed: NDArray[np.bool_] = frozen(
            np.zeros((self.n, self.environment.max_evidence), dtype=bool)
        )
        """[N, E] items that all have seen."""
        self.choice: NDArray[np.int64] = frozen(np.full(self.n, UNDECIDED, dtype=np.int64))
        """[N] decisions of the present episodes."""
        groups = self.environment.information
        self._held = {
            seat: self.cases.evidence.held[:, :, groups.index(group)]
            for seat, group in self.groups.items()
        }
        self._assessment = {
            seat: frozen(np.exp(self.environment.assess(self.cases, group, np.full(self.n, code))))
            for code, (seat, group) in enumerate(self.groups.items())
        }

    def _disclose(
        self, actions: Mapping[str, NDArray[Any]], active: NDArray[np.bool_] | None = None
    ) -> None:
        """Disclose item e for each action ``1 + e`` of a seat that holds it.

        Args:
            actions: Seat to [N] actions; others than ``1 … E`` disclose nothing.
            active: [N] episodes that go on; all by default.
        """
        disclosed = self.disclosed.copy()
        for seat, action in actions.items():
            speaks = (action >= 1) & (action <= self.n_items)
            rows = np.flatnonzero(speaks if active is None else speaks & active)
            item = action[rows] - 1
            disclosed[rows, item] |= self._held[seat][rows, item]
        self.disclosed = frozen(disclosed)

    def _correct(self, decides: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return 1 where a deciding team chose the right option, else 0, shape [N].

        Every decision reveals one truth, which is charged to ``truth.spent["reward"]``.
        """
        reward = np.zeros(self.n)
        if decides.any():
            truth = self.truth.reveal(self.case_id[decides], "reward")
            reward[decides] = truth == self.choice[decides]
        return reward


class EarlyEndingTeam(DisclosingTeam):
    """N teams of which each ends when its decider decides, or when rounds run out.

    A subclass sets ``_decided`` [N] in ``_play``: who decides in this round. Actions of finished
    episodes are ignored. An episode that runs out of rounds is truncated.
    """

    def _open(self) -> None:
        super()._open()
        self.done: NDArray[np.bool_] = frozen(np.zeros(self.n, dtype=bool))
        """[N] episodes that are over."""
        self._decided = self.done

    def _decide(self, active: NDArray[np.bool_], picked: NDArray[np.int64]) -> None:
        """Note who decides in this round, and for what.

        Args:
            active: [N] episodes that go on.
            picked: [N] options; negative where nobody decides. An option that the case does not
                have ends the episode without a decision.
        """
        self._decided = active & (picked >= 0)
        self._valid = self._decided & (picked < self.cases.n_options)
        self.choice = frozen(np.where(self._valid, picked, self.choice))

    def _score(self) -> dict[str, NDArray[np.float64]]:
        """Return 1 for the right option to every seat of a team that decides now, else 0."""
        return dict.fromkeys(self.seats, frozen(self._correct(self._valid)))

    def _outcome(self) -> Outcome:
        active = ~self.done
        truncated = active & ~self._decided & (self.round == self.horizon)
        self.done = frozen(self.done | self._decided | truncated)
        return self._score(), self._decided, truncated
