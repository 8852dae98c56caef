"""Hidden profiles: biased sampling, full pooling, and the published contrasts as orderings."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from environments.base import SplitPlan
from environments.cases import Cases, Split
from environments.core.proof import Proof
from environments.hidden_profile.discussion import Discussion, discuss, mention_probability
from environments.hidden_profile.environment import FULL, SPLIT, HiddenProfile, HiddenProfileConfig

_STASSER_TITUS = "Stasser & Titus 1985, JPSP 48, 1467"
_TEAMS = 10_000
_TALK = Discussion(rounds=1, recall=0.4)
_ERROR = 1.0
"""Standard deviation of a member's own error in weighing, so that people can be wrong with all
facts before them. Fixed for the proofs; not fitted to the published shares."""


def proofs() -> list[Proof]:
    """Return all proofs of the hidden profile."""
    formula = f"{_STASSER_TITUS}: 1 - (1 - p)^n"
    shared, unshared = _mentioned(0.4)
    within = 4 * 0.5 / np.sqrt(_TEAMS)  # 4 standard errors of a share, at most
    full, split = _shares(FULL, _TALK), _shares(SPLIT, _TALK)
    stubborn, more = replace(_TALK, anchoring=1.0), replace(_TALK, recall=0.9)
    return [
        Proof(
            "P(mention) of a fact that all 4 hold, p = .4",
            formula,
            0.870,
            float(mention_probability(0.4, 4)),
            5e-4,
        ),
        Proof(
            "P(mention) of a fact that one holds, p = .4",
            formula,
            0.400,
            float(mention_probability(0.4, 1)),
            5e-4,
        ),
        Proof(f"shared facts mentioned by {_TEAMS} teams", formula, 1 - 0.6**4, shared, within),
        Proof(f"unshared facts mentioned by {_TEAMS} teams", formula, 0.4, unshared, within),
        Proof("accuracy of teams that pool all facts", "definition", 1.0, _pooled(), 0.0),
        Proof("accuracy of a vote without a word", "definition", 0.0, _silent(), 0.0),
        _ordering(
            "full-information teams are right more often than split-fact teams",
            f"{_STASSER_TITUS} (83 % right with full information)",
            full[0] > split[0] + within,
        ),
        _ordering(
            "most split-fact teams choose the decoy",
            f"{_STASSER_TITUS} (71 %)",
            split[1] > 0.5 + within,
        ),
        Proof(
            "decisions changed by sharing more (p .4 to .9) where members keep their preferences",
            "Alsobay et al. 2025: more sharing, same decisions (mechanism, not size)",
            0.0,
            _changed(stubborn, replace(stubborn, recall=0.9)),
            0.0,
        ),
        _ordering(
            "the same sharing raises accuracy where preferences yield to facts",
            "definition (full pooling is right)",
            _shares(SPLIT, more)[0] > split[0] + within,
        ),
    ]


def _ordering(claim: str, source: str, holds: bool) -> Proof:
    return Proof(f"{claim} (1: yes)", source, 1.0, float(holds), 0.0)


@cache
def _dealt(
    information: str, misjudgement: float
) -> tuple[HiddenProfile, Cases, NDArray[np.int64], NDArray[np.int64]]:
    """Return a world, its cases, and their truths and decoys."""
    config = HiddenProfileConfig(information=information, misjudgement=misjudgement)
    world = HiddenProfile(config, SplitPlan({Split.TEST: _TEAMS}))
    ids = world.case_ids(Split.TEST, 0)
    facts = world._law.facts(ids)
    return world, world.deal(ids), world._law.truth(facts), world._law.favourite(facts, 0)


@cache
def _choice(information: str, misjudgement: float, how: Discussion) -> NDArray[np.int64]:
    world, cases, _, _ = _dealt(information, misjudgement)
    return discuss(world, cases, how, seed=1).choice


def _shares(information: str, how: Discussion) -> tuple[float, float]:
    """Return the shares of teams that choose the right option, and the decoy."""
    _, _, truth, decoy = _dealt(information, _ERROR)
    choice = _choice(information, _ERROR, how)
    return float((choice == truth).mean()), float((choice == decoy).mean())


def _changed(one: Discussion, other: Discussion) -> float:
    """Return the share of split-fact teams that decide differently in two discussions."""
    return float((_choice(SPLIT, _ERROR, one) != _choice(SPLIT, _ERROR, other)).mean())


def _mentioned(recall: float) -> tuple[float, float]:
    """Return the shares of shared and of unshared facts that one round brings up."""
    world, cases, _, _ = _dealt(SPLIT, 0.0)
    said = discuss(world, cases, Discussion(recall=recall), seed=1).mentioned
    n_holders = cases.evidence.held[:, :, 1:-1].sum(axis=2)
    return float(said[n_holders > 1].mean()), float(said[n_holders == 1].mean())


def _pooled() -> float:
    """Return the accuracy of teams in which everybody says everything."""
    _, _, truth, _ = _dealt(SPLIT, 0.0)
    return float((_choice(SPLIT, 0.0, Discussion(recall=1.0)) == truth).mean())


def _silent() -> float:
    _, _, truth, _ = _dealt(SPLIT, 0.0)
    return float((_choice(SPLIT, 0.0, Discussion(rounds=0)) == truth).mean())
