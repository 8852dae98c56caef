"""How teams talk: biased information sampling, repetition, and votes anchored in preferences.

The process simulates what people do, for N teams at once. In each round every member recalls each
fact that it knows with probability p and offers it; offered facts are mentioned, all of them or as
many as there is time for. What is mentioned, everybody knows. In the end all vote.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.base import PUBLIC, SOURCE, Environment
from environments.cases import Cases
from environments.core.beliefs import log_normalize
from environments.core.columns import frozen
from environments.core.errors import ConfigError
from environments.core.keyed import Keyed
from environments.voting import elect, pick


def mention_probability(recall: ArrayLike, holders: ArrayLike) -> NDArray[np.float64]:
    """Return the probability that a fact is mentioned: 1 - (1 - p)^n.

    A fact is mentioned if at least one of the n members that hold it recalls it (Stasser & Titus
    1985), which favours shared facts: at p = .4 in a team of four, .870 against .400.

    Args:
        recall: p, probability that a member recalls and offers a fact that it holds.
        holders: n, number of members that hold it.
    """
    return np.asarray(1.0 - (1.0 - np.asarray(recall, dtype=np.float64)) ** np.asarray(holders))


@dataclass(frozen=True)
class Discussion:
    """How a team talks.

    Raises:
        ConfigError: If a field is out of range.
    """

    rounds: int = 1
    """Rounds of talk, 0 or more; 0 is a vote without a word."""
    recall: float = 0.4
    """Probability p that a member recalls and offers a fact that it knows, per round; .4 is the
    usual worked example, not an estimate."""
    airtime: int = 0
    """Facts that can be mentioned in a round; 0 means that all offered ones are."""
    repetition: float = 1.0
    """How much likelier an offer of a fact already mentioned is to get airtime than one of a new
    fact. 1 favours neither; people repeat (Stasser, Taylor & Hanna 1989)."""
    anchoring: float = 0.0
    """Share of its weight that a fact heard from others loses if it speaks against what the member
    preferred before the talk (preference-consistent evaluation, Greitemeyer & Schulz-Hardt 2003).
    At 1 nobody changes sides, whatever is shared."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rounds", 0, 1_000),
            ("recall", 0, 1),
            ("airtime", 0, 1_000),
            ("repetition", 1e-6, 1e6),
            ("anchoring", 0, 1),
        ):
            given = getattr(self, name)
            if not low <= given <= high:
                raise ConfigError(f"discussion.{name}={given} is not in {low} … {high}")


@dataclass(frozen=True)
class Outcome:
    """What came of N discussions among M members about E facts and K options."""

    mentions: NDArray[np.int64]
    """[N, E] in how many rounds each fact was mentioned."""
    before: NDArray[np.int64]
    """[N, M] what each member preferred before the talk."""
    votes: NDArray[np.int64]
    """[N, M] what each member votes for."""
    choice: NDArray[np.int64]
    """[N] what the plurality decides (ties: a fair draw)."""

    @property
    def mentioned(self) -> NDArray[np.bool_]:
        """[N, E] whether each fact was mentioned at all."""
        return self.mentions > 0


def discuss(environment: Environment, cases: Cases, how: Discussion, seed: int) -> Outcome:
    """Hold one discussion about each case.

    Args:
        environment: Numeric; its groups other than ``public`` and ``source`` are the members.
        cases: N cases.
        how: How teams talk.
        seed: Keys all draws, together with case, round, member and fact.

    Raises:
        ConfigError: If the environment has no members or no likelihoods.
    """
    groups = environment.information
    members = [h for h, group in enumerate(groups) if group not in (PUBLIC, SOURCE)]
    if not members or not environment.numeric:
        raise ConfigError("a discussion needs members and evidence with likelihoods")
    held = np.moveaxis(cases.evidence.held[:, :, members], 1, 2)
    mentions = _talk(held, cases.case_id, how, seed)
    alone = np.stack(
        [
            environment.assess(cases, groups[h], np.full(cases.n, code))
            for code, h in enumerate(members)
        ],
        axis=1,
    )
    mask = np.broadcast_to(cases.option_mask[:, None], alone.shape)
    # One draw serves both, so that nobody changes sides for no reason.
    tie = Keyed(seed, "discussion.vote").uniform(cases.case_id, shape=alone.shape[1:])
    before = pick(alone, mask, tie)
    heard = (mentions > 0)[:, None] & ~held
    belief = log_normalize(alone + _heard_weight(cases.evidence.llr, heard, before, how), mask)
    votes = pick(belief, mask, tie)
    draw = Keyed(seed, "discussion.tie").uniform(cases.case_id, shape=(cases.width,))
    choice = elect(votes, cases.option_mask, draw)
    return Outcome(frozen(mentions), frozen(before), frozen(votes), frozen(choice))


def _talk(
    held: NDArray[np.bool_], case_id: NDArray[np.int64], how: Discussion, seed: int
) -> NDArray[np.int64]:
    """Return in how many rounds each fact is mentioned, [N, E]; held is [N, M, E]."""
    recall, order = Keyed(seed, "discussion.recall"), Keyed(seed, "discussion.airtime")
    exists = held.any(axis=1)
    mentions = np.zeros(exists.shape, dtype=np.int64)
    for turn in range(how.rounds):
        known = held | (mentions > 0)[:, None]
        offers = known & (recall.uniform(case_id, turn, shape=held.shape[1:]) < how.recall)
        n_offers = offers.sum(axis=1)
        said = n_offers > 0
        if how.airtime:
            # Gumbel-top-k: draws without replacement, with chances as the weights.
            weight = n_offers * np.where(mentions > 0, how.repetition, 1.0)
            noise = order.gumbel(case_id, turn, shape=said.shape[1:])
            score = np.where(said, np.log(np.where(said, weight, 1.0)) + noise, -np.inf)
            rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1, kind="stable")
            said = said & (rank < how.airtime)
        mentions = mentions + said
    return mentions


def _heard_weight(
    llr: NDArray[np.float64],
    heard: NDArray[np.bool_],
    before: NDArray[np.int64],
    how: Discussion,
) -> NDArray[np.float64]:
    """Return what the facts heard from others add to each member's belief, [N, M, K].

    A fact speaks against a preference if it supports another option more than the preferred one.
    """
    n, m, _ = heard.shape
    total = np.zeros((n, m, llr.shape[2]))
    for item in range(llr.shape[1]):
        fact = llr[:, item]
        contrary = np.take_along_axis(fact, before, axis=1) < fact.max(axis=1, keepdims=True)
        share = np.where(contrary, 1.0 - how.anchoring, 1.0) * heard[:, :, item]
        total = total + share[:, :, None] * fact[:, None, :]
    return total
