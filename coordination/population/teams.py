"""Who sits with whom: the teams of a tick, computed by any shard for any stretch of rooms.

A team has *member* seats and *drawn* seats. Members come from the pool: all agents of kinds that no
drawn seat names. Without ties the pool is dealt out by a keyed permutation, so that each of its
agents sits in exactly one team a tick. With ties a team is called by one agent, who takes the first
member seat and fills the others with ties of its own: every agent of the pool calls exactly one
team in ``M`` consecutive ticks (M member seats), and sits in one team a tick on average.

Drawn seats are filled by rule (`Draw`): from anywhere, from the community of the first member or
another one, or from its ties. One strong agent can sit in many teams.

Rooms are numbered without gaps where the pool is dealt out, and by the calling agent where there
are ties. They are worked on in *groups*, as many as there are blocks of agents; a group's rooms are
a function of the configuration, whatever shard computes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.population.config import PLACES, TeamConfig
from coordination.population.permutation import Permutation
from coordination.population.roster import Roster
from coordination.population.ties import Ties
from environments.core.errors import ConfigError, UnknownNameError
from environments.core.keyed import Keyed

Ints = NDArray[np.int64]

_TRIES = 64


@dataclass(frozen=True)
class Teams:
    """R teams."""

    room: Ints
    """[R] numbers, unique within the tick."""
    seats: Mapping[str, Ints]
    """Seat to its R agents, in the order of the protocol's seats."""
    elsewhere: Mapping[str, int]
    """Seat drawn from ties to how many of its agents are no ties: the first member had none of the
    kind, or none left."""

    @property
    def n(self) -> int:
        """Number of teams."""
        return len(self.room)


