"""Playing a Dec-POMDP: N episodes at once, or one behind PettingZoo's ``ParallelEnv``.

Both are one implementation; the PettingZoo environment plays N = 1.

Example:
    >>> from environments.dec_tiger.problem import dec_tiger
    >>> game = BatchedDecPOMDP(dec_tiger(), horizon=3)
    >>> seen = game.reset(range(1000))
    >>> listen = [0] * 1000
    >>> seen, reward, terminated, truncated = game.step({"agent_1": listen, "agent_2": listen})
    >>> float(reward["agent_1"][0]), bool(truncated.any())
    (-2.0, False)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from environments.base import Reference
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed, hash_id
from environments.dec_pomdp.model import DecPOMDP
from environments.dec_pomdp.policies import JointPolicy
from environments.dec_pomdp.reader import load_dpomdp
from environments.dec_pomdp.references import reference_values
from environments.simulator import (
    Observation,
    Outcome,
    Simulator,
    SimulatorParallelEnv,
    Step,
)

COMMUNICATION = ("none", "free")
"""Whether agents see their own observations only, or all agents' at once."""


class BatchedDecPOMDP(Simulator):
    """N episodes of a Dec-POMDP side by side.

    Every agent acts in every stage; its action space is ``Discrete`` over its own actions. The
    reward, the same for all agents, is the model's expected reward R(a, s) of the stage. An episode
    is a pure function of (seed, its id, the actions). It ends by truncation after ``horizon``
    stages: the format knows no terminal states.

    Args:
        model: The model.
        horizon: Stages of an episode.
        communication: ``none`` or ``free`` (every agent also sees all agents' observations).
        seed: Keys all draws.

    Raises:
        ConfigError: If the horizon is not positive or the communication unknown.
    """

    name = "dec_pomdp"

    def __init__(
        self, model: DecPOMDP, horizon: int = 3, communication: str = "none", seed: int = 0
    ) -> None:
        if horizon < 1:
            raise ConfigError(f"horizon={horizon}; at least 1 is needed")
        if communication not in COMMUNICATION:
            allowed = ", ".join(COMMUNICATION)
            raise ConfigError(f"communication={communication!r} is not one of {allowed}")
        self.model, self.horizon, self.communication = model, horizon, communication
        self.seats = model.agents
        self._start = model.start.cumsum()
        self._transition = model.transition.cumsum(axis=2)
        self._observation = model.observation.cumsum(axis=2)
        self._draws = {name: Keyed(seed, f"dec_pomdp.{name}") for name in ("start", "move", "see")}

    # -- spaces ----------------------------------------------------------------------------

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of `observe`."""
        sizes = self.model.n_observations
        agent = self.model.agents.index(seat)
        own: dict[str, spaces.Space] = {
            "observation": spaces.Discrete(sizes[agent] + 1),
            "round": spaces.Discrete(self.horizon + 1),
        }
        if self.communication == "free":
            own["team"] = spaces.MultiDiscrete([size + 1 for size in sizes])
        return spaces.Dict(own)

    def action_space(self, seat: str) -> spaces.Discrete:
        """Return the space of an agent's own actions."""
        return spaces.Discrete(self.model.n_actions[self.model.agents.index(seat)])

    def observe(self) -> dict[str, Observation]:
        """Return what every agent observes now.

        Returns:
            Agent to arrays with N rows: ``observation`` [N] 0 before the first stage, then 1 + the
            own observation of the last stage; ``round`` [N] stages played; with free communication
            also ``team`` [N, n], the same for all agents.
        """
        played = frozen(np.full(self.n, self.round, dtype=np.int64))
        observed = {}
        for agent, seat in enumerate(self.seats):
            own: Observation = {"observation": frozen(self._seen[:, agent]), "round": played}
            if self.communication == "free":
                own["team"] = frozen(self._seen)
            observed[seat] = own
        return observed

    # -- playing ---------------------------------------------------------------------------

    def step(self, actions: Mapping[str, ArrayLike]) -> Step:
        """Play one stage in every episode.

        Args:
            actions: Every agent's own actions [N].

        Returns:
            Observations, the shared reward [N] of every agent, ``terminated`` (never true) and
            ``truncated`` (true in the last stage).

        Raises:
            ConfigError: Before `reset`, after the end, or if an agent is missing or unknown, or
                its actions are not N integers in range.
        """
        missing = [seat for seat in self.seats if seat not in actions]
        if missing and 0 <= self.round < self.horizon:
            raise ConfigError(f"no action of {', '.join(missing)}; every agent acts at every stage")
        return super().step(actions)

    def _outcome(self) -> Outcome:
        over = np.full(self.n, self.round == self.horizon)
        return self._score(), np.zeros(self.n, dtype=bool), over

    def _open(self) -> None:
        u = self._draws["start"].uniform(self.case_id)
        self._state = _choose(np.broadcast_to(self._start, (self.n, len(self._start))), u)
        self._seen = np.zeros((self.n, len(self.seats)), dtype=np.int64)
        self._acted = np.full((self.n, len(self.seats)), -1, dtype=np.int64)
        self._reward = np.zeros(self.n)

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        self._acted = np.stack([actions[seat] for seat in self.seats], axis=1)
        joint = self.model.joint_action(list(self._acted.T))
        self._reward = self.model.reward[joint, self._state]
        moved = self._draws["move"].uniform(self.case_id, self.round)
        self._state = _choose(self._transition[joint, self._state], moved)
        seen = self._draws["see"].uniform(self.case_id, self.round)
        joint_seen = _choose(self._observation[joint, self._state], seen)
        self._seen = 1 + np.stack(self.model.own_observations(joint_seen), axis=1)

    def _score(self) -> dict[str, NDArray[np.float64]]:
        return dict.fromkeys(self.seats, frozen(self._reward))

    # -- text ------------------------------------------------------------------------------

    def texts(self, seat: str) -> list[str]:
        """Return what an agent knows of the present stage as text, one for each episode."""
        agent = self.model.agents.index(seat)
        others = range(len(self.seats)) if self.communication == "free" else [agent]
        head = f"You are {seat}. Stage {self.round} of {self.horizon} is over."
        tail = f"You can: {', '.join(self.model.actions[agent])}."
        lines = []
        for row in self._seen.tolist():
            said = [
                f"{'You' if a == agent else self.seats[a]} observed"
                f" {self.model.observations[a][row[a] - 1]}."
                for a in others
                if row[a]
            ]
            lines.append(" ".join([head, *said, tail]))
        return lines

    def render(self) -> str:
        """Return the last stage of the first episode as a spectator sees it: all but the state."""
        if self.round == 0:
            return f"stage 0 of {self.horizon}: nothing has happened"
        parts = [
            f"{seat} did {self.model.actions[a][self._acted[0, a]]},"
            f" observed {self.model.observations[a][self._seen[0, a] - 1]}"
            for a, seat in enumerate(self.seats)
        ]
        return f"stage {self.round} of {self.horizon}: {'; '.join(parts)}; {self._reward[0]:g}"


