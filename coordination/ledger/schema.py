"""The tables of the ledger: their columns, kinds and sort keys.

A ledger is the durable record of every room, message, delivery, decision and score of a run. Rows
are identified by their keys alone, so that neither the number of shards nor the order in which
they finish can be seen in it. Vectors have the run's fixed width: K options, Q quotes.

Columns reserved for later work are written from the start: ``parent_room``, ``child_index``,
``depth`` (recursion), ``probe`` (hypothetical asks), ``version``, ``adapter`` (which weights
spoke), ``attempt``, ``fault``, ``text`` (free speech; null where text is rendered from columns).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["int", "float", "bool", "text", "int_vector", "float_vector", "bool_vector"]

FORMAT = 2
"""Version of this layout; a reader refuses newer ones. Ledgers of format 1 are read with what the
columns that they lack (`Table.added`) stand for there."""


@dataclass(frozen=True)
class Table:
    """One table: sort keys and columns."""

    keys: tuple[str, ...]
    columns: dict[str, Kind]
    """Column to kind, keys included. ``block`` is a column of every table."""
    added: Mapping[str, Any] = field(default_factory=dict)
    """Column that ledgers of format 1 lack, and its value in each of their rows."""


_PLACE: dict[str, Kind] = {"tick": "int", "block": "int", "room_id": "int"}

ROOMS = Table(
    keys=("room_id",),
    columns={
        **_PLACE,
        "split": "text",
        "conversation": "text",
        "protocol": "text",
        "replicate": "int",
        "case_id": "int",
        "parent_room": "int",
        "child_index": "int",
        "depth": "int",
        "turns": "int",
        "outcome": "text",
        "memory": "int",
        "anonymous": "bool",
    },
    added={"outcome": "judge", "memory": 0, "anonymous": False},
)
"""One row a room. ``parent_room`` is -1 at the root; ``turns`` counts the turns it took;
``outcome`` is the seat whose last decision is the room's verdict, ``team`` for a pooled one;
``memory`` and ``anonymous`` say what was hidden (see `coordination.restriction`)."""

MESSAGES = Table(
    keys=("room_id", "turn", "sender"),
    columns={
        **_PLACE,
        "turn": "int",
        "sender": "int",
        "seat": "text",
        "agent_id": "int",
        "kind": "int",
        "stance": "int",
        "confidence": "float",
        "stated": "float_vector",
        "quotes": "int_vector",
        "verified": "bool_vector",
        "words": "int",
        "tokens": "int",
        "bits": "int",
        "sent": "int",
        "text": "text",
        "version": "int",
        "adapter": "int",
        "attempt": "int",
        "fault": "int",
    },
    added={"bits": -1, "sent": -1},
)
"""One row a message. ``sender`` is the seat code (position among the room's seats); ``sent`` counts
its copies, one a recipient; ``bits`` is `coordination.channels.budgets.bits_of`; both are -1 where
they were not recorded."""

DELIVERIES = Table(
    keys=("room_id", "turn", "sender", "recipient"),
    columns={
        **_PLACE,
        "turn": "int",
        "sender": "int",
        "recipient": "int",
        "delivered_turn": "int",
        "status": "int",
        "words": "int",
        "altered": "int",
    },
    added={"words": -1, "altered": 0},
)
"""One row a message and recipient; what a seat saw is derived from these rows alone: the message
as said where ``altered`` is 0, else `coordination.ledger.heard.received`. ``delivered_turn`` is the
turn at which the copy is (or would be) readable, -1 where it never is; ``words`` arrived."""

DECISIONS = Table(
    keys=("room_id", "turn", "sender", "presentation"),
    columns={
        **_PLACE,
        "split": "text",
        "conversation": "text",
        "replicate": "int",
        "case_id": "int",
        "turn": "int",
        "sender": "int",
        "seat": "text",
        "agent_id": "int",
        "presentation": "int",
        "choice": "int",
        "probs": "float_vector",
        "tokens": "int",
        "probe": "bool",
        "condition": "text",
        "version": "int",
        "adapter": "int",
        "attempt": "int",
        "fault": "int",
    },
    added={"condition": ""},
)
"""One row a decision asked for. ``presentation`` 0 is the room's own option order, 1 the swapped
one, -1 the verdict over all orders asked (their mean; the row that counts, and whose ``tokens`` are
those of all orders together). Hypothetical decisions (``probe``) are numbered from 2 up in their
turn, so that keys stay unique; their ``condition`` says what was imagined (see
`coordination.probing`), it is empty for real decisions. A team's pooled decision has the seat
``team``, agent -1 and the code after all seats; its tokens are 0, those of the members' own
decisions are theirs."""

SCORES = Table(
    keys=("room_id", "turn", "sender", "presentation"),
    columns={
        **_PLACE,
        "split": "text",
        "conversation": "text",
        "replicate": "int",
        "case_id": "int",
        "turn": "int",
        "sender": "int",
        "agent_id": "int",
        "presentation": "int",
        "truth": "int",
        "correct": "int",
        "p_true": "float",
        "log_score": "float",
        "brier": "float",
    },
)
"""The scoring layer: the only table that knows the truth. No learner is fed from it."""

LABELS = Table(
    keys=("student", "case_id"),
    columns={
        "tick": "int",
        "block": "int",
        "student": "int",
        "arm": "text",
        "replicate": "int",
        "case_id": "int",
        "room_id": "int",
        "target": "float_vector",
        "weight": "float",
        "correct": "int",
        "version": "int",
    },
)
"""What each student was taught: one row a sample. ``weight`` 0 marks a case that gave no sample
(``correct`` is scored all the same, -1 where there is no target to score)."""

TEAMS = Table(
    keys=("community",),
    columns={
        "tick": "int",
        "block": "int",
        "community": "int",
        "rooms": "int",
        "right": "int",
        "undecided": "int",
        "misled": "int",
        "misled_right": "int",
        "votes": "int",
        "votes_right": "int",
        "messages": "int",
        "words": "int",
        "sent": "int",
        "delivered": "int",
        "in_flight": "int",
        "over_budget": "int",
        "dropped": "int",
        "expired": "int",
        "faults": "int",
    },
)
"""What a population's teams did in a tick: one row a block of rooms and community of the first
member. ``right`` counts teams, ``votes_right`` votes; ``misled`` teams had a dishonest speaker.
Deliveries (message and recipient): sent = delivered + in_flight + over_budget + dropped + expired.
Knows the truth, as `SCORES` does."""

DRAWS = Table(
    keys=("sender",),
    columns={
        "tick": "int",
        "block": "int",
        "sender": "int",
        "seat": "text",
        "drawn": "int",
        "elsewhere": "int",
    },
)
"""How the seats of a population's teams that are drawn from ties were filled in a tick: one row a
block of agents and seat (``sender``: its code). ``elsewhere`` of the ``drawn`` agents are no ties,
since the caller had none of the kind left. Without such seats there are no rows."""

POPULATION = Table(
    keys=("community", "kind"),
    columns={
        "tick": "int",
        "block": "int",
        "community": "int",
        "kind": "int",
        "agents": "int",
        "certainty": "int",
        "trust_strong": "int",
        "trust_weak": "int",
        "trust_human_proxy": "int",
        "ties_honest": "int",
        "ties_dishonest": "int",
        "trust_ties_honest": "int",
        "trust_ties_dishonest": "int",
        "examined": "int",
        "examined_right": "int",
    },
)
"""The state of a population after a tick: one row a block of agents, community and kind (its
position in the scenario). Sums of real numbers (``certainty``: mean remembered log-odds, ``trust``
in each role, and in ties to honest and to dishonest agents) are in units of 2**-20, whole, so that
they add up alike in any order. Ties are counted where agents are examined, else 0."""

STATES = Table(
    keys=("first",),
    columns={"tick": "int", "block": "int", "first": "int", "agents": "int", "state": "text"},
)
"""Digest of the state of each block of a population's agents after a tick; ``first`` is the id of
its first agent."""

EPISODES = Table(
    keys=("episode_id", "position"),
    columns={
        "tick": "int",
        "block": "int",
        "episode_id": "int",
        "position": "int",
        "split": "text",
        "episodes": "text",
        "replicate": "int",
        "case_id": "int",
        "measure": "text",
        "value": "float",
    },
)
"""One row an episode of an environment's game and measure: what players did with a case when they
were not in a conversation. ``episodes`` is the scenario's name for them, ``position`` that of the
measure among its play's; ``value`` is NaN where the measure is undefined. Knows the truth, as
`SCORES` does."""

TABLES: dict[str, Table] = {
    "rooms": ROOMS,
    "messages": MESSAGES,
    "deliveries": DELIVERIES,
    "decisions": DECISIONS,
    "scores": SCORES,
    "labels": LABELS,
    "teams": TEAMS,
    "draws": DRAWS,
    "population": POPULATION,
    "states": STATES,
    "episodes": EPISODES,
}
