"""The world of a population: all that follows from the configuration alone, alike on every host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from agents import POLICIES
from coordination import PROTOCOLS
from coordination.channels.settings import ChannelSettings
from coordination.cohort import Cohort
from coordination.messages import Role, Ruling
from coordination.population.config import MIXED
from coordination.population.roster import Roster
from coordination.population.teams import Teams, TeamSampler
from coordination.population.ties import Ties, build_ties
from coordination.protocols.base import Protocol
from coordination.seating import RoomRules
from environments.base import Environment
from environments.cases import Split
from experiments.config.components import component
from experiments.config.schema import ConversationConfig, ScenarioConfig
from experiments.engine.build import build_environment
from experiments.engine.conversation_host import reads_text
from experiments.engine.converse import rules_of

if TYPE_CHECKING:
    from agents.language_model.members import Members

Ints = NDArray[np.int64]

_FEW = 8
"""Shards up to which it is faster to compare with all borders than to bisect."""

_EXAMPLES = 256
"""Cases in which the words of evidence are looked up."""

ROLES = tuple(role.value for role in Role)
"""Roles by code: the columns of trust."""


@dataclass(frozen=True)
class World:
    """See the module's documentation.

    Blocks and shards: agents are cut into ``n_blocks`` canonical blocks by id; shard s owns whole
    blocks that follow one another, so (shard, row) is arithmetic on the id. A block of agents and
    the group of rooms of the same number belong to the same shard.
    """

    config: ScenarioConfig

    # -- who -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Number of agents."""
        return self.config.population.size

    @cached_property
    def kinds(self) -> list[str]:
        """Names of the kinds, in the scenario's order; their positions are their codes."""
        return list(self.config.population.kinds)

    @cached_property
    def role_of_kind(self) -> Ints:
        """[kinds] position of each kind's role among `ROLES`."""
        kinds = self.config.population.kinds.values()
        return np.array([ROLES.index(kind.role) for kind in kinds], dtype=np.int64)

    @cached_property
    def roster(self) -> Roster:
        """Who is of which kind and community."""
        population = self.config.population
        fractions = [kind.fraction for kind in population.kinds.values()]
        return Roster(self.size, fractions, population.communities, self.config.seed)

    def ties(self) -> Ties | None:
        """Return everybody's ties, built anew; None where there are none."""
        return build_ties(self.config.population.topology, self.roster, self.config.seed)

    @property
    def has_ties(self) -> bool:
        """Whether teams are called by ties."""
        return self.config.population.topology.name != MIXED

    # -- where -----------------------------------------------------------------------------

    @cached_property
    def block(self) -> int:
        """Agents in a canonical block; the last one may have fewer."""
        return -(-self.size // min(self.config.population.blocks, self.size))

    @cached_property
    def n_blocks(self) -> int:
        """Number of canonical blocks."""
        return -(-self.size // self.block)

    @property
    def shards(self) -> int:
        """Number of hosts."""
        return self.config.runtime.shards

    def blocks_of(self, shard: int) -> range:
        """Return the blocks of a shard."""
        return range(
            -(-shard * self.n_blocks // self.shards), -(-(shard + 1) * self.n_blocks // self.shards)
        )

    def shard_of(self, agent_id: Ints) -> NDArray[Any]:
        """Return the shard of each agent, as short numbers."""
        first = [self.agents_of(self.blocks_of(s)[0])[0] for s in range(1, self.shards)]
        small = np.uint8 if self.shards <= 256 else np.uint16
        if self.shards > _FEW:
            return np.searchsorted(first, agent_id, side="right").astype(small)
        shard = np.zeros(agent_id.shape, dtype=small)
        for edge in first:
            shard += agent_id >= edge
        return shard

    @property
    def id_type(self) -> type[np.signedinteger]:
        """Type in which ids travel between shards."""
        return np.int32 if self.size <= np.iinfo(np.int32).max else np.int64

    @cached_property
    def has_values(self) -> bool:
        """Whether anybody wants something to be decided."""
        return any(
            kind.values.mean or kind.values.law != "constant"
            for kind in self.config.population.kinds.values()
        )

    def agents_of(self, block: int) -> tuple[int, int]:
        """Return the first agent of a block and the one after its last."""
        return block * self.block, min((block + 1) * self.block, self.size)

    # -- what ------------------------------------------------------------------------------

    @cached_property
    def environment(self) -> Environment:
        """The environment, with the scenario's splits."""
        return build_environment(self.config)

    @cached_property
    def reads(self) -> NDArray[np.bool_]:
        """[kinds] whether agents of a kind read text: language models."""
        kinds = self.config.population.kinds.values()
        return np.array([reads_text(kind.policy) for kind in kinds], dtype=bool)

    @cached_property
    def adapts(self) -> NDArray[np.bool_]:
        """[kinds] whether every agent of a kind has an adapter of its own."""
        kinds = self.config.population.kinds.values()
        return np.array([kind.adapter.rank > 0 for kind in kinds], dtype=bool)

    @cached_property
    def anybody_adapts(self) -> bool:
        """Whether any kind has adapters."""
        return bool(self.adapts.any())

    @cached_property
    def anybody_reads(self) -> bool:
        """Whether any kind reads text."""
        return bool(self.reads.any())

    @cached_property
    def cohorts(self) -> list[Cohort]:
        """The policy of each kind; kinds with the same language model share it.

        Not those with adapters, which are kept with the model.
        """
        built: list[Any] = []
        known: dict[str, Cohort] = {}
        for name, kind in self.config.population.kinds.items():
            cls, settings = component(POLICIES, kind.policy, f"population.kinds.{name}.policy")
            if not getattr(cls, "reads_text", False):
                built.append(cls(settings, self.config.seed))
                continue
            if kind.adapter.rank:
                from agents.language_model.members import Members

                built.append(Members(settings, self.config.seed, self.words, kind.adapter))
                continue
            if repr(settings) not in known:
                known[repr(settings)] = cls(settings, self.config.seed, vocabulary=self.words)
            built.append(known[repr(settings)])
        return built

    def members(self, kind: int) -> Members:
        """Return the cohort of a kind that has adapters."""
        return cast("Members", self.cohorts[kind])

    @cached_property
    def model_of_kind(self) -> Ints:
        """[kinds] the first kind with the same cohort."""
        first = [next(k for k, c in enumerate(self.cohorts) if c is one) for one in self.cohorts]
        return np.array(first, dtype=np.int64)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words of models built from scratch: the environment's, and those of its evidence.

        Evidence is looked up in the first teaching cases; nothing where words are open.
        """
        words = set(self.environment.vocabulary())
        if not words:
            return ()
        count = min(_EXAMPLES, self.config.splits.teaching)
        ids = self.environment.case_ids_at(Split.TEACHING, self.config.seed, np.arange(count))
        for items in self.environment.render_evidence(self.environment.deal(ids)):
            words.update(word for item in items for word in item.split())
        return tuple(sorted(words))

    @cached_property
    def protocol(self) -> Protocol:
        """What a team does."""
        cls, settings = component(PROTOCOLS, self.config.population.protocol, "population.protocol")
        return cls(settings)

    @cached_property
    def rules(self) -> RoomRules:
        """What holds in every team's room."""
        population = self.config.population
        conversation = ConversationConfig(
            topology=population.team.topology,
            channel=population.channel,
            verification=population.verification,
            word_limit=population.word_limit,
            max_quotes=population.max_quotes,
            both_orders=False,
        )
        return rules_of(conversation, self.config.mutations.blank_messages)

    @cached_property
    def delivers_all(self) -> bool:
        """Whether every copy of a message arrives as it was said, for the next turn."""
        population = self.config.population
        everybody = population.team.topology["name"] == "complete"
        return everybody and population.channel == ChannelSettings()

    @cached_property
    def seats(self) -> tuple[str, ...]:
        """All seats of a team, in the order of their codes."""
        return self.protocol.example(self.config.population.team.members)

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        """Seats that say something, in the order of seats."""
        said = [row for row in self.protocol.table_for(self.seats) if row.kind != Ruling]
        acts = {row.seat for row in said}
        return tuple(seat for seat in self.seats if seat in acts)

    @cached_property
    def speaking_roles(self) -> Ints:
        """Codes of the roles of those who may sit in a speaker's seat, ascending."""
        draws = self.config.population.team.draws
        drawn = {rule.kind for rule in draws.values()}
        pool = [kind for kind in self.kinds if kind not in drawn]
        speak: set[str] = set()
        for seat in self.speakers:
            speak |= {draws[seat].kind} if seat in draws else set(pool)
        spoken = np.array([kind in speak for kind in self.kinds])
        return np.unique(self.role_of_kind[spoken])

    @cached_property
    def deciders(self) -> tuple[str, ...]:
        """Seats whose decisions make the team's."""
        return self.protocol.deciders(self.seats)

    @cached_property
    def sampler(self) -> TeamSampler:
        """Who sits with whom."""
        return TeamSampler(
            self.roster,
            self.kinds,
            self.seats,
            self.config.population.team,
            self.block,
            self.has_ties,
            self.config.seed,
        )

    def information(self, seat: str) -> str:
        """Return what a seat can see of a case: the information of the kinds that sit there."""
        population = self.config.population
        draw = population.team.draws.get(seat)
        if draw is not None:
            return population.kinds[draw.kind].information
        drawn = {rule.kind for rule in population.team.draws.values()}
        return next(k.information for name, k in population.kinds.items() if name not in drawn)

    def teams(self, tick: int, blocks: range, ties: Ties | None) -> Mapping[int, Teams]:
        """Return the teams of some groups of rooms, by group."""
        return {block: self.sampler.teams(tick, block, ties) for block in blocks}

    # -- when ------------------------------------------------------------------------------

    @property
    def last_tick(self) -> int:
        """Number of the last tick: the exam on test cases, after all rounds."""
        return self.config.schedule.ticks + 1

    def curve_at(self, tick: int) -> bool:
        """Say whether agents are examined after this tick's round."""
        every, last = self.config.schedule.curve_every, self.config.schedule.ticks
        return self.config.splits.curve > 0 and (tick % every == 0 or tick == last)

    def snapshot_at(self, tick: int) -> bool:
        """Say whether the population is saved after this tick; its creation needs no saving."""
        every = self.config.schedule.snapshot_every
        return tick > 0 and (tick % every == 0 or tick == self.config.schedule.ticks)
