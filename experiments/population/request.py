"""What a shard asks of the others for a round: who of theirs sits in its rooms, about what.

Each shard is sent the seats of its own agents and nothing else: a few bytes a seat. It answers, and
later takes its changes, for these seats in their order. So two calls (lend, settle) with three
references (request, what is lent, changes) serve a pair of shards however many turns a room takes.
Where the seats are stays with the shard that holds the rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.population.teams import Teams
from environments.cases import Split
from environments.core.columns import Columns, frozen
from environments.core.keyed import hash_id, name_key
from experiments.population.options import Order
from experiments.population.seated import Seated
from experiments.population.world import World

Ints = NDArray[np.int64]

CONVERSATION = "team"
"""Name of the teams' conversation in the ledger."""


@dataclass(frozen=True)
class Request:
    """The rooms of one shard in one tick, in the order of groups and rooms."""

    block: Ints
    """[R] group that the room belongs to."""
    room_id: Ints
    """[R] ids for the ledger."""
    case_id: Ints
    """[R]"""
    topic: Ints
    """[R]"""
    order: Order
    """[R, K] the world's option at each position; None where position k shows option k."""
    agents: Ints
    """[R, S] who sits where."""
    kinds: NDArray[np.int8]
    """[R, S] of which kinds they are."""
    reads: NDArray[np.bool_] | None
    """[R] whether somebody there reads text; None where nobody does in any room."""
    draws: Columns | None
    """Rows of the ledger's table ``draws``; None where no seat is drawn from ties."""

    @property
    def n(self) -> int:
        """Number of rooms."""
        return len(self.block)

    @staticmethod
    def of(world: World, tick: int, groups: dict[int, Teams]) -> Request:
        """Return the request for some groups of rooms.

        Cases are dealt from the teaching split in turn, so that no case comes twice before all
        have been discussed. Rooms in which somebody reads text come last in their group, so that
        texts are made for these alone.
        """
        seats = world.seats
        teams = [groups[block] for block in sorted(groups)]
        room = np.concatenate([team.room for team in teams])
        rows = [np.stack([team.seats[seat] for seat in seats], axis=1) for team in teams]
        agents = np.concatenate(rows)
        block = np.repeat(sorted(groups), [team.n for team in teams])
        kinds = _kinds(world, seats, agents)
        reads: NDArray[np.bool_] | None = None
        if world.anybody_reads:
            reads = np.asarray(world.reads[kinds].any(axis=1))
            order = np.lexsort((reads, block))
            room, agents, kinds, reads = room[order], agents[order], kinds[order], reads[order]
        per_tick = world.size if world.has_ties else world.sampler.rooms
        case_id = world.environment.case_ids_at(
            Split.TEACHING, world.config.seed, (tick - 1) * per_tick + room
        )
        shown = world.environment.option_order(case_id)
        name = np.array(name_key(CONVERSATION), dtype=np.uint64)
        return Request(
            block=block,
            room_id=hash_id(name, tick, world.config.seed, room),
            case_id=case_id,
            topic=world.environment.topics(case_id),
            order=None if shown is None else shown.astype(np.int8),
            agents=agents,
            kinds=kinds,
            reads=reads,
            draws=_draws(world, tick, groups),
        )

    def places(self, world: World) -> list[Ints | None]:
        """Return where each shard's agents sit, by shard: positions room · S + seat, ascending.

        None for all positions.
        """
        if world.shards == 1:
            return [None]
        owner = world.shard_of(self.agents.ravel())
        order = np.argsort(owner, kind="stable")  # a radix sort: owners are short numbers
        ends = np.cumsum(np.bincount(owner, minlength=world.shards))
        return list(np.split(order, ends[:-1]))

    def seated(self, world: World, place: Ints | None) -> Seated:
        """Return what one shard is asked.

        Args:
            world: The world.
            place: Where its agents sit; see `places`.
        """
        many = self.agents.shape[1]
        speaking = [world.seats.index(name) for name in world.speakers]
        role = world.role_of_kind.astype(np.int8)[self.kinds[:, speaking]]
        topic = self.topic.astype(np.int16)
        agent, speaker = self.agents.ravel(), self.agents[:, speaking] if world.has_ties else None
        if place is None:
            row = np.repeat(np.arange(self.n), many)
        else:
            row, agent = place // many, agent[place]
        return Seated(
            agent=agent.astype(world.id_type),
            topic=topic[row],
            # Rows of a matrix: to take them is many times as fast as to index.
            order=None if self.order is None else np.take(self.order, row, axis=0),
            speaker_role=role.take(row, axis=0),
            speaker=None if speaker is None else speaker.astype(world.id_type).take(row, axis=0),
            case=self.case_id[row] if world.anybody_adapts else None,
        )


def _draws(world: World, tick: int, groups: dict[int, Teams]) -> Columns | None:
    """Return how the seats that are drawn from ties were filled, by group."""
    rows = [
        (block, seat, groups[block].n, count)
        for block in sorted(groups)
        for seat, count in groups[block].elsewhere.items()
    ]
    if not rows:
        return None
    block, seat, drawn, elsewhere = zip(*rows, strict=True)
    return Columns(
        {
            "tick": np.full(len(rows), tick),
            "block": np.array(block),
            "sender": np.array([world.seats.index(name) for name in seat]),
            "seat": np.array(seat, dtype=object),
            "drawn": np.array(drawn),
            "elsewhere": np.array(elsewhere),
        }
    )


def _kinds(world: World, seats: tuple[str, ...], agents: Ints) -> NDArray[np.int8]:
    """Return the kinds of seated agents; known without looking where only one kind can sit."""
    draws = world.config.population.team.draws
    drawn = {draw.kind for draw in draws.values()}
    pool = [kind for kind in world.kinds if kind not in drawn]
    kinds = np.empty(agents.shape, dtype=np.int8)
    for place, seat in enumerate(seats):
        if seat in draws:
            kinds[:, place] = world.kinds.index(draws[seat].kind)
        elif len(pool) == 1:
            kinds[:, place] = world.kinds.index(pool[0])
        else:
            kinds[:, place] = world.roster.kind_of(agents[:, place])
    return kinds


def together(place: Sequence[Ints | None], lent: Sequence[Columns], seats: int) -> Columns:
    """Put what all shards lent into room order: one row a (room, seat).

    Args:
        place: By shard; see `Request.places`.
        lent: By shard.
        seats: Seats of all rooms.
    """
    if len(lent) == 1:
        return lent[0]
    out = {}
    for name, first in lent[0].items():
        whole = np.empty((seats, *first.shape[1:]), dtype=first.dtype)
        for where, part in zip(place, lent, strict=True):
            whole[where] = part[name]
        out[name] = frozen(whole)
    return Columns(out)
