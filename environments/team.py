"""Teams as a decision process: seats look, disclose evidence, and the judge chooses.

`BatchedTeam` steps N cases at once; `TeamParallelEnv` is the same team with N = 1 behind
PettingZoo's ``ParallelEnv``, so that any multi-agent reinforcement-learning library can play it.
There is one implementation: the PettingZoo environment only takes row 0.

A round::

    every seat observes --> every seat acts at once --> disclosures become visible --> next round
                                    |
                                    +-- the judge chose, or rounds ran out: shared reward, end

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.reading.world import Reading, ReadingConfig
    >>> world = Reading(ReadingConfig(), SplitPlan({Split.TEACHING: 100}))
    >>> env = parallel_env(world, {"judge": "public", "expert": "expert"}, rounds=3)
    >>> observations, infos = env.reset(seed=1)
    >>> sorted(observations)
    ['expert', 'judge']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray
from pettingzoo import ParallelEnv

from environments.base import Environment
from environments.cases import Cases, Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed

JUDGE = "judge"
PASS = 0
"""Action: say nothing this round."""

Observation = dict[str, NDArray[Any]]
"""What a seat observes; see `BatchedTeam.observe`."""


class BatchedTeam:
    """N teams that decide N cases side by side.

    Actions are integers: 0 passes, ``1 + e`` discloses evidence item e, and, for the judge only,
    ``1 + E + k`` chooses option k and ends the episode. Disclosing an item that the seat does not
    hold does nothing. Choosing an option that the case does not have ends the episode without a
    decision. The reward, shared by all seats, is 1 for the right option and 0 otherwise, an episode
    that ends without a decision included. Every reward reveals one truth, which is charged to
    ``truth.spent["reward"]``.

    Args:
        environment: A numeric environment.
        seats: Seat name to information group; one seat is called ``judge``.
        rounds: Rounds until an undecided episode ends.

    Raises:
        ConfigError: If there is no judge, a group is unknown, rounds is not positive, or the
            environment has no likelihoods.
    """

    def __init__(self, environment: Environment, seats: Mapping[str, str], rounds: int = 4) -> None:
        if JUDGE not in seats:
            raise ConfigError(f"seats={sorted(seats)} has no {JUDGE!r}; one seat must decide")
        for seat, group in seats.items():
            if group not in environment.information:
                allowed = ", ".join(environment.information)
                raise ConfigError(f"seats.{seat}={group!r} is no information group ({allowed})")
        if rounds < 1:
            raise ConfigError(f"rounds={rounds}; at least 1 is needed")
        if not environment.numeric:
            raise ConfigError("a team needs evidence with likelihoods; this environment has none")
        self.environment = environment
        self.seats = dict(seats)
        self.rounds = rounds
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
        """Return the number of a seat's actions: 1 + E, and K more for the judge."""
        return 1 + self.n_items + (self.n_options if seat == JUDGE else 0)

    def reset(self, case_id: ArrayLike) -> dict[str, Observation]:
        """Open an episode for each case and return what every seat observes.

        Args:
            case_id: [N] cases; ids may repeat.
        """
        self.cases: Cases = self.environment.deal(np.asarray(case_id, dtype=np.int64))
        n = self.cases.n
        self.round = 0
        self.disclosed = frozen(np.zeros((n, self.n_items), dtype=bool))
        self.done = frozen(np.zeros(n, dtype=bool))
        self.choice = frozen(np.full(n, -1, dtype=np.int64))
        self._held = {
            seat: self.cases.evidence.held[:, :, self.environment.information.index(group)]
            for seat, group in self.seats.items()
        }
        self._assessment = {
            seat: frozen(np.exp(self.environment.assess(self.cases, group, np.full(n, code))))
            for code, (seat, group) in enumerate(self.seats.items())
        }
        return self.observe()

    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now.

        Returns:
            Seat to arrays with N rows: ``assessment`` [N, K] probabilities that the seat concludes
            alone (fixed through the episode), ``options`` [N, K] which options exist (0/1),
            ``held`` [N, E] items of its own, ``disclosed`` [N, E] items that all have seen,
            ``llr`` [N, E, K] log-likelihoods of items held or disclosed (0 elsewhere), ``round``
            [N] rounds played.
        """
        observations = {}
        for seat, held in self._held.items():
            known = held | self.disclosed
            observations[seat] = {
                "assessment": self._assessment[seat],
                "options": frozen(self.cases.option_mask.astype(np.int8)),
                "held": frozen(held.astype(np.int8)),
                "disclosed": frozen(self.disclosed.astype(np.int8)),
                "llr": frozen(np.where(known[:, :, None], self.cases.evidence.llr, 0.0)),
                "round": frozen(np.full(self.cases.n, self.round, dtype=np.int64)),
            }
        return observations

    def step(
        self, actions: Mapping[str, ArrayLike]
    ) -> tuple[dict[str, Observation], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Play one round in every unfinished episode.

        Args:
            actions: Seat to [N] actions; a seat that is left out passes. Actions of finished
                episodes are ignored.

        Returns:
            Observations, shared reward [N], ``terminated`` [N] (the judge chose) and ``truncated``
            [N] (rounds ran out), true only in the round in which it happens.

        Raises:
            ConfigError: For an unknown seat, a wrong shape or an action out of range.
        """
        moves = {seat: self._checked(seat, action) for seat, action in actions.items()}
        active = ~self.done
        disclosed = self.disclosed.copy()
        for seat, action in moves.items():
            item = action - 1
            speaks = np.flatnonzero(active & (item >= 0) & (item < self.n_items))
            real = speaks[self._held[seat][speaks, item[speaks]]]
            disclosed[real, item[real]] = True
        picked = moves.get(JUDGE, np.zeros(self.cases.n, dtype=np.int64)) - 1 - self.n_items
        terminated = active & (picked >= 0)
        decides = terminated & (picked < self.cases.n_options)
        self.round += 1
        truncated = active & ~terminated & (self.round >= self.rounds)
        self.choice = frozen(np.where(decides, picked, self.choice))
        self.disclosed = frozen(disclosed)
        self.done = frozen(self.done | terminated | truncated)
        reward = np.zeros(self.cases.n)
        if decides.any():
            ids = self.cases.case_id[decides]
            reward[decides] = self.truth.reveal(ids, "reward") == picked[decides]
        return self.observe(), reward, terminated, truncated

    def _checked(self, seat: str, action: ArrayLike) -> NDArray[np.int64]:
        if seat not in self.seats:
            raise ConfigError(f"unknown seat {seat!r} (allowed: {', '.join(self.seats)})")
        array = np.asarray(action)
        top = self.n_actions(seat)
        if array.shape != (self.cases.n,) or array.dtype.kind not in "iu":
            raise ConfigError(f"actions of {seat!r} must be {self.cases.n} integers")
        if ((array < 0) | (array >= top)).any():
            raise ConfigError(f"actions of {seat!r} must be in 0 … {top - 1}")
        return array.astype(np.int64)

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`."""
        k, e = self.n_options, self.n_items
        return spaces.Dict(
            {
                "assessment": spaces.Box(0.0, 1.0, (k,), np.float64),
                "options": spaces.MultiBinary(k),
                "held": spaces.MultiBinary(e),
                "disclosed": spaces.MultiBinary(e),
                "llr": spaces.Box(-np.inf, np.inf, (e, k), np.float64),
                "round": spaces.Discrete(self.rounds + 1),
            }
        )


class TeamParallelEnv(ParallelEnv):
    """One team behind PettingZoo's ``ParallelEnv``.

    The case of an episode is a keyed draw from the split by (seed, episode number); ``reset`` with
    a seed starts again at episode 0. ``reset(options={"case_id": …})`` plays a given case.

    Args:
        environment: A numeric environment.
        seats: Seat name to information group; one is called ``judge``.
        rounds: Rounds until an undecided episode ends.
        split: Where cases come from; it must not be empty.
        replicate: Whose cases, for splits that differ by replicate.
        render_mode: None, or ``ansi`` to have `render` return text.

    Raises:
        ConfigError: As `BatchedTeam`, or if the split is empty.
    """

    metadata = {"name": "facilitate_team_v0", "render_modes": ["ansi"], "is_parallelizable": True}

    def __init__(
        self,
        environment: Environment,
        seats: Mapping[str, str],
        rounds: int = 4,
        split: Split = Split.TEACHING,
        replicate: int = 0,
        render_mode: str | None = None,
    ) -> None:
        self.team = BatchedTeam(environment, seats, rounds)
        self._ids = environment.case_ids(Split(split), replicate)
        if not len(self._ids):
            raise ConfigError(f"split {Split(split).value!r} is empty; plan some cases for it")
        self.render_mode = render_mode
        self.possible_agents = list(seats)
        self.agents: list[str] = []
        self.observation_spaces = {s: self.team.observation_space(s) for s in seats}
        self.action_spaces = {s: spaces.Discrete(self.team.n_actions(s)) for s in seats}
        self._seed, self._episode = 0, 0

    def observation_space(self, agent: str) -> spaces.Space:
        """Return a seat's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space:
        """Return a seat's action space, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, dict], dict[str, dict]]:
        """Start an episode.

        Args:
            seed: Restarts the sequence of cases.
            options: ``case_id`` plays a given case.

        Returns:
            Observations and infos (``case_id``) of every seat.
        """
        if seed is not None:
            self._seed, self._episode = seed, 0
        case = (options or {}).get("case_id")
        if case is None:
            draw = Keyed(self._seed, "team.case").integers(len(self._ids), self._episode)
            case = self._ids[int(draw)]
            self._episode += 1
        observations = self.team.reset([case])
        self.agents = list(self.possible_agents)
        return self._one(observations), self._infos()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, dict], dict[str, float], dict[str, bool], dict[str, bool], dict]:
        """Play one round; see `BatchedTeam.step`."""
        moves = {seat: np.array([int(action)]) for seat, action in actions.items()}
        observations, reward, terminated, truncated = self.team.step(moves)
        agents = self.agents
        if terminated[0] or truncated[0]:
            self.agents = []
        return (
            self._one(observations),
            dict.fromkeys(agents, float(reward[0])),
            dict.fromkeys(agents, bool(terminated[0])),
            dict.fromkeys(agents, bool(truncated[0])),
            self._infos(),
        )

    def render(self) -> str | None:
        """Return the case and what has been disclosed as text (mode ``ansi``)."""
        if self.render_mode != "ansi":
            return None
        environment, cases = self.team.environment, self.team.cases
        evidence = environment.render_evidence(cases)[0]
        shown = [evidence[e] for e in np.flatnonzero(self.team.disclosed[0])]
        lines = [
            environment.render_context(cases)[0],
            *environment.render_options(cases)[0],
            *shown,
        ]
        return "\n".join(lines)

    def close(self) -> None:
        """Release nothing; there is nothing to release."""

    def _one(self, observations: dict[str, Observation]) -> dict[str, dict]:
        return {
            seat: {name: value[0] for name, value in observation.items()}
            for seat, observation in observations.items()
        }

    def _infos(self) -> dict[str, dict]:
        case = int(self.team.cases.case_id[0])
        return {seat: {"case_id": case} for seat in self.possible_agents}


def parallel_env(
    environment: Environment,
    seats: Mapping[str, str],
    rounds: int = 4,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> TeamParallelEnv:
    """Return an environment as a PettingZoo ``ParallelEnv``; see `TeamParallelEnv`."""
    return TeamParallelEnv(environment, seats, rounds, split, replicate, render_mode)
