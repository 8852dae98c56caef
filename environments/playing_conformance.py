"""Checks of decision processes: our simulators, and environments that speak PettingZoo's language.

`check_simulator` runs PettingZoo's own tests on one episode at a time, and holds that many at once
are the same. `check_outside` does it for a class of somebody else: PettingZoo's or Gymnasium's
tests, and that it can be played through `environments.adapters`.

Example:
    >>> from environments.base import SplitPlan
    >>> from environments.cases import Split
    >>> from environments.jury.environment import Jury, JuryConfig
    >>> jury = Jury(JuryConfig(), SplitPlan({Split.TEACHING: 50}))
    >>> all(f.ok for f in check_simulator(jury.simulator, jury.case_ids(Split.TEACHING, 0)))
    True
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from numpy.typing import ArrayLike, NDArray
from pettingzoo import AECEnv, ParallelEnv

from environments.adapters.episode import Episode
from environments.adapters.gymnasium_episode import GymnasiumEpisode
from environments.adapters.pettingzoo_episode import pettingzoo_episode
from environments.adapters.simulator import OutsideSimulator
from environments.core.finding import Finding
from environments.core.keyed import Keyed
from environments.simulator import Outcome, Simulator, SimulatorParallelEnv

CYCLES = 60
"""Steps that PettingZoo's tests play."""
ROUNDS = 40
"""Rounds in which many episodes are compared with single ones, at most."""
SAMPLE = 16
"""Episodes that are compared."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Outside = type[ParallelEnv] | type[AECEnv] | type[gymnasium.Env]


class _Failed(Exception):  # noqa: N818 - a verdict, never seen outside this module
    """A check's contradiction."""


def check_simulator(make: Callable[[], Simulator], case_id: ArrayLike) -> list[Finding]:
    """Check a simulator: PettingZoo's tests, and that a batch equals single episodes.

    Args:
        make: Makes a new simulator.
        case_id: [C] cases to play, at least one.

    Returns:
        One finding per check; an exception inside a check is a failed finding.
    """
    ids = np.asarray(case_id, dtype=np.int64)

    def env() -> SimulatorParallelEnv:
        return SimulatorParallelEnv(make(), ids)

    return [
        _run("PettingZoo parallel_api_test", lambda: _parallel_api(env())),
        _run("PettingZoo parallel_seed_test", lambda: _parallel_seed(env)),
        _run("many at once equal one at a time", lambda: _batch(make, ids[:SAMPLE])),
        _run("what is observed cannot be written to", lambda: _read_only(make(), ids[:SAMPLE])),
    ]


def check_outside(cls: Outside, settings: Mapping[str, Any]) -> list[Finding]:
    """Check a PettingZoo or Gymnasium environment, and play it through our adapter.

    Args:
        cls: A subclass of ParallelEnv, AECEnv or gymnasium.Env.
        settings: Keyword arguments of its constructor.

    Returns:
        One finding per check.
    """

    def make() -> Any:
        return cls(**settings)

    if issubclass(cls, gymnasium.Env):
        own = [_run("Gymnasium check_env", lambda: _gymnasium(make()))]
    elif issubclass(cls, AECEnv):
        own = [
            _run("PettingZoo api_test", lambda: _aec_api(make())),
            _run("PettingZoo seed_test", lambda: _aec_seed(make)),
        ]
    else:
        own = [
            _run("PettingZoo parallel_api_test", lambda: _parallel_api(make())),
            _run("PettingZoo parallel_seed_test", lambda: _parallel_seed(make)),
        ]

    def episode() -> Episode:
        if issubclass(cls, gymnasium.Env):
            return GymnasiumEpisode(make)
        return pettingzoo_episode(make)

    def simulator() -> OutsideSimulator:
        return OutsideSimulator(episode, ROUNDS)

    ids = np.arange(SAMPLE)
    return [
        *own,
        _run("played through the adapter: batch equals one by one", lambda: _batch(simulator, ids)),
    ]


# -- checks --------------------------------------------------------------------------------


def _run(name: str, check: Callable[[], str]) -> Finding:
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told), warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            detail = check()
    except _Failed as problem:
        return Finding(name, False, str(problem))
    except Exception as problem:  # a broken environment may raise anything; report, don't die
        line = " ".join(f"{type(problem).__name__}: {problem}".split())
        return Finding(name, False, f"raised {line[:300]}")
    said = {_COLOUR.sub("", " ".join(str(w.message).split())) for w in seen}
    hints = sorted(hint for hint in said if "Casting input x" not in hint)  # a scalar in a Box
    return Finding(name, True, "; ".join([detail, *(f"warns: {hint}" for hint in hints)]))


