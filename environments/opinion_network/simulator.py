"""The opinion game: members state opinions round by round and are scored at the end.

Round 0: every member states an opinion (its first impression, if it just says what it thinks). In
every later round each has heard what those it listens to stated before, and states again.

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.opinion_network.environment import OpinionNetwork, OpinionNetworkConfig
    >>> plan = SplitPlan({Split.TEACHING: 100})
    >>> env = parallel_env(OpinionNetwork(OpinionNetworkConfig(n_members=5), plan), rounds=3)
    >>> observations, infos = env.reset(seed=1)
    >>> sorted(observations)
    ['member_1', 'member_2', 'member_3', 'member_4', 'member_5']
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.cases import Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.opinion_network.environment import UP, OpinionNetwork
from environments.simulator import Observation, Simulator, SimulatorParallelEnv

_REACH = 10.0
"""Width of the spaces in standard deviations; no impression of the world lies outside."""


class BatchedOpinions(Simulator):
    """N opinion games side by side.

    Seats: ``member_1`` … Actions: one opinion, shape [N, 1]; a member left out of a round repeats
    its last statement (at first, its first impression). Reward of each member in the last round: 1
    if the sign of its last statement is right, else 0 (0 itself is no decision); with ``shared``
    all get the mean. Truths revealed are charged once per game to ``truth.spent["reward"]``.

    Observation of member i, who listens to S_i members (perhaps to itself): ``impression`` [N, 1]
    its first impression, ``heard`` [N, S_i] their last statements in ascending order (0 before the
    first round), ``weights`` [N, S_i] the weights that the world's network gives them, ``stated``
    [N, 1] its own last statement, ``round`` [N].

    Args:
        world: Where cases and the network come from.
        rounds: Times that opinions are heard and revised, at least 1; the game has one round more.
        shared: Whether all members get the mean reward.

    Raises:
        ConfigError: If rounds is not positive.
    """

    name = "opinion_network"

    def __init__(self, world: OpinionNetwork, rounds: int = 10, shared: bool = False) -> None:
        if rounds < 1:
            raise ConfigError(f"rounds={rounds}; at least 1 is needed")
        self.world, self.shared = world, shared
        self.horizon = rounds + 1
        self.seats = tuple(world.information[1:-1])
        self.truth = world.seal()
        network, reach = world.weights, world.config.signal + _REACH * world.config.noise
        self._heard = [network.heard[i, :degree] for i, degree in enumerate(network.degree)]
        self._weights = [network.weight[i, :degree] for i, degree in enumerate(network.degree)]
        self._action_space = spaces.Box(-reach, reach, (1,), np.float64)
        self._observation_spaces = {
            seat: spaces.Dict(
                {
                    "impression": self._action_space,
                    "heard": spaces.Box(-reach, reach, heard.shape, np.float64),
                    "weights": spaces.Box(0.0, 1.0, heard.shape, np.float64),
                    "stated": self._action_space,
                    "round": spaces.Discrete(self.horizon + 1),
                }
            )
            for seat, heard in zip(self.seats, self._heard, strict=True)
        }

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of a member's observation."""
        return self._observation_spaces[seat]

    def action_space(self, seat: str) -> spaces.Box:
        """Return the space of one statement."""
        return self._action_space

    def _open(self) -> None:
        self._impressions = frozen(self.world.impressions(self.case_id))
        self.opinions: NDArray[np.float64] = self._impressions
        """[N, M] last statements; before the first round, first impressions."""

    def observe(self) -> dict[str, Observation]:
        """Return what every member observes now; see the class."""
        said = self.opinions if self.round else np.zeros(self.opinions.shape)
        rounds = frozen(np.full(self.n, self.round, dtype=np.int64))
        return {
            seat: {
                "impression": self._impressions[:, i, None],
                "heard": frozen(said[:, self._heard[i]]),
                "weights": frozen(np.broadcast_to(self._weights[i], (self.n, len(self._heard[i])))),
                "stated": frozen(self.opinions[:, i, None]),
                "round": rounds,
            }
            for i, seat in enumerate(self.seats)
        }

    def _play(self, actions: Mapping[str, NDArray[np.float64]]) -> None:
        opinions = self.opinions.copy()
        for i, seat in enumerate(self.seats):
            if seat in actions:
                opinions[:, i] = actions[seat][:, 0]
        self.opinions = frozen(opinions)

    def follow(self) -> dict[str, NDArray[np.float64]]:
        """Return what members state next who follow the world's network: A W x + (I - A) x₀.

        In round 0 that is the first impression.
        """
        world, x = self.world, self.opinions
        if self.round:
            x = world.weights.friedkin_johnsen_step(x, self._impressions, world.susceptibility)
        return {seat: x[:, i, None] for i, seat in enumerate(self.seats)}

    def _score(self) -> dict[str, NDArray[np.float64]]:
        up = self.truth.reveal(self.case_id, "reward") == UP
        right = np.where(up[:, None], self.opinions > 0, self.opinions < 0).astype(np.float64)
        if not self.shared:
            return {seat: frozen(right[:, i]) for i, seat in enumerate(self.seats)}
        # Counts of zeros and ones are exact, in whatever order they are added.
        return dict.fromkeys(self.seats, frozen(right.sum(axis=1) / len(self.seats)))

    def render(self) -> str:
        """Return the first game's question and statements."""
        cases = self.world.deal(self.case_id[:1])
        lines = self.world.render_context(cases)
        if self.round > 0:
            pairs = zip(self.seats, self.opinions[0].tolist(), strict=True)
            lines += [f"{seat}: {value:.2f}" for seat, value in pairs]
        return "\n".join(lines)


def parallel_env(
    world: OpinionNetwork,
    rounds: int = 10,
    shared: bool = False,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return the game as a PettingZoo ``ParallelEnv`` over a split's cases.

    Raises:
        ConfigError: If the split is empty or rounds is not positive.
    """
    ids = world.case_ids(Split(split), replicate)
    return SimulatorParallelEnv(BatchedOpinions(world, rounds, shared), ids, render_mode)
