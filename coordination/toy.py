"""A tiny numeric world and an exact crew: what conformance checks and examples run on.

The world has everything that a room can meet (two or three options, padded items, public and source
information, items that only the source holds) and answers in microseconds. The crew is Bayesian:
the judge adds to its own assessment the log-likelihood ratios of what it was really told, speakers
quote the item that helps their option most and was not used yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from coordination.cohort import Answers, Asks, Pending
from coordination.messages import FREE, MessageKind
from coordination.room import Room, RoomPlace, RoomRules, SeatSpec
from environments.base import (
    NO_QUOTE,
    PUBLIC,
    Environment,
    EnvironmentConfig,
    Reference,
    SplitPlan,
)
from environments.cases import Cases, Evidence, Split
from environments.core.columns import Columns
from environments.core.keyed import Keyed
from environments.truth import SealedTruth

OPTIONS, ITEMS = 3, 6


@dataclass
class ToyWorldConfig(EnvironmentConfig):
    """Configuration of `ToyWorld`."""

    name: str = "toy"


class _ToyTruth(SealedTruth):
    def __init__(self, world: ToyWorld) -> None:
        super().__init__()
        self._world = world

    def _truth(self, case_id: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._world.full_posterior(self._world.deal(case_id)).argmax(axis=1)


class ToyWorld(Environment):
    """Cases of 2 or 3 options with 3 to 6 items; the truth is the full-information answer.

    Every case id from 0 up is a case. Public context is a prior; the source holds the items.
    """

    Config = ToyWorldConfig
    source = "made for conformance checks"

    def __init__(self, config: ToyWorldConfig | None = None, plan: SplitPlan | None = None) -> None:
        super().__init__(config or ToyWorldConfig(), plan or SplitPlan({}))
        self._draw = Keyed(self.config.world_seed, "toy_world")

    @property
    def max_options(self) -> int:
        """See `Environment.max_options`."""
        return OPTIONS

    @property
    def max_evidence(self) -> int:
        """See `Environment.max_evidence`."""
        return ITEMS

    def case_ids(self, split: Split, replicate: int) -> NDArray[np.int64]:
        """See `Environment.case_ids`."""
        size = self.plan.sizes.get(split, 0)
        return np.arange(size) + 10_000_000 * (list(Split).index(split) + 10 * replicate)

    def deal(self, case_id: NDArray[np.int64]) -> Cases:
        """See `Environment.deal`."""
        n_options = 2 + self._draw.integers(OPTIONS - 1, case_id, 0)
        n_items = 3 + self._draw.integers(ITEMS - 2, case_id, 1)
        exists = np.arange(ITEMS) < n_items[:, None]
        inside = np.arange(OPTIONS) < n_options[:, None]
        llr = self._draw.normal(case_id, 2, shape=(ITEMS, OPTIONS))
        llr = np.where(exists[:, :, None] & inside[:, None, :], llr, 0.0)
        held = np.stack([np.zeros_like(exists), exists], axis=2)
        prior = self._draw.normal(case_id, 3, shape=(OPTIONS,))
        return Cases(case_id, n_options, Columns({"prior": prior}), Evidence(llr, held))

    def seal(self) -> SealedTruth:
        """See `Environment.seal`."""
        return _ToyTruth(self)

    def assess(
        self, cases: Cases, information: str, agent_id: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """See `Environment.assess`; agents have no private noise here."""
        score = cases.public["prior"].astype(np.float64)
        if information != PUBLIC:
            # Item by item, so that a row's sum is the same in every batch.
            for item in range(ITEMS):
                score = score + cases.evidence.llr[:, item]
        return log_softmax(np.where(cases.option_mask, score, -np.inf), axis=1)

    def full_posterior(self, cases: Cases) -> NDArray[np.float64]:
        """Return the full-information posterior, [N, K]."""
        return np.exp(self.assess(cases, "source", np.zeros(cases.n, np.int64)))

    def reference_values(self) -> Mapping[str, Reference]:
        """See `Environment.reference_values`."""
        return {"optimum": Reference(1.0, "accuracy with all evidence")}

    def render_context(self, cases: Cases) -> list[str]:
        """See `Environment.render_context`."""
        return [f"case {case}" for case in cases.case_id.tolist()]

    def render_options(self, cases: Cases) -> list[list[str]]:
        """See `Environment.render_options`."""
        return [[f"option {k}" for k in range(n)] for n in cases.n_options.tolist()]

    def render_evidence(self, cases: Cases) -> list[list[str]]:
        """See `Environment.render_evidence`."""
        return [
            [f"fact {e} of case number {case}" if real else "" for e, real in enumerate(items)]
            for case, items in zip(
                cases.case_id.tolist(), cases.evidence.exists.tolist(), strict=True
            )
        ]

    def vocabulary(self) -> Sequence[str]:
        """See `Environment.vocabulary`."""
        return []


@dataclass(frozen=True)
class Ready:
    """Answers that are there already."""

    answers: Answers

    def result(self) -> Answers:
        """Return them."""
        return self.answers


class BayesianCrew:
    """Every agent is an exact Bayesian; see the module's documentation.

    Attributes:
        calls: Asks received, in order.
    """

    def __init__(self) -> None:
        self.calls: list[Asks] = []

    def reads_text(self, agent_id: NDArray[np.int64]) -> bool:
        """Nobody here reads."""
        return False

    def ask(self, asks: Asks) -> Pending:
        """See `coordination.cohort.Crew.ask`."""
        self.calls.append(asks)
        return Ready(self.answer(asks))

    def answer(self, asks: Asks) -> Answers:
        """Answer at once: rulings by `belief`, everything else by `speech`."""
        return self.ruling(asks) if asks.intent == MessageKind.RULING else self.speech(asks)

    def ruling(self, asks: Asks) -> Answers:
        """Decide for the most probable option."""
        out = Answers.blank(asks.n, asks.assessment.shape[1])
        out["probs"] = belief(asks)
        out["choice"] = out["probs"].argmax(axis=1)
        return Answers(**out)

    def speech(self, asks: Asks) -> Answers:
        """Argue for the stance (or the own belief): the best fact that was not heard yet."""
        out = Answers.blank(asks.n, asks.assessment.shape[1], 1)
        own = belief(asks)
        side = np.where(asks.stance == FREE, own.argmax(axis=1), asks.stance)
        out["stance"] = side
        if asks.intent == MessageKind.EXPLANATION:
            out["probs"] = own
        out["confidence"] = own.max(axis=1)
        best = best_facts(asks, side)
        rows = np.arange(asks.n)
        out["quotes"][:, 0] = np.where(asks.held[rows, best] & ~_used(asks)[rows, best], best, -1)
        out["words"][:] = 10
        return Answers(**out)


def belief(asks: Asks) -> NDArray[np.float64]:
    """Return the Bayesian posterior from the own assessment and what was heard, [B, K]."""
    score = asks.assessment
    for item in range(asks.llr.shape[1]):
        score = score + np.where(asks.held[:, item, None], 0.0, asks.llr[:, item])
    return softmax(np.where(asks.option_mask, score, -np.inf), axis=1)


def best_facts(asks: Asks, side: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the held, unused item that speaks most for an option against the others, [B]."""
    rows = np.arange(asks.n)
    llr = asks.llr
    gain = llr[rows, :, side] * (asks.n_options[:, None] / (asks.n_options[:, None] - 1))
    for k in range(llr.shape[2]):
        gain = gain - llr[:, :, k] / (asks.n_options[:, None] - 1)
    usable = asks.held & ~_used(asks)
    return np.where(usable, gain, -np.inf).argmax(axis=1)