def _choose(cumulative: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which column each uniform draw falls into, given cumulated rows [N, K]."""
    return (cumulative[:, :-1] <= (u * cumulative[:, -1])[:, None]).sum(axis=1)


def play(game: BatchedDecPOMDP, policy: JointPolicy, episode: ArrayLike) -> NDArray[np.float64]:
    """Return the discounted sum of rewards of a joint policy in each episode, shape [N].

    Raises:
        ConfigError: If the policy's horizon is not the game's.
    """
    if policy.horizon != game.horizon:
        raise ConfigError(f"a policy for {policy.horizon} stages cannot play {game.horizon}")
    game.reset(episode)
    history = [np.zeros(game.n, dtype=np.int64) for _ in game.seats]
    total = np.zeros(game.n)
    for stage in range(game.horizon):
        acts = {s: policy.act(a, stage, history[a]) for a, s in enumerate(game.seats)}
        seen, reward, _, _ = game.step(acts)
        total = total + game.model.discount**stage * reward[game.seats[0]]
        history = [
            h * z + seen[s]["observation"] - 1
            for h, z, s in zip(history, game.model.n_observations, game.seats, strict=True)
        ]
    return total


class DecPOMDPEnv(SimulatorParallelEnv):
    """Any Dec-POMDP as a PettingZoo ``ParallelEnv``: `BatchedDecPOMDP` with N = 1.

    Observation spaces are ``Dict(observation=Discrete(Z_i + 1), round=Discrete(horizon + 1))``,
    with free communication also ``team=MultiDiscrete``; action spaces ``Discrete(A_i)``; the reward
    is shared. Episode k after ``reset(seed=s)`` is a pure function of (s, k) and the actions;
    ``reset(options={"case_id": i})`` plays episode i.

    Args:
        model: A model or the path of a ``.dpomdp`` file.
        horizon: Stages of an episode.
        communication: ``none`` or ``free``.
        render_mode: None, or ``ansi`` to have `render` return text.

    Raises:
        ConfigError: For a horizon or communication that is not allowed.
        DataError: If the file is malformed.
    """

    def __init__(
        self,
        model: DecPOMDP | str | Path,
        horizon: int = 3,
        communication: str = "none",
        render_mode: str | None = None,
    ) -> None:
        loaded = model if isinstance(model, DecPOMDP) else load_dpomdp(model)
        game = BatchedDecPOMDP(loaded, horizon, communication)
        super().__init__(game, np.zeros(1, dtype=np.int64), render_mode)
        self.game = game

    def reset(
        self, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, dict], dict[str, dict]]:
        """Start an episode and return observations and infos (``case_id``) of every agent."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        case = (options or {}).get("case_id")
        if case is None:
            case = int(hash_id(self._seed, self._episode))
            self._episode += 1
        return super().reset(options={"case_id": case})

    def reference_values(self) -> Mapping[str, Reference]:
        """Return what the model's information is worth over this horizon, in reward."""
        return reference_values(self.game.model, self.game.horizon)
