"""The shard host: owns whole blocks of agents, and holds the rooms of the same numbers.

A round is four commands of the driver to every shard::

    request   who sits in my rooms, about what            -> a share for each owner of agents
    lend      what those of mine who sit anywhere know    -> a share for each asking shard
    converse  rooms, ledger                               -> a share of changes for each owner
    settle    changes merged, the state counted           -> sums

Columns travel from shard to shard as references; the driver sees sums. What a shard owes itself
stays where it is.
"""

from __future__ import annotations

import os
import platform
import resource
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.language_model.backbone import configure_torch
from coordination.ledger.stream import PartStream
from environments.cases import Split
from environments.core.columns import Columns, frozen
from environments.core.errors import ConfigError, LostError
from experiments.config.schema import ScenarioConfig
from experiments.engine.build import seal_truth
from experiments.engine.converse import scored
from experiments.population.aggregates import (
    AGENT_COUNTS,
    DRAW_COUNTS,
    NO_TEAMS,
    TEAM_COUNTS,
    state_rows,
    tally,
    team_rows,
)
from experiments.population.allocation import keep_freed_memory
from experiments.population.exam import examined
from experiments.population.lessons import teach
from experiments.population.meeting import consequences, meet, nothing_happened
from experiments.population.request import Request, together
from experiments.population.seated import Seated
from experiments.population.state import State
from experiments.population.world import World
from experiments.runs.snapshots import SnapshotFile, read_snapshot_file, write_snapshot_file
from experiments.runtime.interface import Client, Parted, Shares, Stamp

Ints = NDArray[np.int64]
Part = TypeVar("Part")


def shard_name(index: int) -> str:
    """Return the name of a shard's host."""
    return f"shard-{index}"


def block_file(block: int) -> str:
    """Return the name of a block's snapshot file."""
    return f"block-{block:04d}"


@dataclass(frozen=True)
class Lent:
    """What one shard lends another for a round, as of the start of the tick."""

    minds: Columns
    """Of `State.lend`, by room and seat."""
    adapters: Mapping[int, Columns]
    """Of `Adapters.lend`: each adapter once, by kind."""


