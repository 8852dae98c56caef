"""Impossible populations, found before anything starts."""

from __future__ import annotations

import math
from typing import Any

from agents import POLICIES
from agents.adapters.config import check_members
from coordination import PROTOCOLS
from coordination.messages import Role
from coordination.population.config import MIXED
from coordination.population.roster import Roster, check_fractions
from coordination.population.teams import TeamSampler
from coordination.population.ties import check_topology
from environments import ENVIRONMENTS
from environments.core.errors import ConfigError, FacilitateError, UnknownNameError, at
from experiments.config.channel import check_channel
from experiments.config.components import component
from experiments.config.population import KindConfig, PopulationConfig, SpreadConfig
from experiments.config.schema import ScenarioConfig

FEEDBACK = ("none", "agreement", "audited")
LAWS = ("constant", "normal", "uniform", "beta")
QUESTIONS = ("lift", "oversight", "cascade")
LEDGERS = ("aggregates", "full")

_MAX_SIZE = 2**40
_MAX_ADAPTED = 2**31 - 1
"""Adapter ids are kept in 32 bits."""


def validate_population(config: ScenarioConfig) -> None:
    """Check the population of a scenario that has one.

    Raises:
        ConfigError: The first value or combination that cannot run.
    """
    population = config.population
    adapted = any(kind.adapter.rank for kind in population.kinds.values())
    _between("population.size", population.size, 1, _MAX_ADAPTED if adapted else _MAX_SIZE)
    _alone(config)
    _numbers(population)
    if not population.kinds:
        raise ConfigError("population.kinds: a population needs at least one kind, given none")
    fractions = {name: kind.fraction for name, kind in population.kinds.items()}
    check_fractions(fractions, "population.kinds.*.fraction")
    environment, settings = component(ENVIRONMENTS, config.environment, "environment")
    groups: Any = environment.groups(settings)  # type: ignore[attr-defined]
    for name, kind in population.kinds.items():
        _kind(f"population.kinds.{name}", kind, groups)
    _trust(population)
    check_topology(population.topology, population.size)
    _teams(config)
    _shards(config)


def _alone(config: ScenarioConfig) -> None:
    """Refuse sections of the classic engine, which a population does not read."""
    for section in ("agents", "conversations", "arms"):
        if getattr(config, section):
            raise ConfigError(
                f"{section}: given, but a population has its own kinds, protocol and team"
            )
    if config.seeds != 1:
        raise ConfigError(
            f"seeds: given {config.seeds}, a population run has 1 (run it again with another seed)"
        )
    if config.feedback.kind != "none":
        raise ConfigError(
            f"feedback.kind: given {config.feedback.kind!r}; set population.trust.feedback"
        )
    if config.mutations.shuffle_strong:
        raise ConfigError("mutations.shuffle_strong: not there for populations")


def _numbers(population: PopulationConfig) -> None:
    for key in ("blocks", "room_block", "exam"):
        _between(f"population.{key}", getattr(population, key), 1, _MAX_SIZE)
    for key in ("word_limit", "max_quotes"):
        _between(f"population.{key}", getattr(population, key), 0, _MAX_SIZE)
    _between("population.belief_limit", population.belief_limit, 1e-9, 700)
    _between("population.answer_s", population.answer_s, 0, math.inf)
    _between("population.max_fault_share", population.max_fault_share, 0, 1)
    _one_of("population.question", population.question, QUESTIONS, "value")
    _one_of("population.ledger", population.ledger, LEDGERS, "value")


def _kind(where: str, kind: KindConfig, groups: tuple[str, ...]) -> None:
    _one_of(f"{where}.role", kind.role, tuple(role.value for role in Role), "role")
    _one_of(f"{where}.information", kind.information, groups, "information group")
    _between(f"{where}.dishonest", kind.dishonest, 0, 1)
    _between(f"{where}.growth", kind.growth, 0, 1)
    cls, settings = component(POLICIES, kind.policy, f"{where}.policy")
    if getattr(cls, "reads_text", False):
        _language_model(where, kind, cls, settings)
    else:
        cls(settings, 0)
        if kind.adapter.rank:
            raise ConfigError(
                f"{where}.adapter.rank: given {kind.adapter.rank}, but {kind.policy['name']!r} is "
                "numeric and has no weights to adapt (allowed: 0)"
            )
    _spread(f"{where}.skill", kind.skill, 0.0, 1.0)
    _spread(f"{where}.learning", kind.learning, 0.0, 1.0)
    _spread(f"{where}.values", kind.values, -700.0, 700.0)


