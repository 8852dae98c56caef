"""The benchmark of rooms measures three ways to the same verdicts; nothing here asserts a time."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from environments.base import PUBLIC, SplitPlan
from environments.cases import Split
from environments.reading.world import Reading, ReadingConfig
from experiments.bench import rooms


def test_it_measures_and_says_on_what():
    measured = rooms.run(rooms=40, alone=3, conversations=0, repeats=1)
    json.dumps(measured, allow_nan=False)
    assert measured["ratio_alone"] > 0 and measured["ratio_ray"] is None
    assert {"hardware", "versions", "seed", "threads"} <= set(measured)


class Here:
    """An actor in this process: `remote` calls at once."""

    def __init__(self):
        agent = rooms.Agent()
        # Ray hands arguments over as copies or read-only: so does this.
        self.speak = SimpleNamespace(remote=lambda llr, *rest: agent.speak(llr.copy(), *rest))
        self.rule = SimpleNamespace(remote=agent.rule)


@pytest.mark.parametrize("actors", [3, 16])
def test_the_hand_written_peer_comes_to_the_verdicts_of_the_rooms(actors):
    n = 50
    world = Reading(ReadingConfig(), SplitPlan({Split.TEACHING: n}))
    cases = world.deal(world.case_ids(Split.TEACHING, 0))
    room = rooms.debates(world, cases, seed=3)
    sides = np.stack([room.stance(seat) for seat in ("proponent", "opponent")], axis=1)
    prior = world.assess(cases, PUBLIC, np.zeros(n, np.int64))
    agents = [Here() for _ in range(actors)]
    got = rooms.hand_written(agents, list, prior, cases.evidence.llr, sides)
    np.testing.assert_allclose(got, room.verdict().probs, atol=1e-12)


@pytest.mark.slow
def test_ray_actors_come_to_the_same_verdicts():
    measured = rooms.run(rooms=40, alone=1, conversations=8, actors=4, repeats=1)
    assert measured["ratio_ray"] > 0 and measured["versions"]["ray"]
