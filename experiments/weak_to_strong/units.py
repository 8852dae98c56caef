"""The work of a weak-to-strong run: supervisors first, then students, a few a tick."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from agents.learning.weak_to_strong.objective import WeakLabels
from experiments.config.schema import ScenarioConfig
from experiments.engine.build import build_objective
from experiments.engine.plan import Plan


@dataclass(frozen=True)
class Unit:
    """One student: an arm of one replicate."""

    number: int
    """Position in the tick; the ledger's block."""
    arm: str
    replicate: int


@dataclass(frozen=True)
class Study:
    """Who learns from whom, in which order; a function of the configuration alone.

    Tick 0 trains and asks the supervisors of all replicates. Students follow, arm by arm and seed
    by seed, `WeakToStrongConfig.units_per_tick` a tick. Neither depends on the number of hosts.
    """

    config: ScenarioConfig

    @cached_property
    def plan(self) -> Plan:
        """Identities of agents and students."""
        return Plan(self.config)

    @cached_property
    def methods(self) -> dict[str, WeakLabels]:
        """Arm to how its student learns."""
        methods = {}
        for arm in self.plan.arms:
            objective = build_objective(self.config, arm)
            assert isinstance(objective, WeakLabels)
            methods[arm] = objective
        return methods

    @cached_property
    def readings(self) -> tuple[str, ...]:
        """What supervisors read beside the case, in the order of arms: '' or a conversation."""
        return tuple(dict.fromkeys(m.config.transcripts for m in self.methods.values()))

    @cached_property
    def units(self) -> tuple[tuple[str, int], ...]:
        """(arm, replicate) of every student, in order."""
        return tuple((arm, r) for arm in self.plan.arms for r in self.plan.replicates)

    @property
    def last_tick(self) -> int:
        """Number of the last tick."""
        return -(-len(self.units) // self.config.weak_to_strong.units_per_tick)

    def at(self, tick: int) -> list[Unit]:
        """Return the units of a tick, 1 … `last_tick`."""
        size = self.config.weak_to_strong.units_per_tick
        part = self.units[(tick - 1) * size : tick * size]
        return [Unit(number, *unit) for number, unit in enumerate(part)]

    def members(self, reading: str) -> int:
        """Return how many supervisors with one reading are needed: 1, or the ensemble."""
        wanted = [m.config.labels for m in self.methods.values() if m.config.transcripts == reading]
        return self.config.weak_to_strong.ensemble if {"mean", "vote"} & set(wanted) else 1