class TeamSampler:
    """See the module's documentation.

    Args:
        roster: Who is who.
        kinds: Names of the roster's kinds, in order.
        seats: Seats of the protocol, in order.
        config: Rules.
        block: Agents in a canonical block.
        has_ties: Whether teams are called by ties.
        seed: Keys all draws.

    Raises:
        UnknownNameError: For an unknown seat, kind or place.
        ConfigError: If there are fewer agents than a team needs.
    """

    def __init__(
        self,
        roster: Roster,
        kinds: Sequence[str],
        seats: Sequence[str],
        config: TeamConfig,
        block: int,
        has_ties: bool,
        seed: int,
    ) -> None:
        self._roster = roster
        self._block = block
        self._has_ties = has_ties
        self._config = config
        self._seats = tuple(seats)
        self.members = tuple(seat for seat in seats if seat not in config.draws)
        self._check(kinds)
        self._draws = {
            seat: (kinds.index(config.draws[seat].kind), config.draws[seat].place)
            for seat in seats
            if seat in config.draws
        }
        drawn = {kind for kind, _ in self._draws.values()}
        self._pool = [kind for kind in range(len(kinds)) if kind not in drawn]
        self._pool_ends = np.cumsum([roster.count(kind) for kind in self._pool])
        self.pool_size = int(self._pool_ends[-1]) if self._pool else 0
        self._check_sizes(kinds)
        self._deal = Permutation(seed, "population.teams")
        self._rank = Permutation(seed, "population.draws")
        self._draw = Keyed(seed, "population.teams")

    @property
    def groups(self) -> int:
        """Number of groups of rooms: one for each block of agents."""
        return -(-self._roster.size // self._block)

    @property
    def rooms(self) -> int:
        """Rooms of a tick where the pool is dealt out; their mean number where there are ties."""
        return int(self.pool_size // len(self.members) * self._config.share)

    def teams(self, tick: int, group: int, ties: Ties | None) -> Teams:
        """Return the teams of a group of rooms.

        Args:
            tick: The tick.
            group: 0 … `groups` - 1.
            ties: Rows of at least the group's block of agents, if the population has ties.
        """
        if ties is None:
            room = np.arange(
                self.rooms * group // self.groups, self.rooms * (group + 1) // self.groups
            )
            return self._seat(tick, room, self._dealt(tick, room), ties)
        caller = self._callers(tick, group)
        return self._seat(tick, caller, self._around(tick, caller, ties), ties)

    # -- members ---------------------------------------------------------------------------

    def pool_member(self, rank: Ints) -> Ints:
        """Return the agents with these ranks in the pool, [N]."""
        if len(self._pool) == 1:
            return self._roster.member(self._pool[0], rank)
        which = np.searchsorted(self._pool_ends, rank, side="right")
        out = np.empty_like(rank)
        for place, kind in enumerate(self._pool):
            rows = np.flatnonzero(which == place)
            before = int(self._pool_ends[place - 1]) if place else 0
            out[rows] = self._roster.member(kind, rank[rows] - before)
        return out

    def pool_rank(self, agent_id: Ints) -> Ints:
        """Return the rank in the pool of its agents, [N]; -1 for others."""
        kind = self._roster.kind_of(agent_id)
        out = np.full(len(agent_id), -1, dtype=np.int64)
        for place, pool_kind in enumerate(self._pool):
            rows = np.flatnonzero(kind == pool_kind)
            before = int(self._pool_ends[place - 1]) if place else 0
            out[rows] = before + self._roster.rank_of(agent_id[rows], pool_kind)
        return out

    def _dealt(self, tick: int, room: Ints) -> list[Ints]:
        many = len(self.members)
        place = (room[:, None] * many + np.arange(many)).ravel()
        rank = self._deal.forward(place, self.pool_size, tick)
        agents = self.pool_member(rank).reshape(len(room), many)
        return [agents[:, seat] for seat in range(many)]

    def _callers(self, tick: int, group: int) -> Ints:
        """Return the agents of a block whose turn it is to call a team."""
        stop = min((group + 1) * self._block, self._roster.size)
        agent = np.arange(group * self._block, stop)
        rank = self.pool_rank(agent)
        agent, rank = agent[rank >= 0], rank[rank >= 0]
        many = len(self.members)
        turn = self._deal.forward(rank, self.pool_size, tick // many)
        calls = turn % many == tick % many
        if self._config.share < 1.0:
            calls &= self._draw.uniform(tick, agent, -1) < self._config.share
        return agent[calls]

    def _around(self, tick: int, caller: Ints, ties: Ties) -> list[Ints]:
        """Return members: the caller, then ties of it, distinct; strangers where ties run out."""
        members = [caller]
        degree = ties.degree(caller)
        looked = np.zeros(len(caller), dtype=np.int64)
        for _ in self.members[1:]:
            chosen = np.full(len(caller), -1, dtype=np.int64)
            while True:
                rows = np.flatnonzero((chosen < 0) & (looked < degree))
                if not len(rows):
                    break
                place = self._rank.forward(looked[rows], degree[rows], tick, caller[rows])
                tie = ties.pick(caller[rows], place)
                looked[rows] += 1
                fits = self._in_pool(tie)
                chosen[rows[fits]] = tie[fits]
            members.append(self._stranger(tick, caller, chosen, members))
        return members

    def _in_pool(self, agent_id: Ints) -> NDArray[np.bool_]:
        if not self._draws:
            return np.ones(len(agent_id), dtype=bool)
        return np.isin(self._roster.kind_of(agent_id), self._pool)

    def _stranger(self, tick: int, caller: Ints, chosen: Ints, seated: list[Ints]) -> Ints:
        """Fill what is still free with agents of the pool who do not sit there yet."""
        for attempt in range(_TRIES):
            free = np.flatnonzero(chosen < 0)
            if not len(free):
                break
            rank = self._draw.integers(self.pool_size, tick, caller[free], len(seated), attempt)
            who = self.pool_member(rank)
            taken = np.logical_or.reduce([who == other[free] for other in seated])
            chosen[free[~taken]] = who[~taken]
        free = np.flatnonzero(chosen < 0)
        if len(free):  # a tiny pool: the first ranks that are free will do
            for number in range(self.pool_size):
                who = self.pool_member(np.full(len(free), number))
                taken = np.logical_or.reduce([who == other[free] for other in seated])
                chosen[free] = np.where((chosen[free] < 0) & ~taken, who, chosen[free])
        return chosen

    # -- drawn seats -----------------------------------------------------------------------

    def _seat(self, tick: int, room: Ints, members: list[Ints], ties: Ties | None) -> Teams:
        filled = dict(zip(self.members, members, strict=True))
        elsewhere: dict[str, int] = {}
        drawn: dict[int, int] = {}
        for seat, (kind, place) in self._draws.items():
            number = drawn.get(kind, 0)  # the how-manyth of its kind in this team
            drawn[kind] = number + 1
            agent = self._drawn(tick, room, members[0], kind, place, number)
            if place == "ties":
                assert ties is not None
                elsewhere[seat] = self._tied(tick, members[0], kind, number, agent, ties)
            before = [filled[s] for s, (k, _) in self._draws.items() if k == kind and s in filled]
            filled[seat] = self._apart(kind, agent, before)
        return Teams(room, {seat: filled[seat] for seat in self._seats}, elsewhere)

    def _drawn(
        self, tick: int, room: Ints, first: Ints, kind: int, place: str, number: int
    ) -> Ints:
        """Return agents of a kind from anywhere (also for `_tied` to replace), or by community."""
        # Dealt out too: where rooms are numbered without gaps, all of a kind sit in equally many
        # teams (± 1).
        many = sum(1 for other, _ in self._draws.values() if other == kind)
        total = self._roster.count(kind)
        turn = (room * many + number) % total
        agent = self._roster.member(kind, self._rank.forward(turn, total, tick, kind))
        if place in ("anywhere", "ties"):
            return agent
        community = self._roster.community_of(first)
        if place == "other_community":
            others = self._roster.communities - 1
            step = 1 + self._draw.integers(others, tick, room, kind, number, 0)
            community = (community + step) % self._roster.communities
        count = self._roster.count_in(kind, community)
        # Consecutive ranks: two seats of one kind never draw the same agent.
        rank = self._draw.integers(np.maximum(count, 1), tick, room, kind, 1)
        rows = np.flatnonzero(count > number)
        there = (rank[rows] + number) % count[rows]
        agent[rows] = self._roster.member_in(kind, community[rows], there)
        return agent

    def _apart(self, kind: int, agent: Ints, before: list[Ints]) -> Ints:
        """Move on to the next of the kind where an agent already sits in the team."""
        for _ in before:
            clash = np.logical_or.reduce([agent == other for other in before])
            rows = np.flatnonzero(clash)
            if not len(rows):
                break
            rank = self._roster.rank_of(agent[rows], kind) + 1
            agent[rows] = self._roster.member(kind, rank % self._roster.count(kind))
        return agent

    def _tied(self, tick: int, first: Ints, kind: int, number: int, agent: Ints, ties: Ties) -> int:
        """Put a tie of a kind of each first member in place: the how-manyth in a keyed order.

        Args:
            tick: The tick.
            first: [R] first members.
            kind: The kind.
            number: The how-manyth seat of this kind it is in a team.
            agent: [R] agents of the kind, replaced where there is such a tie.
            ties: Everybody's.

        Returns:
            How many were not replaced.
        """
        degree = ties.degree(first)
        looked = np.zeros(len(first), dtype=np.int64)
        left = np.full(len(first), number + 1)
        while True:
            rows = np.flatnonzero((left > 0) & (looked < degree))
            if not len(rows):
                return int(np.count_nonzero(left))
            place = self._rank.forward(looked[rows], degree[rows], tick, first[rows], kind)
            tie = ties.pick(first[rows], place)
            looked[rows] += 1
            fits = rows[self._roster.kind_of(tie) == kind]
            left[fits] -= 1
            done = left[rows] == 0
            agent[rows[done]] = tie[done]

    # -- checks ----------------------------------------------------------------------------

    def _check(self, kinds: Sequence[str]) -> None:
        where = "population.team.draws"
        for seat, draw in self._config.draws.items():
            if seat not in self._seats:
                raise UnknownNameError("seat", seat, self._seats, where)
            if draw.kind not in kinds:
                raise UnknownNameError("kind", draw.kind, kinds, f"{where}.{seat}.kind")
            if draw.place not in PLACES:
                raise UnknownNameError("place", draw.place, PLACES, f"{where}.{seat}.place")
            if draw.place == "ties" and not self._has_ties:
                raise ConfigError(f"{where}.{seat}.place: ties, but topology mixed has none")
            if draw.place == "other_community" and self._roster.communities < 2:
                raise ConfigError(f"{where}.{seat}.place: other_community, but there is only one")
        if not 0 < self._config.share <= 1:
            raise ConfigError(
                f"population.team.share: given {self._config.share:g}, allowed: above 0, up to 1"
            )
        if not self.members:
            raise ConfigError(f"{where}: every seat is drawn; leave one at least to the members")

    def _check_sizes(self, kinds: Sequence[str]) -> None:
        if self.pool_size < len(self.members):
            raise ConfigError(
                f"population.size: given {self._roster.size} with {self.pool_size} agents for the "
                f"{len(self.members)} seats {', '.join(self.members)} of a team; "
                f"at least {len(self.members)} are needed"
            )
        if self.rooms < 1:
            raise ConfigError(
                f"population.team.share: given {self._config.share:g}, no team of "
                f"{len(self.members)} members would meet"
            )
        for kind in {kind for kind, _ in self._draws.values()}:
            seats = [seat for seat, (other, _) in self._draws.items() if other == kind]
            have = self._roster.count(kind)
            if have < len(seats):
                raise ConfigError(
                    f"population.kinds.{kinds[kind]}: {have} agents for the seats "
                    f"{', '.join(seats)}; at least {len(seats)} are needed"
                )
