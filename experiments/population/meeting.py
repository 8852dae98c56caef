"""Holding the rooms of a canonical block, and what follows from them for those who sat there.

The conversation is that of every room of the framework: the protocol runs over `Room`, numeric
policies answer whole batches, the channel delivers. Here are only the crew that finds an agent's
mind, the team's decision, and the rows of consequences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.resident import pooled
from coordination.checking import check_shapes
from coordination.cohort import Answers, Asks
from coordination.messages import Fault
from coordination.room import Room, RoomPlace, SeatSpec
from coordination.traffic import faulty, last_heard, reached
from environments.cases import Split
from environments.core.beliefs import first_best
from environments.core.columns import Columns, constant
from environments.core.keyed import Keyed
from environments.truth import SealedTruth
from experiments.population.deadline import TooLateError, within
from experiments.population.request import CONVERSATION, Request
from experiments.population.state import MARKS
from experiments.population.world import World

Ints = NDArray[np.int64]

_LONGEST = 300
"""Characters of an error that are kept."""


@dataclass(frozen=True)
class Answered:
    """Answers that are there at once."""

    answers: Answers

    def result(self) -> Answers:
        """Return them."""
        return self.answers


class PopulationCrew:
    """Asks the policies of a population's kinds; an agent's mind is its row of a table.

    A policy that raises, or whose answers do not have the shape of the asks, loses the answers of
    its batch (`Fault.ERROR`); one that thinks longer than ``population.answer_s`` forfeits them
    (`Fault.TIMEOUT`). The tick goes on; ``first_fault`` says in one line what went wrong first.
    Where memory runs out, nothing goes on.

    Args:
        world: The world.
        room_id: [R] rooms, as the minds are ordered.
        kinds: Seat to [R] kinds.
        minds: Seat to R rows.
    """

    def __init__(
        self,
        world: World,
        room_id: Ints,
        kinds: dict[str, NDArray[np.int8]],
        minds: dict[str, Columns],
    ) -> None:
        self._world = world
        self._room_id = room_id
        self._kinds = kinds
        self._minds = minds
        self._order: Ints | None = None
        self.first_fault = ""

    def reads_text(self, agent_id: Ints) -> bool:
        """Say whether any of these agents is a language model."""
        world = self._world
        return world.anybody_reads and bool(world.reads[world.roster.kind_of(agent_id)].any())

    def ask(self, asks: Asks) -> Answered:
        """Answer every row; see `coordination.cohort.Crew.ask`."""
        kinds, minds = self._kinds[asks.seat], self._minds[asks.seat]
        if asks.n != len(self._room_id):
            row = self._rows(asks.room_id)
            kinds, minds = kinds[row], minds.take(row)
        minds = minds.with_(agent_id=asks.agent_id)
        # Kinds that share a language model are asked in one batch.
        asked = self._world.model_of_kind[kinds] if self._world.anybody_reads else kinds
        present = np.flatnonzero(np.bincount(asked)).tolist()
        if len(present) == 1:
            return Answered(self._one(present[0], asks, minds))
        merged = Answers.blank(asks.n, asks.assessment.shape[1])
        for kind in present:
            rows = np.flatnonzero(asked == kind)
            self._one(kind, asks.take(rows), minds.take(rows)).scatter_into(merged, rows)
        return Answered(Answers(**merged))

    def _one(self, kind: int, asks: Asks, minds: Columns) -> Answers:
        wide = asks.assessment.shape[1]
        try:
            with within(self._world.config.population.answer_s):
                answers = self._world.cohorts[kind].answer(asks, minds)
            check_shapes(answers, asks.n, wide, asks.seat)
        except TooLateError:
            bound = f"{self._world.config.population.answer_s:g} s (population.answer_s)"
            self._note(f"no answer within {bound}", asks.seat, asks.agent_id[0])
            return Answers.failed(asks.n, wide, Fault.TIMEOUT)
        except MemoryError:  # this machine's lack, not the policy's: results must not depend on it
            raise
        except Exception as error:  # whatever a user's policy raises or returns: its rows' fault
            self._note(_in_words(error), asks.seat, asks.agent_id[0])
            return Answers.failed(asks.n, wide, Fault.ERROR)
        return answers

    def note_lost(self, lost: NDArray[np.bool_], agents: Ints) -> None:
        """Note the first of the answers that came in time and in shape, but could not be used.

        Args:
            lost: [R, S] whose answer was faulty.
            agents: [R, S] who sat there.
        """
        if not self.first_fault and lost.any():
            row, place = np.argwhere(lost)[0].tolist()
            seat = self._world.seats[place]
            self._note("an answer that could not be used", seat, agents[row, place])

    def _note(self, what: str, seat: str, agent: np.int64) -> None:
        [kind] = self._world.roster.kind_of(np.array([agent]))
        name = self._world.kinds[kind]
        policy = self._world.config.population.kinds[name].policy["name"]
        who = f"agent {agent}, seat {seat}, kind {name}, policy {policy}"
        self.first_fault = self.first_fault or f"{what} ({who})"

    def _rows(self, room_id: Ints) -> Ints:
        if self._order is None:
            self._order = np.argsort(self._room_id, kind="stable")
        return self._order[np.searchsorted(self._room_id, room_id, sorter=self._order)]


@dataclass(frozen=True)
class Meeting:
    """What came of the rooms of a block."""

    room: Room
    choice: Ints
    """[R] the teams' decisions, -1 for none."""
    probs: NDArray[np.float64]
    """[R, K] the teams' distributions; NaN for none."""
    votes: Ints
    """[R, D] what each deciding seat chose."""
    lost: NDArray[np.bool_]
    """[R, S] whether a seat gave a faulty answer."""
    first_fault: str
    """What went wrong first, and with whom; empty if nothing did."""


