"""Typed settings of a conversation's channel: budgets, faults, visibility.

Everything is off by default; a channel without settings delivers whatever the topology allows, in
time for the next turn. `check_settings` holds the rules that a configuration must keep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordination.messages import MessageKind
from environments.core.errors import ConfigError, UnknownNameError

EVERYBODY = "all"
"""Visibility of a kind that everybody hears whom the topology allows."""

CORRUPTIONS = ("stance", "marks", "words")
"""What corruption can do to a copy; see `coordination.channels.copies`."""

DELAYS = ("none", "fixed", "geometric")


@dataclass
class Budget:
    """Greatest amounts over a conversation; 0 means no limit."""

    messages: int = 0
    words: int = 0
    """Words as delivered, after the word limit."""
    tokens: int = 0
    """Language-model tokens read and written for a message."""
    bits: int = 0
    """Size of the structured message; see `coordination.channels.budgets.bits_of`."""


@dataclass
class BudgetSettings:
    """How much may be said; what is over a budget is delivered to nobody."""

    seat: Budget = field(default_factory=Budget)
    """For each seat by itself."""
    seats: dict[str, Budget] = field(default_factory=dict)
    """For single seats, in place of ``seat``."""
    room: Budget = field(default_factory=Budget)
    """For all seats of a room together."""
    truncate: bool = False
    """Whether a message over a budget of words is cut to what is left, instead of lost whole."""


@dataclass
class Delay:
    """Turns that a copy is late."""

    kind: str = "none"
    """none, fixed (every copy) or geometric (each copy by itself)."""
    turns: float = 0.0
    """Turns late: exactly (fixed, a whole number) or on average (geometric)."""


@dataclass
class Truncation:
    """Copies that lose their end."""

    probability: float = 0.0
    keep: float = 0.5
    """Share of the words that arrives, rounded down."""


@dataclass
class Corruption:
    """Copies that arrive altered."""

    probability: float = 0.0
    kinds: list[str] = field(default_factory=lambda: list(CORRUPTIONS))
    """Which alterations, drawn evenly among those that can change the message."""


@dataclass
class ChannelSettings:
    """What happens to messages on their way."""

    budget: BudgetSettings = field(default_factory=BudgetSettings)
    delay: Delay = field(default_factory=Delay)
    loss: float = 0.0
    """Probability that a copy is lost."""
    truncation: Truncation = field(default_factory=Truncation)
    corruption: Corruption = field(default_factory=Corruption)
    expiry: int = 0
    """Turns within which a copy must arrive (1: the next turn), else it expires; 0 for ever."""
    visibility: dict[str, Any] = field(default_factory=dict)
    """Message kind to the seats that hear it, or all; kinds not named are heard by all."""
    hears_from: dict[str, int] = field(default_factory=dict)
    """Seat to the first turn at which it hears anything; until then copies wait."""

    @property
    def metered(self) -> bool:
        """Whether any budget has a limit."""
        budgets = (self.budget.seat, self.budget.room, *self.budget.seats.values())
        return any(getattr(one, f.name) for one in budgets for f in fields(one))

    @property
    def troubled(self) -> bool:
        """Whether a copy may be late, lost, expired or altered."""
        return (
            self.delay.kind != "none"
            or self.loss > 0
            or self.truncation.probability > 0
            or self.corruption.probability > 0
            or bool(self.hears_from)
        )


def check_settings(settings: ChannelSettings, seats: Sequence[str], where: str = "channel") -> None:
    """Refuse settings that cannot be.

    Args:
        settings: The settings.
        seats: The seats of the room.
        where: Their key, for messages.

    Raises:
        ConfigError: One line: key, given, allowed.
        UnknownNameError: For a seat, message kind, delay or corruption that does not exist.
    """
    budget, delay, corruption = settings.budget, settings.delay, settings.corruption
    single = {f"seats.{seat}": one for seat, one in budget.seats.items()}
    for key, one in {"seat": budget.seat, "room": budget.room, **single}.items():
        for f in fields(one):
            _at_least(f"{where}.budget.{key}.{f.name}", getattr(one, f.name), 0)
    _seats(budget.seats, seats, f"{where}.budget.seats")
    if delay.kind not in DELAYS:
        raise UnknownNameError("delay", delay.kind, DELAYS, f"{where}.delay.kind")
    _at_least(f"{where}.delay.turns", delay.turns, 0)
    if delay.kind == "fixed" and delay.turns != int(delay.turns):
        raise ConfigError(f"{where}.delay.turns: given {delay.turns}, a fixed delay is whole turns")
    if delay.kind == "none" and delay.turns:
        raise ConfigError(f"{where}.delay.kind: none, but delay.turns is {delay.turns}")
    _share(f"{where}.loss", settings.loss)
    _share(f"{where}.truncation.probability", settings.truncation.probability)
    _share(f"{where}.truncation.keep", settings.truncation.keep)
    _share(f"{where}.corruption.probability", corruption.probability)
    for kind in corruption.kinds:
        if kind not in CORRUPTIONS:
            raise UnknownNameError("corruption", kind, CORRUPTIONS, f"{where}.corruption.kinds")
    if not corruption.kinds or len(set(corruption.kinds)) != len(corruption.kinds):
        raise ConfigError(
            f"{where}.corruption.kinds: given {corruption.kinds}, expected different ones of "
            f"{', '.join(CORRUPTIONS)}"
        )
    _at_least(f"{where}.expiry", settings.expiry, 0)
    _seats(settings.hears_from, seats, f"{where}.hears_from")
    for seat, turn in settings.hears_from.items():
        _at_least(f"{where}.hears_from.{seat}", turn, 0)
    _check_visibility(settings.visibility, seats, f"{where}.visibility")


def visible(visibility: Mapping[str, Any], seats: Sequence[str]) -> NDArray[np.bool_]:
    """Return which seats hear which kind of message at all, [kinds, S]."""
    heard = np.ones((len(MessageKind), len(seats)), dtype=bool)
    for kind, heard_by in visibility.items():
        if heard_by != EVERYBODY:
            heard[MessageKind[kind.upper()]] = np.isin(seats, heard_by)
    return heard


def _check_visibility(visibility: Mapping[str, Any], seats: Sequence[str], where: str) -> None:
    kinds = [kind.name.lower() for kind in MessageKind]
    for kind, heard_by in visibility.items():
        if kind not in kinds:
            raise UnknownNameError("message kind", kind, kinds, where)
        if heard_by == EVERYBODY:
            continue
        if not isinstance(heard_by, (list, tuple)):
            raise ConfigError(
                f"{where}.{kind}: given {heard_by!r}, expected {EVERYBODY} or a list of seats"
            )
        _seats(heard_by, seats, f"{where}.{kind}")


def _seats(given: Any, seats: Sequence[str], where: str) -> None:
    for seat in given:
        if seat not in seats:
            raise UnknownNameError("seat", str(seat), seats, where)


def _at_least(key: str, given: float, least: int) -> None:
    if not (given >= least and math.isfinite(given)):
        raise ConfigError(f"{key}: given {given}, allowed: {least} or more")


def _share(key: str, given: float) -> None:
    if not 0 <= given <= 1:
        raise ConfigError(f"{key}: given {given}, allowed: 0 to 1")
