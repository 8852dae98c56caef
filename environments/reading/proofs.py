"""Reading: what follows by definition for whoever has the passage, and for whoever has not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.base import NO_QUOTE, PUBLIC, SOURCE, SplitPlan, forged_quote
from environments.cases import Cases, Split
from environments.core.proof import Proof
from environments.reading.world import Reading, ReadingConfig

_CASES = 40_000
_CONDORCET = "Condorcet 1785; Σ C(n,k) p^k (1-p)^(n-k) over k > n/2"
_KHAN = "definition; setting of Khan et al. 2024 (arXiv 2402.06782)"


def proofs() -> list[Proof]:
    """Return all proofs of the reading environment."""
    world = Reading(ReadingConfig(), SplitPlan({Split.TEST: _CASES}))
    cases = world.deal(world.case_ids(Split.TEST, 0))
    found = [
        Proof(
            "a Bayesian shown the whole passage = a reader of the source: largest gap",
            _KHAN,
            0.0,
            _gap(world, cases),
            1e-12,
        ),
        Proof("forged quotes marked as verified", _KHAN, 0.0, _forged(world, cases), 0.0),
    ]
    for facts, expected in ((1, 0.6), (3, 0.648), (5, 0.68256)):
        claim = f"accuracy with a passage of {facts} fact(s) right with .6, {_CASES} cases"
        within = 4 * np.sqrt(expected * (1 - expected) / _CASES)
        found.append(Proof(claim, _CONDORCET, expected, _accuracy(facts, SOURCE), within))
    claim = f"accuracy without the passage and without a law, {_CASES} cases"
    found.append(Proof(claim, _KHAN, 0.5, _accuracy(3, PUBLIC), 4 * 0.5 / np.sqrt(_CASES)))
    return found


def _gap(world: Reading, cases: Cases) -> float:
    nobody = np.zeros(cases.n, dtype=np.int64)
    told = world.assess(cases, PUBLIC, nobody) + cases.evidence.llr.sum(axis=1)
    told = told - np.logaddexp.reduce(told, axis=1, keepdims=True)
    return float(np.abs(np.exp(told) - np.exp(world.assess(cases, SOURCE, nobody))).max())


def _forged(world: Reading, cases: Cases) -> float:
    codes = [NO_QUOTE, world.max_evidence, *map(forged_quote, range(world.max_options))]
    quotes = np.broadcast_to(np.array(codes), (cases.n, len(codes)))
    return float(world.verify_quotes(cases, SOURCE, quotes).sum())


def _accuracy(facts: int, information: str) -> float:
    """Return a reader's accuracy where nothing but facts right with .6 tells anything."""
    config = ReadingConfig(
        n_facts=facts, reliability_low=0.6, reliability_high=0.6, law_strength=0, lay_knowledge=0
    )
    world = Reading(config, SplitPlan({Split.TEST: _CASES}))
    ids = world.case_ids(Split.TEST, 0)
    belief = world.assess(world.deal(ids), information, np.zeros(_CASES, dtype=np.int64))
    return float(_hits(belief, world.seal().reveal(ids, "proof")).mean())


def _hits(belief: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return whether the best option is right; a flat belief is worth a guess."""
    top = belief >= belief.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(top[np.arange(len(truth)), truth] / top.sum(axis=1))