def _in_words(error: Exception) -> str:
    """Return an error as one line of bounded length."""
    said = " ".join(str(error).split())
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def meet(
    world: World, tick: int, block: int, request: Request, rows: slice, minds: Columns
) -> Meeting:
    """Hold the rooms of a block.

    Args:
        world: The world.
        tick: The tick.
        block: Number of the block in the ledger.
        request: The shard's rooms.
        rows: Those of the block.
        minds: Rows by (room, seat) for all rooms of the request.
    """
    seats = world.seats
    agents, kinds = request.agents[rows], request.kinds[rows]
    n, many = agents.shape
    part = minds.rows(rows.start * many, rows.stop * many)
    specs, kinds_of, minds_of = {}, {}, {}
    for place, seat in enumerate(seats):
        sitting = np.ascontiguousarray(agents[:, place])
        minds_of[seat] = _minds(world, part, place)
        weights = weights_of(tick, minds_of[seat])
        specs[seat] = SeatSpec(sitting, world.information(seat), *weights)
        kinds_of[seat] = kinds[:, place]
    room_id = request.room_id[rows]
    crew = PopulationCrew(world, room_id, kinds_of, minds_of)
    room = Room.open_root(
        world.environment.deal(request.case_id[rows]),
        world.environment,
        specs,
        crew,
        world.rules,
        RoomPlace(
            tick,
            block,
            Split.TEACHING.value,
            CONVERSATION,
            str(world.config.population.protocol["name"]),
            world.config.seed,
            outcome=world.protocol.outcome,
        ),
        replicate=constant(world.config.seed, n),
        room_id=room_id,
        occasion=room_id,  # a case may be discussed by several teams, each with coins of its own
    )
    world.protocol.converse(room)
    return _decided(world, room, crew, agents)


def weights_of(tick: int, minds: Columns) -> tuple[Ints, Ints]:
    """Return which weights speak for seated agents: version and adapter, [R] each; -1 for none.

    An adapter as it is at the start of the tick has the number of the tick before.
    """
    if "adapter" not in minds:
        none = constant(-1, minds.n)
        return none, none
    adapter = minds["adapter"].astype(np.int64)
    return np.where(adapter >= 0, tick - 1, -1), adapter