class ShardHost:
    """See the module's documentation.

    Args:
        client: Unused: shards exchange columns by reference, through the driver's commands.
        config: The run's configuration.
        ledger_root: Where parts are written.
        index: This shard's number.

    Raises:
        ConfigError: If there is not the memory for its agents.
    """

    def __init__(
        self, client: Client, config: ScenarioConfig, ledger_root: str, index: int
    ) -> None:
        keep_freed_memory()
        self._world = World(config)
        if self._world.anybody_reads:
            configure_torch(threads=1)
        self._root = Path(ledger_root)
        self._index = index
        self._truth = seal_truth(config, self._world.environment)
        self._blocks = self._world.blocks_of(index)
        first, _ = self._world.agents_of(self._blocks[0])
        _, stop = self._world.agents_of(self._blocks[-1])
        try:
            ties = self._world.ties()
            self._state = State(self._world, first, stop, ties.rows(first, stop) if ties else None)
        except MemoryError as error:
            raise ConfigError(
                f"{shard_name(index)} cannot get the memory for its {stop - first} agents "
                f"({error}); lower population.size, or spread it over more nodes (runtime.shards)"
            ) from error
        self._settled = 0
        self._surveyed = -1
        self._request: tuple[Stamp, Request] | None = None
        self._places: list[Ints | None] = []
        self._own_seats: Seated | None = None
        self._seated: list[Seated] = []
        self._lent: Lent | None = None
        self._writes: Columns | None = None

    # -- looking -----------------------------------------------------------------------------

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """The state of this shard's agents, in the order of their ids."""
        return self._state.columns

    @property
    def state_bytes(self) -> int:
        """Bytes of the state, ties included."""
        return self._state.bytes

    @property
    def rooms(self) -> Request:
        """The rooms that this shard holds in the present round.

        Raises:
            LostError: Before `request`.
        """
        if self._request is None:
            raise LostError(f"{shard_name(self._index)} holds no rooms now")
        return self._request[1]

    @property
    def lent(self) -> Columns:
        """What this shard lent itself in the present round.

        Raises:
            LostError: Before `lend`.
        """
        [own] = _with_own([None], self._lent)
        return own.minds

    # -- a round ---------------------------------------------------------------------------

    def request(self, stamp: Stamp) -> Parted:
        """Find out who sits in this shard's rooms.

        Returns:
            Payload: for each shard the `Seated` of its own agents.
        """
        self._expect(stamp, self._settled + 1)
        groups = {
            block: self._world.sampler.teams(stamp.tick, block, self._state.ties)
            for block in self._blocks
        }
        request = Request.of(self._world, stamp.tick, groups)
        self._request = (stamp, request)
        self._places = request.places(self._world)
        shares: list[Seated | None] = [request.seated(self._world, place) for place in self._places]
        self._own_seats, shares[self._index] = shares[self._index], None
        return Parted({"rooms": request.n}, Shares(tuple(shares)))

    def lend(self, stamp: Stamp, *requests: Seated | None) -> Parted:
        """Look up what this shard's agents bring into the rooms of every shard.

        Args:
            stamp: The command's.
            requests: What each shard asks of this one; None for this one's own.

        Returns:
            Payload: for each asking shard its `Lent`.
        """
        self._expect(stamp, self._settled + 1)
        self._seated = _with_own(requests, self._own_seats)
        shares: list[Lent | None] = [self._lend(seated, stamp.tick) for seated in self._seated]
        self._lent, shares[self._index] = shares[self._index], None
        return Parted({}, Shares(tuple(shares)))

    def _lend(self, seated: Seated, tick: int) -> Lent:
        adapters = self._state.adapters
        lent = {} if adapters is None else adapters.lend(seated.agent)
        return Lent(self._state.lend(seated, tick), lent)

    def converse(self, stamp: Stamp, *lent: Lent | None) -> Parted:
        """Hold this shard's rooms and write their ledger.

        Args:
            stamp: The command's.
            lent: What each shard lent; None for this one's own.

        Returns:
            Summary: the written part, tallies by community, the first fault, answers, truth spent.
            Payload: for each owner the changes of `State.settle`, by room and seat.
        """
        self._expect(stamp, self._settled + 1)
        request = self._asked(stamp)
        drawn = request.draws
        parts = [part.minds for part in _with_own(lent, self._lent)]
        minds = together(self._places, parts, request.agents.size)
        spent_before = Counter(self._truth.spent)
        stream = PartStream(self._root, stamp.tick, stamp.epoch, stamp.attempt, self._index)
        teams: list[Columns] = []
        writes: list[Columns] = []
        first_fault = ""
        try:
            with self._hosting([part.adapters for part in lent if part is not None]):
                for number, rows in self._chunks(request):
                    held, fault = self._hold(
                        stamp.tick, number, request, rows, minds, stream, writes
                    )
                    teams.append(held)
                    first_fault = first_fault or fault
            # A few rows a block: one piece for all blocks, and for none.
            counted = Columns.concat([NO_TEAMS, *teams])
            stream.append({"teams": counted} | ({} if drawn is None else {"draws": drawn}))
            part = stream.close()
        except BaseException:
            stream.abandon()
            raise
        changes = Columns.concat(writes or [Columns(nothing_happened(self._world, 0))])
        shares: list[Columns | None] = [
            changes if place is None else changes.take(frozen(place)) for place in self._places
        ]
        self._writes, shares[self._index] = shares[self._index], None
        spent = Counter(self._truth.spent) - spent_before
        summary = {
            "part": part.to_json(),
            "teams": tally(counted, "community", TEAM_COUNTS),
            "draws": {} if drawn is None else tally(drawn, "seat", DRAW_COUNTS),
            "answers": request.n * (len(self._world.speakers) + len(self._world.deciders)),
            "spent": dict(spent),
            "first_fault": first_fault,
        }
        return Parted(summary, Shares(tuple(shares)))

    def settle(self, stamp: Stamp, split: str | None, *changes: Columns | None) -> dict[str, Any]:
        """Merge what happened to this shard's agents in all rooms, and count the state.

        Args:
            stamp: The command's.
            split: Split of an exam after the round; None for no exam.
            changes: What each shard found out; None for this one's own.

        Returns:
            As `survey`.
        """
        self._expect(stamp, self._settled + 1)
        writes = _with_own(changes, self._writes)
        if not self._seated:
            raise LostError(f"{shard_name(self._index)} was not asked for tick {stamp.tick}")
        # Shards own groups that follow one another, so this is the order of (room, seat).
        seated, merged = Seated.concat(self._seated), Columns.concat(writes)
        self._state.settle(seated, merged)
        teach(self._state, stamp.tick, seated, merged["lesson"])
        self._settled = stamp.tick
        self._request = self._own_seats = self._lent = self._writes = None
        self._seated, self._places = [], []
        return self.survey(stamp, split)

    def survey(self, stamp: Stamp, split: str | None) -> dict[str, Any]:
        """Examine agents if asked to, and write the sums and digests of this shard's blocks.

        Returns:
            The written part, tallies by kind and by community, memory.

        Raises:
            LostError: If the tick was surveyed before: its part may be committed, and the state is
                no longer what it was.
        """
        if stamp.tick <= self._surveyed:
            raise LostError(
                f"{shard_name(self._index)} refused to survey tick {stamp.tick}: it did so already"
            )
        exam = None
        if split is not None:
            exam = examined(self._state, stamp.tick, Split(split), self._truth)
        number = self._world.shards + self._index
        stream = PartStream(self._root, stamp.tick, stamp.epoch, stamp.attempt, number)
        rows = [state_rows(self._state, stamp.tick, strip, exam) for strip in self._state.strips]
        tables = {name: Columns.concat([one[name] for one in rows]) for name in rows[0]}
        counted = tables["population"]
        try:
            stream.append(tables)
            part = stream.close()
        except BaseException:
            stream.abandon()
            raise
        self._surveyed = stamp.tick
        return {
            "part": part.to_json(),
            "kinds": tally(counted, "kind", AGENT_COUNTS),
            "communities": tally(counted, "community", AGENT_COUNTS),
            "process": f"{platform.node()} {os.getpid()}",
            "memory": resident_bytes(),
            "state": self._state.bytes,
            **self._links(stamp.tick),
        }

    def _links(self, tick: int) -> dict[str, Any]:
        """Return how many rows of an edge list became no tie: once, at the start."""
        ties = self._state.ties
        if tick or ties is None or not self._world.config.population.topology.file:
            return {}
        return {"edge_list": {"loops": ties.loops, "repeats": ties.repeats}}

    # -- saving ----------------------------------------------------------------------------

    def snapshot(self, stamp: Stamp, folder: str) -> list[SnapshotFile]:
        """Write each block's columns aside; visible once committed."""
        return [
            write_snapshot_file(Path(folder), block_file(block), self._state.block_columns(block))
            for block in self._blocks
        ]

    def restore(self, stamp: Stamp, folder: str, files: list[SnapshotFile]) -> None:
        """Take the state of a snapshot, whatever number of shards wrote it."""
        by_name = {Path(file.name).stem: file for file in files}
        for block in self._blocks:
            name = block_file(block)
            groups = read_snapshot_file(Path(folder), name, by_name[name])
            self._state.restore_block(block, groups)
        self._settled = self._surveyed = stamp.tick

    # -- inside ----------------------------------------------------------------------------

    def _expect(self, stamp: Stamp, tick: int) -> None:
        """Refuse a command for another tick than the one that is due: it was done already."""
        if stamp.tick != tick:
            raise LostError(
                f"{shard_name(self._index)} refused a command for tick {stamp.tick}: "
                f"tick {tick} is due"
            )

    def _hosting(self, guests: list[Mapping[int, Columns]]) -> AbstractContextManager[None]:
        """Have the adapters of other shards' agents, inside; one's own are at home."""
        adapters = self._state.adapters
        return nullcontext() if adapters is None else adapters.hosting(guests)

    def _asked(self, stamp: Stamp) -> Request:
        if self._request is None or self._request[0] != stamp:
            raise LostError(f"{shard_name(self._index)} was not asked for tick {stamp.tick}")
        return self._request[1]

    def _chunks(self, request: Request) -> list[tuple[int, slice]]:
        """Cut the rooms of each group into blocks of bounded size, numbered by group and place.

        In none do rooms in which somebody reads stand beside others.
        """
        world = self._world
        most = world.block if world.has_ties else -(-world.sampler.rooms // world.n_blocks)
        size = world.config.population.room_block
        per_group = -(-most // size) + (request.reads is not None)
        chunks = []
        for group in self._blocks:
            begin, end = np.searchsorted(request.block, [group, group + 1]).tolist()
            split = end if request.reads is None else end - int(request.reads[begin:end].sum())
            starts = [*range(begin, split, size), *range(split, end, size)]
            for place, (start, stop) in enumerate(pairwise((*starts, end))):
                chunks.append((group * per_group + place, slice(start, stop)))
        return chunks

    def _hold(
        self,
        tick: int,
        number: int,
        request: Request,
        rows: slice,
        minds: Columns,
        stream: PartStream,
        writes: list[Columns],
    ) -> tuple[Columns, str]:
        """Hold rooms; return their ``teams`` rows and `Meeting.first_fault`.

        What was said in them is written here if it is kept; ``teams`` rows are not.
        """
        world = self._world
        meeting = meet(world, tick, number, request, rows, minds)
        many = request.agents.shape[1]
        cells = slice(rows.start * many, rows.stop * many)
        trust, honest = minds["trust"][cells], minds["honest"][cells].reshape(-1, many)
        writes.append(consequences(world, tick, meeting, trust, self._truth))
        teams = team_rows(world, tick, number, meeting, request.agents[rows], honest, self._truth)
        if world.config.population.ledger == "full":
            said = meeting.room.record()
            stream.append({**said, "scores": scored(said["decisions"], self._truth)})
        return teams, meeting.first_fault


def _with_own(parts: Sequence[Part | None], own: Part | None) -> list[Part]:
    """Return the parts of all shards, with what stayed at home in its place."""
    found = [own if part is None else part for part in parts]
    if any(part is None for part in found):
        raise LostError("a shard has lost what it kept between two commands of a round")
    return [part for part in found if part is not None]


def resident_bytes() -> int:
    """Return the memory that this process holds now, in bytes; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()
