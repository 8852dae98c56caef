"""Teams as a decision process: seats look, disclose evidence, and the judge chooses.

`BatchedTeam` steps N cases at once; `parallel_env` plays the same object, with N = 1, behind
PettingZoo's ``ParallelEnv``, so that any multi-agent reinforcement-learning library can play it.

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
from numpy.typing import NDArray

from environments.base import Environment
from environments.cases import Split
from environments.core.errors import ConfigError
from environments.disclosing import UNDECIDED, EarlyEndingTeam
from environments.simulator import SimulatorParallelEnv

JUDGE = "judge"
PASS = 0
"""Action: say nothing this round."""


class BatchedTeam(EarlyEndingTeam):
    """N teams that decide N cases side by side.

    Actions are integers: 0 passes, ``1 + e`` discloses evidence item e, and, for the judge only,
    ``1 + E + k`` chooses option k and ends the episode. Disclosing an item that the seat does not
    hold does nothing. Choosing an option that the case does not have ends the episode without a
    decision. A seat that is left out of a step passes. The reward, shared by all seats, is 1 for
    the right option and 0 otherwise, an episode that ends without a decision included. Every reward
    reveals one truth, which is charged to ``truth.spent["reward"]``.

    Observations are those of `environments.disclosing.DisclosingTeam.observe`. An episode
    terminates when the judge chooses and is truncated when rounds run out.

    Args:
        environment: A numeric environment.
        seats: Seat name to information group; one seat is called ``judge``.
        rounds: Rounds until an undecided episode ends.

    Raises:
        ConfigError: If there is no judge, a group is unknown, rounds is not positive, or the
            environment has no likelihoods.
    """

    name = "team"

    def __init__(self, environment: Environment, seats: Mapping[str, str], rounds: int = 4) -> None:
        if JUDGE not in seats:
            raise ConfigError(f"seats={sorted(seats)} has no {JUDGE!r}; one seat must decide")
        if rounds < 1:
            raise ConfigError(f"rounds={rounds}; at least 1 is needed")
        super().__init__(environment, seats, rounds)

    def n_actions(self, seat: str) -> int:
        """Return the number of a seat's actions: 1 + E, and K more for the judge."""
        return 1 + self.n_items + (self.n_options if seat == JUDGE else 0)

    def action_space(self, seat: str) -> spaces.Discrete:
        """Return the space of one row of a seat's actions."""
        return spaces.Discrete(self.n_actions(seat))

    def _play(self, actions: Mapping[str, NDArray[Any]]) -> None:
        active = ~self.done
        self._disclose(actions, active)
        judge = actions.get(JUDGE, np.full(self.n, PASS))
        self._decide(active, np.maximum(judge - 1 - self.n_items, UNDECIDED))


def parallel_env(
    environment: Environment,
    seats: Mapping[str, str],
    rounds: int = 4,
    split: Split = Split.TEACHING,
    replicate: int = 0,
    render_mode: str | None = None,
) -> SimulatorParallelEnv:
    """Return one team at a time as a PettingZoo ``ParallelEnv``.

    Args:
        environment: A numeric environment.
        seats: Seat name to information group; one is called ``judge``.
        rounds: Rounds until an undecided episode ends.
        split: Where cases come from; it must not be empty.
        replicate: Whose cases, for splits that differ by replicate.
        render_mode: None, or ``ansi`` to have ``render`` return text.

    Raises:
        ConfigError: As `BatchedTeam`, or if the split is empty.
    """
    ids = environment.case_ids(Split(split), replicate)
    return SimulatorParallelEnv(BatchedTeam(environment, seats, rounds), ids, render_mode)
