"""What rooms buy: a full debate held in ten thousand rooms at once against two ways to do without.

The debate has three simultaneous rounds between two numeric experts, and a Bayesian judge. It is
held (1) in all rooms at once, (2) by the same protocol and agents one conversation at a time, and
(3) by a hand-written program with one Ray actor for each agent and one call for each message. All
three must come to the same verdicts. Counted are the debaters' speeches; the judge's ruling is done
but not counted. Dealing cases and starting Ray are not timed, opening rooms is.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.bayesian import Bayesian, BayesianConfig
from agents.policies.expert import Expert, ExpertConfig
from coordination.cohort import Answers, Asks
from coordination.protocols.debate import Debate, DebateConfig
from coordination.room import Room, RoomPlace, RoomRules, SeatSpec
from environments.base import PUBLIC, SOURCE, SplitPlan
from environments.cases import Cases, Split
from environments.reading.world import Reading, ReadingConfig

ROUNDS = 3
SPEECHES = 2 * ROUNDS


class Agent:
    """The hand-written agent of the peer: debates for a side of two, or judges."""

    def speak(self, llr: NDArray[np.float64], side: int, said: Sequence[int]) -> int:
        """Return the unsaid item that helps the side most; -1 if none does."""
        helps = llr[:, side] - llr[:, 1 - side]
        helps[list(said)] = -np.inf
        best = int(helps.argmax())
        return best if helps[best] > 0 else -1

    def rule(
        self, prior: NDArray[np.float64], llr: NDArray[np.float64], said: Sequence[int]
    ) -> NDArray[np.float64]:
        """Return the posterior over the options after the items that were said."""
        belief = prior + llr[list(said)].sum(axis=0)
        odds = np.exp(belief - belief.max())
        return odds / odds.sum()


def hand_written(
    agents: Sequence[Any],
    get: Callable[[list[Any]], Any],
    prior: NDArray[np.float64],
    llr: NDArray[np.float64],
    sides: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Hold debates with one call for each message, as many at a time as there are agents.

    Args:
        agents: Actors of `Agent`; each sits in three of the debates that are held at a time.
        get: Waits for calls.
        prior: [N, 2] the judge's log-probabilities.
        llr: [N, E, 2] log-likelihoods of the items.
        sides: [N, 2] options of the two debaters.

    Returns:
        [N, 2] verdicts.
    """
    verdicts = []
    for start in range(0, len(llr), len(agents)):
        wave = range(start, min(start + len(agents), len(llr)))
        team = {c: [agents[(3 * c + seat) % len(agents)] for seat in range(3)] for c in wave}
        said: dict[int, list[int]] = {c: [] for c in wave}
        for _ in range(ROUNDS):
            calls = [
                team[c][seat].speak.remote(llr[c], int(sides[c, seat]), said[c])
                for c in wave
                for seat in (0, 1)
            ]
            spoken = get(calls)
            for place, c in enumerate(wave):
                said[c] = said[c] + [e for e in spoken[2 * place : 2 * place + 2] if e >= 0]
        verdicts += get([team[c][2].rule.remote(prior[c], llr[c], said[c]) for c in wave])
    return np.array(verdicts)


class _Ready:
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def result(self) -> Answers:
        return self._answers


class _Crew:
    """Two debaters and a judge in this process."""

    def __init__(self, seed: int) -> None:
        debater = Expert(ExpertConfig(quotes_per_message=1), seed)
        judge = Bayesian(BayesianConfig(), seed)
        self._seated: dict[str, Expert | Bayesian] = {
            "proponent": debater,
            "opponent": debater,
            "judge": judge,
        }

    def reads_text(self, agent_id: NDArray[np.int64]) -> bool:
        return False

    def ask(self, asks: Asks) -> _Ready:
        policy = self._seated[asks.seat]
        return _Ready(policy.answer(asks, policy.initial_minds(asks.agent_id)))


