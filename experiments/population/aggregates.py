"""What a tick leaves in the ledger when single messages are not kept: sums that add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordination.ledger.schema import POPULATION, TEAMS
from coordination.messages import INCONCLUSIVE
from coordination.traffic import traffic
from environments.core.columns import Columns, constant, is_constant
from environments.truth import SealedTruth
from experiments.population.groups import Groups, Strip
from experiments.population.meeting import Meeting
from experiments.population.state import FIXED, State
from experiments.population.summary import WHO
from experiments.population.world import ROLES, World

Ints = NDArray[np.int64]

TEAM_COUNTS = tuple(name for name in TEAMS.columns if name not in ("tick", "block", "community"))
DRAW_COUNTS = ("drawn", "elsewhere")
"""Of the table ``draws``."""
AGENT_COUNTS = tuple(
    name for name in POPULATION.columns if name not in ("tick", "block", "community", "kind")
)

NO_TEAMS = Columns({name: np.empty(0, dtype=np.int64) for name in TEAMS.columns})
"""The ``teams`` rows of no room."""


def team_rows(
    world: World,
    tick: int,
    block: int,
    meeting: Meeting,
    agents: Ints,
    honest: NDArray[np.bool_],
    truth: SealedTruth,
) -> Columns:
    """Return the ``teams`` rows of a block of rooms.

    Args:
        world: The world.
        tick: The tick.
        block: Number of the block of rooms.
        meeting: Its R rooms.
        agents: [R, S] who sat there.
        honest: [R, S] who of them is honest.
        truth: Scores; charges nothing.
    """
    room, seats = meeting.room, world.seats
    scores = truth.mark(room.cases.case_id, meeting.choice)
    speaking = [seats.index(name) for name in world.speakers]
    misled = np.asarray((~honest[:, speaking]).any(axis=1))
    right = scores["correct"] == 1
    votes_right = np.zeros(room.n, dtype=np.int64)
    for vote in meeting.votes.T:
        votes_right += vote == scores["truth"]
    counts: dict[str, NDArray[Any]] = {
        **traffic(room),
        "rooms": constant(1, room.n),
        "right": right,
        "undecided": meeting.choice == INCONCLUSIVE,
        "misled": misled,
        "misled_right": misled & right,
        "votes": (meeting.votes != INCONCLUSIVE).sum(axis=1),
        "votes_right": votes_right,
        "faults": meeting.lost.sum(axis=1),
    }
    first = agents[:, seats.index(world.sampler.members[0])]
    community = world.roster.community_of(first)
    present, where = _groups(community)
    return Columns(
        {
            "tick": np.full(len(present), tick),
            "block": np.full(len(present), block),
            "community": present,
            **{name: _sums(where, counts[name], len(present)) for name in TEAM_COUNTS},
        }
    )


def state_rows(
    state: State, tick: int, strip: Strip, examined: tuple[Ints, Ints] | None
) -> dict[str, Columns]:
    """Return the ``population`` and ``states`` rows of some blocks of agents.

    Args:
        state: The agents.
        tick: The tick.
        strip: One of the state's.
        examined: Agents of the whole stretch who were examined, and who was right.
    """
    first, stop = strip.first, strip.stop
    n = stop - first
    rows = slice(first - state.first, stop - state.first)
    counts: dict[str, NDArray[Any]] = {
        "agents": constant(1, n),
        "certainty": _certainty(state.columns["remembered"][rows]),
        **_trust_in_roles(state, rows),
        **_trust_in_ties(state, first, stop, examined is not None),
        **dict.fromkeys(("examined", "examined_right"), constant(0, n)),
    }
    if examined is not None:
        who, right = examined
        mine = (who >= first) & (who < stop)
        sat = np.zeros((2, n), dtype=np.int64)
        sat[0, who[mine] - first] = 1
        sat[1, who[mine] - first] = right[mine]
        counts["examined"], counts["examined_right"] = sat
    sums = strip.groups.sums(counts)
    table = {
        "tick": constant(tick, len(strip.block)),
        "block": strip.block,
        "community": strip.community,
        "kind": strip.kind,
        **{name: sums[name] for name in AGENT_COUNTS},
    }
    begin, end = np.array([state.world.agents_of(block) for block in strip.blocks]).T
    digest = {
        "tick": constant(tick, len(begin)),
        "block": np.array(strip.blocks),
        "first": begin,
        "agents": end - begin,
        "state": np.array([state.digest(block) for block in strip.blocks], dtype=object),
    }
    return {"population": Columns(table), "states": Columns(digest)}


def _certainty(remembered: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    """Return each agent's mean of absolute log-odds, in units."""
    total = np.abs(remembered.T).sum(axis=0, dtype=np.float64)
    return _fixed(total / remembered.shape[1])