def _used(asks: Asks) -> NDArray[np.bool_]:
    """Return which items have been quoted in the seat's hearing, itself included, [B, E]."""
    used = np.zeros(asks.held.shape, dtype=bool)
    message, slot = np.nonzero(asks.heard.quotes >= 0)
    used[asks.heard.row[message], asks.heard.quotes[message, slot]] = True
    return used


DEFAULT_RULES = RoomRules(
    topology="complete", verification=True, word_limit=150, max_quotes=4, both_orders=True
)


def toy_room(
    seats: Sequence[str],
    case_id: NDArray[np.int64],
    crew: BayesianCrew | None = None,
    rules: RoomRules = DEFAULT_RULES,
    information: Mapping[str, str] | None = None,
    protocol: str = "toy",
    environment: Environment | None = None,
    outcome: str = "judge",
) -> Room:
    """Open rooms of the toy world: seat i is held by agent i.

    Args:
        seats: Seat names; all but the judge see the source.
        case_id: [B] cases, each once.
        crew: A new `BayesianCrew` by default.
        rules: Rules of the rooms.
        information: Information groups that differ from the above, by seat.
        protocol: Name for the ledger.
        environment: Another world with at least these cases.
        outcome: Whose decision is the verdict.
    """
    world = environment or ToyWorld()
    n = len(case_id)
    groups = {seat: PUBLIC if seat == "judge" else "source" for seat in seats}
    groups |= dict(information or {})
    none = np.full(n, NO_QUOTE, dtype=np.int64)
    team = {
        seat: SeatSpec(np.full(n, agent, dtype=np.int64), groups[seat], none, none)
        for agent, seat in enumerate(seats)
    }
    place = RoomPlace(
        tick=1,
        block=0,
        split="teaching",
        conversation="toy",
        protocol=protocol,
        seed=7,
        outcome=outcome,
    )
    return Room.open_root(
        world.deal(case_id),
        world,
        team,
        crew or BayesianCrew(),
        rules,
        place,
        replicate=np.zeros(n, dtype=np.int64),
    )