def debates(world: Reading, cases: Cases, seed: int) -> Room:
    """Hold the debate in one room for each case."""
    none = np.full(cases.n, -1, dtype=np.int64)
    seats = {
        seat: SeatSpec(
            np.full(cases.n, agent),
            PUBLIC if seat == "judge" else SOURCE,
            version=none,
            adapter=none,
        )
        for agent, seat in enumerate(Debate.seats)
    }
    rules = RoomRules(
        "complete", verification=True, word_limit=150, max_quotes=1, both_orders=False
    )
    place = RoomPlace(0, 0, Split.TEACHING.value, "bench", "debate", seed)
    replicate = np.zeros(cases.n, dtype=np.int64)
    room = Room.open_root(cases, world, seats, _Crew(seed), rules, place, replicate)
    Debate(DebateConfig(rounds=ROUNDS)).converse(room)
    return room


def run(
    rooms: int = 10_000,
    alone: int = 100,
    conversations: int = 320,
    actors: int = 16,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure all three on this machine.

    Args:
        rooms: Conversations held at once.
        alone: Of these, conversations that are also held one after another.
        conversations: Of these, conversations that the Ray actors hold; 0 leaves Ray out.
        actors: Agents of the Ray peer, one actor each.
        repeats: Timed runs of each, in turn; medians are reported.
        seed: Keys cases' sides.

    Returns:
        ``batched_messages_per_s``, ``with_ledger_messages_per_s`` (the same, the ledger's tables
        made too), ``alone_messages_per_s``, ``ratio_alone``, ``ray_messages_per_s`` and
        ``ratio_ray`` (null without Ray), and what identifies the measurement.

    Raises:
        AssertionError: If two of them come to different verdicts.
    """
    world = Reading(ReadingConfig(), SplitPlan({Split.TEACHING: rooms}))
    cases = world.deal(world.case_ids(Split.TEACHING, 0))
    one_each = [cases.take([i]) for i in range(alone)]
    room = debates(world, cases, seed)
    verdict = room.verdict().probs
    single = np.concatenate([debates(world, one, seed).verdict().probs for one in one_each])
    assert np.array_equal(single, verdict[:alone]), "one at a time, other verdicts"

    times: dict[str, list[float]] = {"batched": [], "with_ledger": [], "alone": []}
    for _ in range(repeats):
        times["batched"].append(_seconds(lambda: debates(world, cases, seed)))
        times["with_ledger"].append(_seconds(lambda: debates(world, cases, seed).record()))
        times["alone"].append(
            _seconds(lambda: [debates(world, one, seed) for one in one_each]) * rooms / alone
        )
    rate = {name: rooms * SPEECHES / median(seconds) for name, seconds in times.items()}
    peer: dict[str, Any] = {"ray_messages_per_s": None, "ratio_ray": None}
    if conversations:
        by_ray = _by_ray(world, cases, room, verdict, conversations, actors, repeats)
        peer = {
            "ray_messages_per_s": by_ray,
            "ratio_ray": rate["batched"] / by_ray,
            "ray_actors": actors,
            "ray_conversations": conversations,
        }
    return {
        "benchmark": "rooms",
        "rooms": rooms,
        "repeats": repeats,
        "seed": seed,
        **{f"{name}_messages_per_s": value for name, value in rate.items()},
        "ratio_alone": rate["batched"] / rate["alone"],
        **peer,
        "threads": 1,
        "hardware": f"{platform.machine()} {platform.processor() or platform.system()}, CPU",
        "versions": {"python": platform.python_version(), "numpy": np.__version__}
        | ({"ray": version("ray")} if conversations else {}),
    }


def _by_ray(
    world: Reading,
    cases: Cases,
    room: Room,
    verdict: NDArray[np.float64],
    conversations: int,
    actors: int,
    repeats: int,
) -> float:
    from experiments.runtime.ray_peer import peer_actors

    some = cases.take(np.arange(conversations))
    prior = world.assess(some, PUBLIC, np.full(some.n, 2))
    sides = np.stack([room.stance(seat) for seat in ("proponent", "opponent")], axis=1)
    llr = np.array(some.evidence.llr)
    with peer_actors(Agent, actors) as (agents, get):
        got = hand_written(agents, get, prior, llr, sides)  # also warms the actors up
        assert np.allclose(got, verdict[:conversations], atol=1e-12), "Ray, other verdicts"
        taken = [
            _seconds(lambda: hand_written(agents, get, prior, llr, sides)) for _ in range(repeats)
        ]
    return conversations * SPEECHES / median(taken)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    import json

    print(json.dumps(run(), allow_nan=False))