def _trust_in_roles(state: State, rows: slice) -> dict[str, NDArray[Any]]:
    """Return each agent's trust in each role, in units."""
    config = state.world.config.population.trust
    begun = np.array([config.alpha, config.beta], dtype=np.float32)
    untouched = _fixed(begun[:1] / begun.sum())[0]
    n = rows.stop - rows.start
    out: dict[str, NDArray[Any]] = {f"trust_{role}": constant(untouched, n) for role in ROLES}
    for place, code in enumerate(state.world.speaking_roles):
        alpha = state.columns["trust_alpha"][rows, place]
        beta = state.columns["trust_beta"][rows, place]
        out[f"trust_{ROLES[code]}"] = _fixed(alpha / (alpha + beta))
    return out


def _trust_in_ties(state: State, first: int, stop: int, wanted: bool) -> dict[str, NDArray[Any]]:
    """Return each agent's number of ties to honest and dishonest others, and its trust in them."""
    n = stop - first
    if state.ties is None or not wanted:
        none = constant(0, n)
        return {f"{what}_{who}": none for what in ("ties", "trust_ties") for who in WHO}
    row, honest, trust = state.trust_in_ties(first, stop)
    fixed = _fixed(trust)
    out: dict[str, NDArray[Any]] = {}
    for who, chosen in zip(WHO, (honest, ~honest), strict=True):
        out[f"ties_{who}"] = np.bincount(row[chosen], minlength=n)
        out[f"trust_ties_{who}"] = np.bincount(row[chosen], fixed[chosen], minlength=n)
    return out


def tally(rows: Columns, by: str, names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return the sums of rows by one column, as plain numbers for the driver.

    Args:
        rows: Of `team_rows`, or of the tables ``draws`` or ``population``.
        by: Column whose values are the keys.
        names: Columns to add up.
    """
    if not rows.n:
        return {}
    keys, which = np.unique(rows[by], return_inverse=True)
    sums = Groups.of(which).sums(rows.select(names))
    columns = np.stack([sums[name] for name in names], axis=1).tolist()
    return {
        str(key): dict(zip(names, values, strict=True))
        for key, values in zip(keys.tolist(), columns, strict=True)
    }


def merged(tallies: list[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Return the sum of several hosts' tallies, keys in order."""
    out: dict[str, dict[str, int]] = {}
    for one in tallies:
        for key, sums in one.items():
            held = out.setdefault(key, dict.fromkeys(sums, 0))
            for name, value in sums.items():
                held[name] += value
    return dict(sorted(out.items(), key=lambda item: int(item[0])))


def _fixed(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return whole numbers of units, still as real ones: sums need no others."""
    return np.rint(values * FIXED)


def _groups(code: Ints) -> tuple[Ints, Ints]:
    """Return the codes that occur, ascending, and the place of each row's among them.

    Codes are small numbers close to one another, so they are counted, not sorted.
    """
    low = int(code.min())
    occurs = np.bincount(code - low) > 0
    return np.flatnonzero(occurs) + low, (np.cumsum(occurs) - 1)[code - low]


def _sums(where: Ints, values: NDArray[Any], groups: int) -> Ints:
    """Add up whole numbers by group; exact, since no sum reaches 2**53."""
    if not (values[0] if is_constant(values) else values.any()):
        return np.zeros(groups, dtype=np.int64)
    if is_constant(values):
        return values[0] * np.bincount(where, minlength=groups)
    return np.bincount(where, weights=values, minlength=groups).astype(np.int64)
