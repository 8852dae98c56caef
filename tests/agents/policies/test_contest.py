"""Contestants: games of known ratings, played live, one by one and in chains."""

import numpy as np
import pytest

from agents.conformance import check_policy
from agents.policies.contest import Contestant, ContestantConfig, elo_expectation
from agents.policies.tree import TreeExpert, TreeJudge
from coordination.protocols.nested_oversight import NestedOversight, NestedOversightConfig
from environments.core.errors import ConfigError
from tests.coordination.trees import play, world

N = 6000
CHAINS = {
    "one": [(1000, 1000)],
    "easy": [(1400, 1000), (1350, 1200)],
    "ladder": [(1200, 1150), (1300, 1150), (1500, 1400), (1650, 1650)],
    "hopeless": [(600, 1900)],
}
"""(overseer at level i, adversary at level i + 1), from the judge up."""


@pytest.mark.parametrize("policy", [Contestant, TreeExpert, TreeJudge])
def test_it_conforms(policy):
    assert [str(f) for f in check_policy(policy(policy.Config(), seed=0)) if not f.ok] == []


def chain(games):
    guards = {f"guard_{i}": g for i, (g, _) in enumerate(games)}
    rated = {"judge": guards.pop("guard_0"), **guards, f"guard_{len(games)}": 0}
    seats = {s: Contestant(ContestantConfig(guard=[0, r]), 0) for s, r in rated.items()}
    for i, (_, rating) in enumerate(games):
        seats[f"adversary_{i + 1}"] = Contestant(ContestantConfig(adversary=[0, rating]), 0)
    return seats


@pytest.mark.parametrize("name", CHAINS)
def test_a_live_chain_agrees_with_the_product_formula(name):
    games = CHAINS[name]
    subject = NestedOversight(NestedOversightConfig(levels=len(games)))
    room, truth, _ = play(world(n=N, depth=1), subject, chain(games))
    right = (room.verdict().choice == truth).mean()
    p = float(np.prod([elo_expectation(g, a) for g, a in games]))
    # Rooms are independent draws, so a count of N is binomial: 4.5 standard errors.
    assert abs(right - p) < 4.5 * np.sqrt(p * (1 - p) / N)
    assert room.record()["rooms"].n == N * len(games)


def test_the_levels_of_a_chain_play_independent_games():
    games = CHAINS["ladder"][:2]
    subject = NestedOversight(NestedOversightConfig(levels=2))
    room, truth, _ = play(world(n=N, depth=1), subject, chain(games))
    decisions = room.record()["decisions"]
    lower = decisions.take(decisions["seat"] == "guard_1")
    order = np.argsort(np.argsort(room.room_id))
    by_case = dict(zip(lower["case_id"].tolist(), lower["choice"].tolist(), strict=True))
    above = np.array([by_case[case] for case in room.cases.case_id.tolist()]) == truth
    final = room.verdict().choice == truth
    p = elo_expectation(*games[0])
    assert not final[~above].any(), "what the report gets wrong, nobody below puts right"
    assert abs(final[above].mean() - p) < 4.5 * np.sqrt(p * (1 - p) / above.sum())
    assert len(order) == N


def test_ratings_come_from_capability_by_a_line():
    player = Contestant(ContestantConfig(capability=1200, guard=[0.5, 400], adversary=[0, 900]), 0)
    assert player.rating("guard") == 1000 and player.rating("adversary") == 900
    assert elo_expectation(1400, 1000) == pytest.approx(10 / 11)
    assert elo_expectation(1000, 1000) == 0.5
    for fields, part in (({"guard": [1.0]}, "slope, intercept"), ({"confidence": 0.5}, "(.5, 1]")):
        with pytest.raises(ConfigError) as error:
            Contestant(ContestantConfig(**fields), 0)
        assert part in str(error.value)