def _minds(world: World, part: Columns, place: int) -> Columns:
    """Return the minds of a seat: of what was lent, every S-th row, in 64 bits.

    Trust is lent by speaker, and becomes a column a seat.
    """
    many = len(world.seats)
    out = {
        name: column[place::many].astype(np.float64 if column.dtype.kind == "f" else column.dtype)
        for name, column in part.items()
        if name != "trust"
    }
    out["trust"] = np.zeros((part.n // many, many))
    for p, speaker in enumerate(world.speakers):
        out["trust"][:, world.seats.index(speaker)] = part["trust"][place::many, p]
    return Columns(out)


def _decided(world: World, room: Room, crew: PopulationCrew, agents: Ints) -> Meeting:
    """Return the teams' decisions: those of the seat, or the pool, that the protocol names."""
    verdict = room.verdict(world.protocol.outcome)
    lost = np.zeros((room.n, len(world.seats)), dtype=bool)
    votes = np.empty((room.n, len(world.deciders)), dtype=np.int64)
    for place, seat in enumerate(world.deciders):
        own = room.verdict(seat)
        votes[:, place] = own.choice
        lost[:, world.seats.index(seat)] |= own.fault != Fault.NONE
    for seat in world.speakers:
        lost[:, world.seats.index(seat)] |= faulty(room, seat)
    crew.note_lost(lost, agents)
    return Meeting(room, verdict.choice, verdict.probs, votes, lost, crew.first_fault)


def consequences(
    world: World, tick: int, meeting: Meeting, trust: NDArray[np.float64], truth: SealedTruth
) -> Columns:
    """Return what follows for those who sat in the rooms, one row a (room, seat).

    The lesson of a seat is what it heard stated, weighted by its trust: this is what facilitation
    teaches, and no truth enters it. An experience with a speaker is good if what the speaker stood
    for was decided by the team (``agreement``), or is right (``audited``: a share of the rooms, by
    a keyed draw, and charged). Where the channel loses or alters messages, a seat goes by the last
    that reached it, as it arrived.

    Args:
        world: The world.
        tick: The tick.
        meeting: R rooms.
        trust: [R·S, P] trust in the speakers.
        truth: Charged where feedback is audited.

    Returns:
        Columns of `State.settle`'s ``writes``, R·S rows.
    """
    room, seats = meeting.room, world.seats
    n, many, speakers = room.n, len(seats), world.speakers
    out = nothing_happened(world, n * many)
    lesson = out["lesson"].reshape(n, many, -1)
    good = out["good"].reshape(n, many, len(speakers))
    marks = out["marks"].reshape(n, many)
    spoke_bit, heard_bit, lost_bit = (1 << mark for mark in range(len(MARKS)))
    by_seat = trust.reshape(n, many, len(speakers))
    verdict = _feedback(world, tick, meeting, truth)
    for p, speaker in enumerate(speakers):
        said = _stand(room.stated(speaker), room.argued(speaker), verdict)
        spoke = said.option >= 0
        marks[:, seats.index(speaker)] |= np.where(spoke, np.uint8(spoke_bit), np.uint8(0))
        for place, seat in enumerate(seats):
            if seat == speaker:
                continue
            if world.delivers_all:
                came, told = reached(room, speaker, seat), said
            else:
                came, stated, argued = last_heard(room, speaker, seat)
                told = _stand(stated, argued, verdict)
            marks[:, place] |= np.where(came, np.uint8(heard_bit), np.uint8(0))
            weight = np.where(came & told.stated, by_seat[:, place, p], 0.0)
            lesson[:, place] += weight[:, None] * told.odds
            good[:, place, p] = np.where(came, told.agreed, np.int8(-1))
    marks |= np.where(meeting.lost, np.uint8(lost_bit), np.uint8(0))
    return Columns(out)


def nothing_happened(world: World, seats: int) -> dict[str, NDArray[Any]]:
    """Return the `consequences` of seats in which nothing is said."""
    return {
        "lesson": np.zeros((seats, world.environment.max_options - 1), dtype=np.float32),
        "good": np.full((seats, len(world.speakers)), -1, dtype=np.int8),
        "marks": np.zeros(seats, dtype=np.uint8),
    }


@dataclass(frozen=True)
class _Stand:
    """What a speaker stands for in each room, as it spoke or as somebody heard it."""

    stated: NDArray[np.bool_]
    """[R] whether it stated a distribution."""
    odds: NDArray[np.float64]
    """[R, K-1] what that adds at full trust; 0 where none was stated."""
    option: Ints
    """[R] the option; -1 for none."""
    agreed: NDArray[np.int8]
    """[R] whether it is the one that experience is measured by; -1 where either is missing."""


def _stand(stated: NDArray[np.float64], argued: Ints, verdict: Ints) -> _Stand:
    said = ~np.isnan(stated[:, 0])
    told = pooled(np.where(said[:, None], stated, 1.0))
    best = first_best(np.where(said[:, None], stated, 0.0))
    option = np.where(said, best, argued)
    decided = (option >= 0) & (verdict >= 0)
    agreed = np.where(decided, option == verdict, -1).astype(np.int8)
    return _Stand(said, told[:, 1:] - told[:, :1], option, agreed)


def _feedback(world: World, tick: int, meeting: Meeting, truth: SealedTruth) -> Ints:
    """Return the option that experience is measured by in each room, [R]; -1 for none."""
    config = world.config.population.trust
    if config.feedback == "agreement":
        return meeting.choice
    if config.feedback == "none":
        return np.full(meeting.room.n, -1, dtype=np.int64)
    draw = Keyed(world.config.seed, "population.audit").uniform(meeting.room.room_id)
    audited = np.flatnonzero(draw < config.fraction)
    out = np.full(meeting.room.n, -1, dtype=np.int64)
    out[audited] = truth.reveal(meeting.room.cases.case_id[audited], "feedback")
    return out