def _language_model(where: str, kind: KindConfig, cls: type, settings: Any) -> None:
    if not getattr(cls, "needs_vocabulary", False):
        raise ConfigError(
            f"{where}.policy: {kind.policy['name']!r} asks a server; language models of a "
            "population are computed where its agents live (allowed: language_model)"
        )
    cls.preflight(settings, f"{where}.policy")  # type: ignore[attr-defined]
    if kind.growth:
        raise ConfigError(
            f"{where}.growth: given {kind.growth:g}, but a language model has no skill that "
            "could grow (allowed: 0)"
        )
    if settings.adapter.rank:
        raise ConfigError(
            f"{where}.policy.adapter.rank: given {settings.adapter.rank}; adapters of a "
            f"population's agents are set by {where}.adapter"
        )
    check_members(kind.adapter, f"{where}.adapter")
    if kind.adapter.rank and settings.model.dtype not in ("float32", "float64"):
        raise ConfigError(
            f"{where}.policy.model.dtype: given {settings.model.dtype!r} for agents that learn, "
            "allowed: float32, float64"
        )


def _spread(where: str, law: SpreadConfig, least: float, most: float) -> None:
    _one_of(f"{where}.law", law.law, LAWS, "law")
    if law.law == "constant":
        _between(f"{where}.mean", law.mean, least, most)
        return
    if law.law in ("normal", "uniform"):
        _between(f"{where}.low", law.low, least, most)
        _between(f"{where}.high", law.high, law.low, most)
    _between(f"{where}.sd", law.sd, 0, math.inf)
    if law.law == "beta" and law.sd**2 >= law.mean * (1 - law.mean):
        raise ConfigError(
            f"{where}.sd: given {law.sd:g} with mean {law.mean:g}; a beta law in 0 … 1 needs "
            "sd² below mean·(1 - mean)"
        )


def _trust(population: PopulationConfig) -> None:
    trust, where = population.trust, "population.trust"
    _one_of(f"{where}.feedback", trust.feedback, FEEDBACK, "value")
    for key in ("alpha", "beta"):
        _between(f"{where}.{key}", getattr(trust, key), 1e-9, math.inf)
    for key in ("success", "failure"):
        _between(f"{where}.{key}", getattr(trust, key), 0, math.inf)
    for key in ("fraction", "rate"):
        _between(f"{where}.{key}", getattr(trust, key), 0, 1)


def _teams(config: ScenarioConfig) -> None:
    """Check protocol, seats and numbers by putting the sampler together."""
    population = config.population
    cls, settings = component(PROTOCOLS, population.protocol, "population.protocol")
    _between("population.team.members", population.team.members, 1, 1000)
    try:
        protocol = cls(settings)
        seats = protocol.example(population.team.members)
        protocol.check(seats)
    except FacilitateError as error:
        raise at("population.protocol", error) from error
    if population.size < len(seats):
        raise ConfigError(
            f"population.size: given {population.size}, fewer agents than a team's {len(seats)} "
            f"seats ({', '.join(seats)})"
        )
    if not 1 <= population.communities <= population.size:
        raise ConfigError(
            f"population.communities: {population.communities} of them (given, or the scenario's "
            f"own) for population.size={population.size} agents; allowed: 1 to {population.size}"
        )
    keys = ("population.team.topology", "population.channel")
    check_channel(population.team.topology, population.channel, seats, keys)
    fractions = [kind.fraction for kind in population.kinds.values()]
    roster = Roster(population.size, fractions, population.communities, config.seed)
    sampler = TeamSampler(
        roster,
        list(population.kinds),
        seats,
        population.team,
        block=population.size,
        has_ties=population.topology.name != MIXED,
        seed=config.seed,
    )
    drawn = {draw.kind for draw in population.team.draws.values()}
    pool = {k.information for name, k in population.kinds.items() if name not in drawn}
    if len(pool) > 1:
        raise ConfigError(
            f"population.kinds: the kinds of the seats {', '.join(sampler.members)} see different "
            f"information ({', '.join(sorted(pool))}); it is one for a seat"
        )


def _shards(config: ScenarioConfig) -> None:
    population, shards = config.population, config.runtime.shards
    block = -(-population.size // min(population.blocks, population.size))
    most = -(-population.size // block)
    if not 1 <= shards <= most:
        more = ", more than there are agents" if shards > population.size else ""
        raise ConfigError(
            f"runtime.shards: given {shards}{more}, allowed: 1 to {most} ({population.size} agents "
            f"in {most} blocks of at most {block}, see population.blocks)"
        )


def _between(key: str, given: float, low: float, high: float) -> None:
    if not low <= given <= high:
        raise ConfigError(f"{key}: given {given:g}, allowed: {low:g} to {high:g}")


def _one_of(key: str, given: str, allowed: tuple[str, ...], what: str) -> None:
    if given not in allowed:
        raise UnknownNameError(what, given, allowed, key)
