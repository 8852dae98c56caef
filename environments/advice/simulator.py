"""The judge–advisor game: state estimates, hear the others', revise; reward -error².

Round 0: every seat states an estimate (the judge's is its *initial* one). In every later round all
have heard what was stated before and state again. The judge's last statement is *final*.

Example:
    >>> from environments.advice.environment import Advice, AdviceConfig
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> env = parallel_env(Advice(AdviceConfig(), SplitPlan({Split.TEACHING: 100})))
    >>> observations, infos = env.reset(seed=1)
    >>> sorted(observations)
    ['advisor_1', 'advisor_2', 'advisor_3', 'judge']
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.advice.environment import Advice, AdviceTruth
from environments.advice.weight import weight_of_advice
from environments.cases import Split
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.simulator import Observation, Simulator, SimulatorParallelEnv

_REACH = 10.0
"""Width of the spaces in standard deviations; no estimate of the world lies outside."""


class BatchedAdvice(Simulator):
    """N judge–advisor games side by side.

    Seats: ``judge``, ``advisor_1`` … Actions: one number in units of the quantity, shape [N, 1]; a
    seat left out of a round repeats its last statement (at first, its own estimate). Reward, shared
    by all seats and given in the last round: ``-(final - q)²`` in squared units; every reward
    reveals one truth, charged to ``truth.spent["reward"]``.

    Observation of each seat, M members (the judge first):

    * ``estimates`` [N, M] private estimates that the seat holds, prior mean elsewhere;
    * ``known`` [N, M] which those are (0/1);
    * ``stated`` [N, M] last statements of all, prior mean before the first round;
    * ``round`` [N] rounds played.

    Args:
        world: Where cases come from.
        exchanges: Times that statements are exchanged; the game has one round more.

    Raises:
        ConfigError: If exchanges is not positive.
    """

    name = "advice"
    truth: AdviceTruth

    def __init__(self, world: Advice, exchanges: int = 1) -> None:
        if exchanges < 1:
            raise ConfigError(f"exchanges={exchanges}; at least 1 is needed")
        self.world = world
        self.horizon = exchanges + 1
        self.seats = tuple(world.information[1:-1])
        self.truth = world.seal()
        self._held = frozen(world.held()[:, 1:-1].T)
        reach = _REACH * float(np.hypot(world.config.prior_sd, max(world.law.member_sd)))
        low, high = world.config.prior_mean - reach, world.config.prior_mean + reach
        members = len(self.seats)
        self._action_space = spaces.Box(low, high, (1,), np.float64)
        self._observation_space = spaces.Dict(
            {
                "estimates": spaces.Box(low, high, (members,), np.float64),
                "known": spaces.MultiBinary(members),
                "stated": spaces.Box(low, high, (members,), np.float64),
                "round": spaces.Discrete(self.horizon + 1),
            }
        )

    def observation_space(self, seat: str) -> spaces.Dict:
        """Return the space of one row of a seat's observation; all seats' are alike."""
        return self._observation_space

    def action_space(self, seat: str) -> spaces.Box:
        """Return the space of one statement."""
        return self._action_space

    def _open(self) -> None:
        self._estimates = self.world.law.estimates(self.case_id)
        self.stated: NDArray[np.float64] = frozen(self._estimates)
        """[N, M] last statements; before the first round, what each would state by default."""
        self._said = [self.stated]

    def observe(self) -> dict[str, Observation]:
        """Return what every seat observes now; see the class."""
        mean = self.world.config.prior_mean
        stated = self.stated if self.round else np.full(self._estimates.shape, mean)
        return {
            seat: {
                "estimates": frozen(np.where(known, self._estimates, mean)),
                "known": frozen(np.broadcast_to(known.astype(np.int8), self._estimates.shape)),
                "stated": frozen(stated),
                "round": frozen(np.full(self.n, self.round, dtype=np.int64)),
            }
            for seat, known in zip(self.seats, self._held, strict=True)
        }

    def _play(self, actions: Mapping[str, NDArray[np.float64]]) -> None:
        stated = self.stated.copy()
        for member, seat in enumerate(self.seats):
            if seat in actions:
                stated[:, member] = actions[seat][:, 0]
        self.stated = frozen(stated)
        self._said.append(self.stated)

    def _score(self) -> dict[str, NDArray[np.float64]]:
        error = self.final - self.truth.reveal_quantity(self.case_id, "reward")
        return dict.fromkeys(self.seats, frozen(-(error**2)))

    @property
    def initial(self) -> NDArray[np.float64]:
        """[N] the judge's statement in round 0; meaningful once that was played."""
        return self._said[min(1, self.round)][:, 0]

    @property
    def advice(self) -> NDArray[np.float64]:
        """[N] mean of what the judge heard from advisors before its last statement."""
        heard = self._said[max(self.round - 1, 0)]
        total = np.zeros(self.n)
        for member in range(1, len(self.seats)):
            total = total + heard[:, member]
        return total / (len(self.seats) - 1)

    @property
    def final(self) -> NDArray[np.float64]:
        """[N] the judge's last statement."""
        return self.stated[:, 0]

    def weight_of_advice(self, clip: bool = True) -> NDArray[np.float64]:
        """Return the weight that the judge gave the mean advice, [N], NaN where undefined.

        Raises:
            ConfigError: Before the game has ended.
        """
        if self.round != self.horizon:
            raise ConfigError("the weight of advice is known when the game has ended")
        return weight_of_advice(self.initial, self.advice, self.final, clip)

    def render(self) -> str:
        """Return the first game's question and statements."""
        cases = self.world.deal(self.case_id[:1])
        lines = self.world.render_context(cases)
        if self.round > 0:
            pairs = zip(self.seats, self.stated[0].tolist(), strict=True)
            lines += [f"{seat}: {value:.0f}" for seat, value in pairs]
        return "\n".join(lines)


def parallel_env(
    world: Advice,
    exchanges: int = 1,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return the game as a PettingZoo ``ParallelEnv`` over a split's cases.

    Raises:
        ConfigError: If the split is empty or exchanges is not positive.
    """
    ids = world.case_ids(Split(split), replicate)
    return SimulatorParallelEnv(BatchedAdvice(world, exchanges), ids, render_mode)
