"""The state of a stretch of agents, as columns: created by key, lent, changed by merged writes.

Bytes an agent for T topics and K options: 4·T·(K-1) remembered, 4·(K-1) values, 8 trust for each
role that speaks, 8 skill and learning, 20 counters and adapter, 2 kind and honesty, 2 its place in
`Groups`; with eight topics of two options and one role that speaks, 76. A tie takes 12: the other's
id and the trust in it. Columns are kept in 32 bits, which halves what a round moves through memory;
what is computed from them is computed in 64. Of a column of several numbers an agent, each number
lies together for all agents (Fortran's order): a round touches few of them.

What a round may change is `CHANGING` columns, trust in ties and adapters, and these are what
`State.digest` covers. All other columns are functions of the configuration, and read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from scipy.special import betaincinv

from coordination.population.ties import Ties
from environments.core.columns import Columns, frozen
from environments.core.keyed import Keyed
from experiments.config.population import SpreadConfig
from experiments.population.adapted import Adapters, adapters_of
from experiments.population.groups import strips
from experiments.population.options import as_in_world, as_shown
from experiments.population.seated import Seated
from experiments.population.sitting import Sitting
from experiments.population.world import ROLES, World

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FIXED = 2**20
"""Units of sums of real numbers in the ledger: whole numbers add up alike in any order."""

COUNTERS = ("met", "spoke", "heard", "lost")
"""Teams that an agent sat in, spoke in, heard somebody in, and answers of it that were faulty."""

CHANGING = ("remembered", "trust_alpha", "trust_beta", *COUNTERS)
"""Columns that a round may change."""

MARKS = COUNTERS[1:]
"""What a seat's consequences say by one bit each, the first the lowest."""


