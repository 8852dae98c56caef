"""What batching buys: thousands of cases at once against PettingZoo's loop, for the same rewards.

Both sides play the same simulators with the same keyed actions. The peer is the PettingZoo
environment, ``reset`` and then ``step`` to the end, on some of the cases; there its rewards must
equal the batch's.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from environments.base import Environment, SplitPlan
from environments.cases import Split
from environments.core.keyed import Keyed
from environments.simulator import Simulator, SimulatorParallelEnv


def _worlds(plan: SplitPlan) -> dict[str, tuple[Environment, Callable[[Any], Simulator]]]:
    """Return the environment of each simulator, and how to make the simulator."""
    from environments.advice.environment import Advice, AdviceConfig
    from environments.advice.simulator import BatchedAdvice
    from environments.dec_pomdp.simulator import BatchedDecPOMDP
    from environments.dec_tiger.environment import DecTiger, DecTigerConfig
    from environments.dec_tiger.problem import dec_tiger
    from environments.hidden_profile.environment import HiddenProfile, HiddenProfileConfig
    from environments.jury.environment import Jury, JuryConfig
    from environments.opinion_network.environment import OpinionNetwork, OpinionNetworkConfig
    from environments.opinion_network.simulator import BatchedOpinions
    from environments.preferences.environment import Preferences, PreferencesConfig
    from environments.preferences.simulator import BatchedPreferences

    return {
        "hidden_profile": (HiddenProfile(HiddenProfileConfig(), plan), lambda w: w.council()),
        "jury": (Jury(JuryConfig(), plan), lambda w: w.council()),
        "advice": (Advice(AdviceConfig(), plan), BatchedAdvice),
        "preferences": (Preferences(PreferencesConfig(), plan), BatchedPreferences),
        "opinion_network": (OpinionNetwork(OpinionNetworkConfig(), plan), BatchedOpinions),
        "dec_tiger": (
            DecTiger(DecTigerConfig(), plan),
            lambda w: BatchedDecPOMDP(dec_tiger(), horizon=4),
        ),
    }


def run(cases: int = 4096, looped: int = 64, repeats: int = 5, seed: int = 0) -> dict[str, Any]:
    """Measure every simulator on this machine.

    Args:
        cases: Cases of a batch.
        looped: Of these, cases that the peer plays one after another.
        repeats: Timed plays of each side; medians are reported.
        seed: Keys the actions.

    Returns:
        For each environment ``…_batched_steps_per_s``, ``…_looped_steps_per_s`` (case-steps,
        ``reset`` included) and ``…_ratio``, and what identifies the measurement.

    Raises:
        AssertionError: If the two sides give different rewards.
    """
    measured: dict[str, Any] = {"benchmark": "environments", "cases": cases, "seed": seed}
    plan = SplitPlan({Split.TEACHING: cases})
    for name, (world, make) in _worlds(plan).items():
        ids = world.case_ids(Split.TEACHING, 0)
        measured |= {f"{name}_{k}": v for k, v in _measure(world, make, ids, looped, repeats, seed)}
    return {
        **measured,
        "hardware": f"{platform.machine()} {platform.processor() or platform.system()}, CPU",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


def _measure(
    world: Environment,
    make: Callable[[Any], Simulator],
    ids: NDArray[np.int64],
    looped: int,
    repeats: int,
    seed: int,
) -> list[tuple[str, float]]:
    batch, env = make(world), SimulatorParallelEnv(make(world), ids)
    actions = _actions(batch, len(ids), seed)

    def at_once() -> Mapping[str, NDArray[np.float64]]:
        batch.reset(ids)
        total = {seat: np.zeros(len(ids)) for seat in batch.seats}
        for moves in actions:
            _, rewards, _, _ = batch.step(moves)
            total = {seat: total[seat] + rewards[seat] for seat in total}
        return total

    def one_by_one() -> Mapping[str, NDArray[np.float64]]:
        total = {seat: np.zeros(looped) for seat in batch.seats}
        for case in range(looped):
            env.reset(options={"case_id": int(ids[case])})
            for moves in actions:  # every episode has the same number of rounds
                mine = {seat: moves[seat][case] for seat in env.agents}
                _, rewards, _, _, _ = env.step(mine)
                for seat, reward in rewards.items():
                    total[seat][case] += reward
        return total

    first, second = at_once(), one_by_one()
    for seat in batch.seats:
        assert np.array_equal(first[seat][:looped], second[seat]), f"{seat}: rewards differ"
    fast, slow = [], []
    for _ in range(repeats):
        fast.append(_seconds(at_once))
        slow.append(_seconds(one_by_one))
    batched = len(ids) * batch.horizon / median(fast)
    single = looped * batch.horizon / median(slow)
    return [
        ("batched_steps_per_s", batched),
        ("looped_steps_per_s", single),
        ("ratio", batched / single),
    ]


def _actions(simulator: Simulator, n: int, seed: int) -> list[dict[str, NDArray[Any]]]:
    """Return one keyed action per round, seat and case, inside the seat's space."""
    rows = np.arange(n)
    turns = []
    for turn in range(simulator.horizon):
        moves: dict[str, NDArray[Any]] = {}
        for seat in simulator.seats:
            space, draw = simulator.action_space(seat), Keyed(seed, f"bench/{seat}")
            if isinstance(space, spaces.Discrete):
                moves[seat] = draw.integers(int(space.n), rows, turn)
            else:
                assert isinstance(space, spaces.Box)
                share = draw.uniform(rows, turn, shape=space.shape)
                low, high = np.maximum(space.low, -1e6), np.minimum(space.high, 1e6)
                moves[seat] = low + share * (high - low)
        turns.append(moves)
    return turns


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
