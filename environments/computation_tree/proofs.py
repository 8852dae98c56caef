"""Computation trees: what cross-examination guarantees, played on the real game."""

from __future__ import annotations

import numpy as np

from environments.base import PUBLIC, SplitPlan
from environments.cases import Split
from environments.computation_tree import rules
from environments.computation_tree.environment import ComputationTree, ComputationTreeConfig
from environments.core.keyed import Keyed
from environments.core.proof import Proof

_N, _DEPTH = 8_000, 3
_DEBATE = "Irving et al. 2018, arXiv 1805.00899"
_OBFUSCATED = "Barnes & Christiano 2020; blind choice of one of two parts at each of 3 levels"


def proofs() -> list[Proof]:
    """Return all proofs of computation trees."""
    world = ComputationTree(ComputationTreeConfig(depth=_DEPTH), SplitPlan({Split.TEST: _N}))
    ids = world.case_ids(Split.TEST, 0)
    alone = np.exp(world.assess(world.deal(ids), PUBLIC, ids))
    right, _ = play(world, blind=False)
    caught, lies = play(world, blind=True)
    band = 4.5 * np.sqrt(1 / 8 * 7 / 8 / int(lies.sum()))
    trust = rules.even_trust(
        rules.MAJORITY,
        np.tile([0, 1], (1, 3, 1)),
        np.array([[1, 1, 0]]),
        np.array([[0, 1]]),
        np.array([1]),
        np.array([0.4]),
    )
    return [
        Proof("the judge alone is at chance", "candidates are exchangeable", 0.5,
              float(alone.max()), 1e-12),
        Proof("cross-examination with one honest side is always right", _DEBATE, 1.0,
              float(right.mean()), 0.0),
        Proof("nodes that the judge sees on the way down", _DEBATE, float(_DEPTH),
              float((world.simulator().horizon - 1) / 2), 0.0),
        Proof("lies caught by an opponent who cannot locate them", _OBFUSCATED, 0.125,
              float(caught[lies].mean()), float(band)),
        Proof("even trust in two parts that makes the whole .4 probable", "√.4", 0.632456,
              float(trust[0]), 5e-7),
    ]  # fmt: skip


def play(world: ComputationTree, blind: bool) -> tuple[np.ndarray, np.ndarray]:
    """Play cross-examination on all test cases.

    The proponent hides its lie anywhere; the opponent disputes a part that is wrong, or, blind, any
    part; the judge upholds the proponent if the leaf is read as claimed.

    Returns:
        Whether the judge was right, and whether the proponent lied, for each case.
    """
    game = world.simulator()
    seen = game.reset(world.case_ids(Split.TEST, 0))
    draw = Keyed(1, "tree.proof")
    for _ in range(game.horizon - 1):
        sides = seen["opponent"]
        wrong = (sides["parts"] != sides["values"]) & (not blind)
        anywhere = draw.integers(world.law.branching, game.case_id, game.round)
        disputed = np.where(wrong.any(axis=1), wrong.argmax(axis=1), anywhere)
        seen, *_ = game.step({"proponent": anywhere, "opponent": disputed})
    judge = seen["judge"]
    upheld = judge["claim"] == judge["reading"]
    choice = np.where(upheld, judge["argued"], 1 - judge["argued"])
    lied = judge["argued"] != game.truth.reveal(game.case_id, "proof")
    _, rewards, *_ = game.step({"judge": choice})
    return rewards["judge"], lied
