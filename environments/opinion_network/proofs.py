"""Published numbers of opinion dynamics beside those that this code obtains."""

from __future__ import annotations

import numpy as np

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.proof import Proof
from environments.opinion_network.dynamics import Weights
from environments.opinion_network.environment import OpinionNetwork, OpinionNetworkConfig
from environments.opinion_network.simulator import BatchedOpinions

GOLUB_JACKSON = ((1 / 3, 1 / 3, 1 / 3), (1 / 2, 1 / 2, 0), (0, 1 / 4, 3 / 4))
"""Golub & Jackson 2010: the example with influence (3/11, 4/11, 4/11)."""
FRIEDKIN_JOHNSEN = (
    (0.22, 0.12, 0.36, 0.30),
    (0.147, 0.215, 0.344, 0.294),
    (0, 0, 1, 0),
    (0.09, 0.178, 0.446, 0.286),
)
"""Friedkin & Johnsen's group of four, with susceptibilities 1 minus the diagonal."""
INITIAL = (25.0, 25.0, 75.0, 85.0)
SETTLED = (60.02, 59.98, 75.0, 74.99)

_GAMES = 10_000
_SIGMAS = 4.5


def settled_accuracy(config: OpinionNetworkConfig, games: int, rounds: int) -> tuple[float, float]:
    """Return the members' mean accuracy after some rounds of following the network.

    Returns:
        The mean over games and members, and its standard error over games.
    """
    world = OpinionNetwork(config, SplitPlan({Split.TEST: games}))
    game = BatchedOpinions(world, rounds, shared=True)
    game.reset(world.case_ids(Split.TEST, 0))
    for _ in range(game.horizon):
        _, rewards, *_ = game.step(game.follow())
    reward = rewards["member_1"]
    return float(reward.mean()), float(reward.std() / np.sqrt(games))


def proofs() -> list[Proof]:
    """Return the proofs of opinion networks."""
    found = []
    degroot = Weights(GOLUB_JACKSON)
    golub = "Golub & Jackson 2010, example of a social influence vector"
    for member, (share, expected) in enumerate(
        zip(degroot.influence().tolist(), (3 / 11, 4 / 11, 4 / 11), strict=True), start=1
    ):
        found.append(Proof(f"influence of member {member}", golub, expected, share, 1e-12))
    reached = degroot.evolve([1.0, 0.0, 0.0], 200)
    found.append(
        Proof("DeGroot steps reach the consensus 3/11", golub, 3 / 11, float(reached[2]), 1e-12)
    )
    group = Weights(FRIEDKIN_JOHNSEN)
    a = 1 - np.diag(FRIEDKIN_JOHNSEN)
    source = "x* = (I - AW)⁻¹(I - A)x₀ on the four actors of Friedkin & Johnsen 1999"
    ways = {
        "limit": group.friedkin_johnsen_limit(INITIAL, a),
        "200 steps": group.evolve(INITIAL, 200, a),
    }
    for way, opinions in ways.items():
        for member, (got, expected) in enumerate(
            zip(opinions.tolist(), SETTLED, strict=True), start=1
        ):
            claim = f"settled opinion of member {member}, {way}"
            found.append(Proof(claim, source, expected, got, 5e-3))
    for config in (
        OpinionNetworkConfig(),
        OpinionNetworkConfig(topology="star"),
        OpinionNetworkConfig(n_stubborn=2),
    ):
        world = OpinionNetwork(config, SplitPlan({}))
        exact = world.reference_values()["network"].value
        got, error = settled_accuracy(config, _GAMES, 40)
        stubborn = f", {config.n_stubborn} stubborn" if config.n_stubborn else ""
        claim = f"accuracy of a settled {config.topology} of 8{stubborn}, {_GAMES} simulated games"
        found.append(Proof(claim, "Φ(μ / (σ √Σs²)), s the influences", exact, got, _SIGMAS * error))
    return found
