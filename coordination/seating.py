"""Who sits where, under which rules, and what comes out: the small types around a room."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coordination.channels.settings import ChannelSettings
from coordination.channels.topologies import TopologyConfig
from environments.core.columns import frozen

HUB = "judge"
"""The seat in the middle where a conversation names no other."""


@dataclass(frozen=True)
class SeatSpec:
    """One seat of B rooms and the agents in it."""

    agent_id: NDArray[np.int64]
    """[B]"""
    information: str
    """Information group of the environment: what this seat can see of a case."""
    version: NDArray[np.int64]
    """[B] the weight version that must answer; -1 where the policy has none."""
    adapter: NDArray[np.int64]
    """[B] adapter that speaks, for the ledger; -1 where there is none."""

    def take(self, rows: ArrayLike) -> SeatSpec:
        """Return the seat of the selected rooms; rows may repeat."""
        index = np.asarray(rows)
        return SeatSpec(
            frozen(self.agent_id[index]),
            self.information,
            frozen(self.version[index]),
            frozen(self.adapter[index]),
        )


@dataclass(frozen=True)
class RoomRules:
    """What holds in every room of a conversation."""

    topology: TopologyConfig | str
    """Who reaches whom: a topology's configuration, or its name (`coordination.TOPOLOGIES`)."""
    verification: bool
    """Whether the environment marks quotes; without it no quote is ever marked."""
    word_limit: int
    """Words per message, longer ones are cut; 0 means no limit."""
    max_quotes: int
    """Quotes per message, further ones are cut off. Also the width of every quote vector."""
    both_orders: bool
    """Whether decisions are asked under both presentation orders of the options."""
    blank_messages: bool = False
    """A mutation: every message is emptied of content (text, stance, quotes, distribution)."""
    hub: str = HUB
    """The seat in the middle of a star or on top of a hierarchy that names no other."""
    channel: ChannelSettings = field(default_factory=ChannelSettings)
    """Budgets, faults and visibility."""


@dataclass(frozen=True)
class RoomPlace:
    """Where rooms belong in a run: constants that the ledger keeps for each of their rows."""

    tick: int
    block: int
    split: str
    conversation: str
    protocol: str
    seed: int
    """Keys what the room itself draws (sides of a debate, a team's ties)."""
    outcome: str = "judge"
    """Seat whose decision is the verdict of the conversation; `coordination.messages.TEAM` for a
    pooled one."""


@dataclass(frozen=True)
class Verdict:
    """What a seat decided, one row a room."""

    probs: NDArray[np.float64]
    """[B, K] distribution over options; NaN where there is none."""
    choice: NDArray[np.int64]
    """[B] chosen option; `coordination.messages.INCONCLUSIVE` (-1) where none was."""
    fault: NDArray[np.int64]
    """[B] `coordination.messages.Fault` codes."""
    room_id: NDArray[np.int64]
    """[B]"""
