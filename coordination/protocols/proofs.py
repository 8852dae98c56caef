"""Proofs of the protocols: numbers that follow from their definitions, from real conversations."""

from __future__ import annotations

import numpy as np

from coordination.cohort import Answers, Asks
from coordination.protocols.consultancy import Consultancy, ConsultancyConfig
from coordination.protocols.debate import Debate, DebateConfig
from coordination.protocols.naive import Naive, NaiveConfig
from coordination.room import Room
from coordination.toy import ITEMS, BayesianCrew, ToyWorld, toy_room
from environments.core.proof import Proof

_ROOMS = 2000
_SOURCE = "follows from the definition"


class _CredulousCrew(BayesianCrew):
    """The judge believes the last speaker entirely; all others are Bayesian."""

    def ruling(self, asks: Asks) -> Answers:
        out = Answers.blank(asks.n, asks.assessment.shape[1])
        last = np.searchsorted(asks.heard.row, np.arange(asks.n), "right") - 1
        out["choice"] = asks.heard.stance[last]
        out["probs"] = (np.arange(asks.assessment.shape[1]) == out["choice"][:, None]) * 1.0
        return Answers(**out)


def proofs() -> list[Proof]:
    """Return what credulous and Bayesian judges must come to."""
    return [*_credulous(), *_informed()]


def _two_options() -> np.ndarray:
    """Return the cases of the toy world that have two options."""
    case_id = np.arange(3 * _ROOMS)
    return case_id[ToyWorld().deal(case_id).n_options == 2][:_ROOMS]


def _credulous() -> list[Proof]:
    case_id = _two_options()
    room = toy_room(Consultancy.seats, case_id, _CredulousCrew())
    Consultancy(ConsultancyConfig()).converse(room)
    side, verdict = room.stance("consultant"), room.verdict()
    right = ToyWorld().seal().reveal(case_id, "proofs")
    accuracy = float((verdict.choice == right).mean())
    coin = 4 * 0.5 / np.sqrt(len(side))  # four standard errors of the coin that deals the sides
    followed = float((verdict.choice == side).mean())
    own = np.log(np.clip(verdict.probs[np.arange(len(side)), side], 1e-4, 1.0))
    asd = float(own[side == right].mean() - own[side != right].mean())
    return [
        Proof("credulous judge: verdicts for the consultant's side", _SOURCE, 1.0, followed, 0.0),
        Proof("credulous judge, consultant by a coin: accuracy", _SOURCE, 0.5, accuracy, coin),
        Proof("credulous judge: agent score difference", _SOURCE, 0.0, asd, 0.0),
    ]


def _informed() -> list[Proof]:
    case_id = _two_options()
    full = ToyWorld().full_posterior(ToyWorld().deal(case_id))

    def debate(information: dict[str, str]) -> Room:
        room = toy_room(Debate.seats, case_id, information=information)
        Debate(DebateConfig(rounds=ITEMS)).converse(room)
        return room

    told = float(np.abs(debate({}).verdict().probs - full).max())
    shown = debate({"judge": "source"}).verdict().probs
    alone = toy_room(Naive.seats, case_id, information={"judge": "source"})
    Naive(NaiveConfig()).converse(alone)
    gap = float(np.abs(shown - alone.verdict().probs).max())
    return [
        Proof("debate that quotes everything against full information", _SOURCE, 0.0, told, 1e-12),
        Proof("debate against no debate, passage shown", _SOURCE, 0.0, gap, 0.0),
    ]