def _parallel_api(env: ParallelEnv) -> str:
    from pettingzoo.test import parallel_api_test

    for code, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(code)
    parallel_api_test(env, num_cycles=CYCLES)
    return f"{len(env.possible_agents)} seats, {CYCLES} cycles"


def _parallel_seed(make: Callable[[], ParallelEnv]) -> str:
    from pettingzoo.test import parallel_seed_test

    parallel_seed_test(make, num_cycles=CYCLES)
    return "the same seed gives the same episode"


def _aec_api(env: AECEnv) -> str:
    from pettingzoo.test import api_test

    api_test(env, num_cycles=CYCLES)
    return f"{len(env.possible_agents)} agents, {CYCLES} cycles"


def _aec_seed(make: Callable[[], AECEnv]) -> str:
    from pettingzoo.test import seed_test

    seed_test(make, num_cycles=CYCLES)
    return "the same seed gives the same episode"


def _gymnasium(env: gymnasium.Env) -> str:
    check_env(env, skip_render_check=True)
    return "spaces, seeds and returned values are as Gymnasium wants them"


def random_actions(
    simulator: Simulator,
    seen: Mapping[str, Mapping[str, NDArray[Any]]],
    turn: int,
    seed: int = 0,
) -> dict[str, NDArray[Any]]:
    """Return keyed random actions of every seat for all episodes, legal where there is a mask.

    Args:
        simulator: Whose actions.
        seen: What its seats observe now; an ``action_mask`` [N, A] is honoured.
        turn: Keys the draws, with the case's id.
        seed: Keys the draws.
    """
    moves: dict[str, NDArray[Any]] = {}
    for seat in simulator.seats:
        space, draw = simulator.action_space(seat), Keyed(seed, f"random_actions/{seat}")
        if isinstance(space, spaces.Discrete):
            mask = seen[seat].get("action_mask", np.ones((simulator.n, int(space.n))))
            some = mask.any(axis=1, keepdims=True)
            reach = np.cumsum(np.where(some, mask != 0, 1), axis=1)
            below = draw.uniform(simulator.case_id, turn)[:, None] * reach[:, -1:]
            moves[seat] = (reach <= below).sum(axis=1)
        else:
            assert isinstance(space, spaces.Box)
            share = draw.uniform(simulator.case_id, turn, shape=space.shape)
            low, high = np.maximum(space.low, -1e6), np.minimum(space.high, 1e6)
            moves[seat] = low + share * (high - low)
    return moves


def _batch(make: Callable[[], Simulator], ids: NDArray[np.int64]) -> str:
    whole, one = make(), SimulatorParallelEnv(make(), ids)
    rounds = min(whole.horizon, ROUNDS)
    observed, played = [whole.reset(ids)], []
    outcomes: list[Outcome] = []
    for turn in range(rounds):
        played.append(random_actions(whole, observed[-1], turn))
        seen, paid, ended, cut = whole.step(played[-1])
        observed.append(seen)
        outcomes.append((paid, ended, cut))
    for row, case in enumerate(ids.tolist()):
        seen_one, _ = one.reset(options={"case_id": case})
        for turn in range(rounds + 1):
            for seat in whole.seats:
                if not one.observation_space(seat).contains(seen_one[seat]):
                    raise _Failed(f"what {seat} observes in round {turn} is not in its space")
                for name, value in seen_one[seat].items():
                    if not np.array_equal(value, observed[turn][seat][name][row], equal_nan=True):
                        raise _Failed(f"{seat}'s {name} differs in round {turn} of case {case}")
            if turn == rounds or not one.agents:
                break
            moves = {seat: action[row] for seat, action in played[turn].items()}
            seen_one, rewards, terminated, truncated, _ = one.step(moves)
            paid, ended, cut = outcomes[turn]
            for seat in whole.seats:
                if rewards[seat] != paid[seat][row]:
                    raise _Failed(f"{seat}'s reward differs in round {turn} of case {case}")
                if (terminated[seat], truncated[seat]) != (bool(ended[row]), bool(cut[row])):
                    raise _Failed(f"case {case} ends differently in round {turn}")
    return f"{len(ids)} episodes, up to {rounds} rounds"


def _read_only(simulator: Simulator, ids: NDArray[np.int64]) -> str:
    for seat, seen in simulator.reset(ids).items():
        for name, value in seen.items():
            if value.flags.writeable:
                raise _Failed(f"{seat}'s {name} can be written to")
    return "all arrays are read-only"