class State:
    """See the module's documentation.

    Args:
        world: The configuration's world.
        first: First agent.
        stop: The one after the last.
        ties: Rows of these agents, if the population has ties.
    """

    def __init__(self, world: World, first: int, stop: int, ties: Ties | None) -> None:
        self.world = world
        self.first, self.stop = first, stop
        self.ties = ties
        starts = range(first, stop, world.block)
        blocks = [self._created(np.arange(i, min(i + world.block, stop))) for i in starts]
        own = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
        self.columns: dict[str, NDArray[Any]] = {name: frozen(own[name]) for name in own}
        """By name, rows in the order of ids; those not in `CHANGING` are read-only."""
        self.columns |= self._begun()
        self.strips = strips(world, first, own["kind"])
        """The agents as they are counted."""
        self.adapters: Adapters | None = None
        """Those of agents that have one; None where nobody has."""
        if world.anybody_adapts:
            self.adapters = Adapters(world, first, self.columns["kind"], self.columns["adapter"])
        trust = world.config.population.trust
        start = trust.alpha / (trust.alpha + trust.beta)
        self.tie_trust = np.full(ties.n if ties else 0, start, dtype=np.float32)
        self._column_of_role = np.zeros(len(ROLES), dtype=np.int64)
        self._column_of_role[world.speaking_roles] = np.arange(len(world.speaking_roles))
        self._seen: Sitting | None = None

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.stop - self.first

    @property
    def bytes(self) -> int:
        """Bytes of the columns, ties included."""
        own = sum(column.nbytes for column in self.columns.values())
        own += sum(strip.groups.order.nbytes for strip in self.strips)
        ties = (self.ties.start.nbytes + self.ties.other.nbytes) if self.ties else 0
        adapters = self.adapters.nbytes if self.adapters else 0
        return own + ties + self.tie_trust.nbytes + adapters

    # -- creation --------------------------------------------------------------------------

    def _created(self, agent: Ints) -> dict[str, NDArray[Any]]:
        """Return what stays as it is of agents: a pure function of the seed and their ids."""
        world, population = self.world, self.world.config.population
        seed = world.config.seed
        kind = world.roster.kind_of(agent)
        kinds = list(population.kinds.values())
        values = [
            _drawn([one.values for one in kinds], kind, agent, seed, f"population.values.{k}")
            for k in range(1, world.environment.max_options)
        ]
        skill = _drawn([one.skill for one in kinds], kind, agent, seed, "population.skill")
        learning = _drawn([one.learning for one in kinds], kind, agent, seed, "population.learning")
        return {
            "kind": kind.astype(np.int8),
            "honest": self._honest(agent, kind),
            "skill": skill.astype(np.float32),
            "learning": learning.astype(np.float32),
            "values": np.stack(values, axis=1).astype(np.float32),
            "adapter": adapters_of(world, agent, kind).astype(np.int32),
        }

    def _begun(self) -> dict[str, NDArray[Any]]:
        """Return the `CHANGING` columns at the start."""
        trust, environment = self.world.config.population.trust, self.world.environment
        topics, roles = environment.n_topics, len(self.world.speaking_roles)
        wide = topics * (environment.max_options - 1)
        return {
            "remembered": np.zeros((wide, self.n), dtype=np.float32).T,
            "trust_alpha": np.full((roles, self.n), trust.alpha, dtype=np.float32).T,
            "trust_beta": np.full((roles, self.n), trust.beta, dtype=np.float32).T,
            **{name: np.zeros(self.n, dtype=np.int32) for name in COUNTERS},
        }

    # -- reading ---------------------------------------------------------------------------

    def lend(self, seated: Seated, tick: int) -> Columns:
        """Return what agents need for a conversation, as of now.

        Args:
            seated: N seats of agents of this stretch; an agent may sit in many.
            tick: The tick; skills that grow are functions of it and of the skill at the start.

        Returns:
            ``honest``, ``skill``, ``remembered`` [N, K-1] about the topic (by position in the
            room's case), ``trust`` [N, P] in each speaker (in the tie if there is one, else in the
            role), and, if anybody has any, ``values`` [N, K-1], by position too, and ``adapter``;
            all numbers in 32 bits.
        """
        sitting = self._sitting(seated)
        row = sitting.row
        trust = np.empty((len(row), seated.speakers), dtype=np.float32)
        for p in range(seated.speakers):
            trust[:, p] = self._trust_in_role(sitting, seated.speaker_role[:, p])
            if self.ties is not None and seated.speaker is not None:
                tie = self.ties.find(seated.agent, seated.speaker[:, p])
                known = tie >= 0
                trust[known, p] = self.tie_trust[tie[known]]
        lent = {
            "honest": self.columns["honest"].take(row),
            "skill": self._grown(row, tick),
            "remembered": as_shown(self._recalled(sitting), seated.order),
            "trust": trust,
        }
        if self.adapters is not None:
            lent["adapter"] = self.columns["adapter"].take(row)
        if self.world.has_values:
            lent["values"] = as_shown(self.columns["values"].take(row, axis=0), seated.order)
        return Columns(lent)

    def _sitting(self, seated: Seated) -> Sitting:
        """Return where seats' agents are; kept, since a round settles the seats that it lent."""
        if self._seen is None or self._seen.seated is not seated:
            wide = self.world.environment.max_options - 1
            self._seen = Sitting(seated, self.first, self.n, wide)
        return self._seen

    def _recalled(self, sitting: Sitting) -> NDArray[np.float32]:
        """Return what is remembered of each seat's topic, [N, K-1]."""
        wide = self.world.environment.max_options - 1
        out = np.empty((len(sitting.row), wide), dtype=np.float32)
        for k in range(wide):
            table = self._remembered(k)
            if sitting.in_order:
                out[:, k] = table.take(sitting.place_of_agent).take(sitting.row)
            else:
                out[:, k] = table.take(sitting.place)
        return out

    def _remembered(self, k: int) -> NDArray[np.float32]:
        """Return a view of what is remembered, in which `Sitting.place` leads to option k + 1."""
        return self.columns["remembered"].T.reshape(-1)[k * self.n :]

    def _role_columns(self, role: NDArray[Any]) -> NDArray[np.int64] | int:
        """Return the columns of trust in roles, [N], or the one column if it is the same."""
        if len(self.world.speaking_roles) == 1:
            return 0
        if len(role) and (role == role[0]).all():
            return int(self._column_of_role[role[0]])
        return self._column_of_role.take(role)

    def _trust_in_role(self, sitting: Sitting, role: NDArray[Any]) -> NDArray[np.float32]:
        """Return the mean of agents' trust in a role each, [N]."""
        alpha, beta = self.columns["trust_alpha"].T, self.columns["trust_beta"].T
        column = self._role_columns(role)
        if isinstance(column, int) and sitting.in_order:
            return (alpha[column] / (alpha[column] + beta[column])).take(sitting.row)
        at = column * self.n + sitting.row
        chosen = alpha.reshape(-1).take(at)
        return chosen / (chosen + beta.reshape(-1).take(at))

    def trust_in_ties(self, first: int, stop: int) -> tuple[Ints, NDArray[np.bool_], Floats]:
        """Return how far the agents from ``first`` to before ``stop`` trust their ties.

        Returns:
            For each tie the row of its agent among them, whether the other is honest, and the
            trust.
        """
        assert self.ties is not None
        low, high = first - self.first, stop - self.first
        start = self.ties.start[low : high + 1]
        ties = slice(int(start[0]), int(start[-1]))
        row = np.repeat(np.arange(high - low), np.diff(start))
        other = self.ties.other[ties]
        honest = self._honest(other, self.world.roster.kind_of(other))
        return row, honest, self.tie_trust[ties].astype(np.float64)

    def _honest(self, agent: Ints, kind: Ints) -> NDArray[np.bool_]:
        kinds = self.world.config.population.kinds.values()
        dishonest = np.array([one.dishonest for one in kinds])
        draw = Keyed(self.world.config.seed, "population.dishonest").uniform(agent)
        return np.asarray(draw >= dishonest[kind])

    def _grown(self, row: Ints, tick: int) -> NDArray[np.float32]:
        skill = self.columns["skill"][row]
        growth = [one.growth for one in self.world.config.population.kinds.values()]
        if not any(growth):
            return skill
        short = np.array([(1.0 - one) ** tick for one in growth])
        return np.asarray(1.0 - (1.0 - skill) * short[self.columns["kind"][row]], dtype=np.float32)

    # -- writing ---------------------------------------------------------------------------

    def settle(self, seated: Seated, writes: Columns) -> None:
        """Merge what happened to agents, rows in the order of (room, seat).

        Rows of one agent are added in their order, whichever shard held the room, and what is
        remembered is bounded after the sum; trust in a tie moves once, by the mean of the tick's
        experiences with it. So neither shards nor arrival can be seen in the result.

        Args:
            seated: N seats of agents of this stretch in *all* rooms of the tick.
            writes: ``lesson`` [N, K-1] log-odds heard by position, weighted by trust; ``good``
                [N, P] 1, 0, or -1 for no experience with a speaker; ``marks`` [N], see `MARKS`.
        """
        sitting = self._sitting(seated)
        row, once = sitting.row, sitting.once
        self._settle_lessons(sitting, writes["lesson"])
        for p in range(seated.speakers):
            self._settle_role(sitting, seated.speaker_role[:, p], writes["good"][:, p])
        rate = self.world.config.population.trust.rate
        if self.ties is not None and seated.speaker is not None and rate > 0:
            self._settle_ties(seated.agent, seated.speaker, writes["good"], rate)
        marks = sitting.by_agent(writes["marks"], 0) if once else writes["marks"]
        self.columns["met"] += sitting.sat if once else _counts(row, self.n)
        for mark, name in enumerate(MARKS):
            marked = marks & (1 << mark) > 0
            if marked.any():
                self.columns[name] += marked if once else _counts(row[marked], self.n)
        self._seen = None

    def _settle_lessons(self, sitting: Sitting, heard: NDArray[np.float32]) -> None:
        """Add to what is remembered."""
        limit = self.world.config.population.belief_limit
        learning = self.columns["learning"]
        lessons = as_in_world(heard, sitting.seated.order)
        for k in range(lessons.shape[1]):
            table = self._remembered(k)
            if sitting.once:
                known = sitting.by_agent(lessons[:, k], 0.0)
                known *= learning
                known += table.take(sitting.place_of_agent)
                table[sitting.place_of_agent] = np.clip(known, -limit, limit, out=known)
                continue
            told = np.flatnonzero(lessons[:, k])
            where = sitting.place[told]
            np.add.at(table, where, lessons[told, k] * learning[sitting.row[told]])
            over = where[np.abs(table[where]) > limit]
            table[over] = np.clip(table[over], -limit, limit)

    def _settle_role(self, sitting: Sitting, role: NDArray[Any], good: NDArray[np.int8]) -> None:
        """Add experiences with speakers, one a row, to the trust in their roles."""
        trust = self.world.config.population.trust
        moves = (("trust_alpha", 1, trust.success), ("trust_beta", 0, trust.failure))
        column = self._role_columns(role)
        if isinstance(column, int) and sitting.once:
            of_agent = sitting.by_agent(good, -1)
            for name, outcome, weight in moves:
                own = self.columns[name].T[column]
                own += np.float32(weight) * (of_agent == outcome)
            return
        at = column * self.n + sitting.row
        for name, outcome, weight in moves:
            table = self.columns[name].T.reshape(-1)
            np.add.at(table, at[good == outcome], np.float32(weight))

    def _settle_ties(self, agent: Ints, speaker: Ints, good: NDArray[Any], rate: float) -> None:
        assert self.ties is not None
        many = speaker.shape[1]
        outcome = good.T.ravel()
        tie = self.ties.find(np.tile(agent, many), speaker.T.ravel())
        seen = (outcome >= 0) & (tie >= 0)
        places, inverse = np.unique(tie[seen], return_inverse=True)
        count = np.bincount(inverse, minlength=len(places))
        right = np.bincount(inverse, weights=outcome[seen] == 1, minlength=len(places))
        kept = (1.0 - rate) ** count
        old = self.tie_trust[places].astype(np.float64)
        self.tie_trust[places] = (kept * old + (1.0 - kept) * right / count).astype(np.float32)

    # -- saving ----------------------------------------------------------------------------

    def block_columns(self, block: int) -> dict[str, dict[str, NDArray[Any]]]:
        """Return a block's columns for a snapshot, as groups."""
        low, high = self._rows(block)
        agents = {name: column[low:high] for name, column in self.columns.items()}
        groups = {"agents": agents}
        if self.ties is not None:
            begin, end = self.ties.start[low], self.ties.start[high]
            groups["ties"] = {"trust": self.tie_trust[begin:end]}
        if self.adapters is not None:
            groups |= self.adapters.block_groups(block)
        return groups

    def restore_block(self, block: int, groups: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        """Take a block's columns from a snapshot."""
        low, high = self._rows(block)
        for name in CHANGING:
            self.columns[name][low:high] = groups["agents"][name]
        if self.ties is not None:
            begin, end = self.ties.start[low], self.ties.start[high]
            self.tie_trust[begin:end] = groups["ties"]["trust"]
        if self.adapters is not None:
            self.adapters.restore_block(groups)

    def digest(self, block: int) -> str:
        """Return the BLAKE3 of all that a round may change in a block, as little-endian bytes.

        Equal states have equal digests, and one that differs in a bit has another. All of it is
        hashed in every tick, which one processor does several times as fast as any other
        cryptographic hash.
        """
        low, high = self._rows(block)
        state = blake3()
        for name in CHANGING:
            column = self.columns[name][low:high]
            state.update(f"{name}:{column.shape};".encode())
            for numbers in column.T if column.ndim == 2 else (column,):
                state.update(_little_endian(numbers))
        if self.ties is not None:
            begin, end = self.ties.start[low], self.ties.start[high]
            state.update(_little_endian(self.tie_trust[begin:end]))
        if self.adapters is not None:
            state.update(self.adapters.digest(block))
        return state.hexdigest()

    def _rows(self, block: int) -> tuple[int, int]:
        first, stop = self.world.agents_of(block)
        return first - self.first, stop - self.first


def _little_endian(numbers: NDArray[Any]) -> memoryview:
    """Return the bytes of numbers that lie together."""
    return np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<")).view(np.uint8).data


def _counts(row: Ints, n: int) -> NDArray[np.int32]:
    return np.bincount(row, minlength=n).astype(np.int32)


def _drawn(laws: list[SpreadConfig], kind: Ints, agent: Ints, seed: int, stream: str) -> Floats:
    """Return each agent's parameter by the law of its kind."""
    draw = Keyed(seed, stream)
    out = np.empty(len(agent))
    for code, law in enumerate(laws):
        rows = np.flatnonzero(kind == code)
        if law.law == "constant" or (law.law in ("normal", "beta") and law.sd == 0):
            out[rows] = law.mean
        elif law.law == "normal":
            out[rows] = np.clip(law.mean + law.sd * draw.normal(agent[rows]), law.low, law.high)
        elif law.law == "uniform":
            out[rows] = law.low + (law.high - law.low) * draw.uniform(agent[rows])
        else:
            size = law.mean * (1 - law.mean) / law.sd**2 - 1
            a, b = law.mean * size, (1 - law.mean) * size
            out[rows] = betaincinv(a, b, draw.uniform(agent[rows]))
    return out
