"""The conformance checker of protocols: run it on your own.

Example:
    >>> from coordination.conformance import check_protocol
    >>> from coordination.protocols.naive import Naive
    >>> check_protocol(Naive)
    []
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from coordination.channels import reach_of
from coordination.ledger.schema import TABLES
from coordination.messages import TEAM
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import Seen, declared, faults, observed
from coordination.toy import DEFAULT_RULES, BayesianCrew, toy_room
from environments.base import Environment, SplitPlan
from environments.cases import Split
from environments.computation_tree.environment import ComputationTree, ComputationTreeConfig
from environments.core.columns import Columns
from environments.core.errors import ConfigError, ConformanceError, FacilitateError
from environments.core.finding import Finding

Tables = Mapping[str, Columns]

CHECKED = ("complete", "star")
"""Topologies under which protocols are run; the rest differ from these in who is left out."""


def check_protocol(
    protocol: type[Protocol],
    config: ProtocolConfig | None = None,
    crew: Callable[[], BayesianCrew] = BayesianCrew,
    rooms: int = 50,
) -> list[Finding]:
    """Run a protocol on a small world and return what it does wrong.

    Checked where everybody hears everybody and in a star: teams that cannot be are refused; what
    it does in a batch equals, bit for bit, what it does room by room and a second time; its table
    of turns agrees with the ledger in every room; copies of messages balance; nothing is faulty;
    there is a verdict of the seat that it calls its outcome. Protocols for any number of members
    are checked with as few as they allow and with five.

    Args:
        protocol: The class.
        config: Its configuration; the defaults by default. Of a protocol whose rooms may stop early
            every room must follow one of its tables (`Protocol.tables_for`).
        crew: Makes the agents.
        rooms: Size of the batch.

    Returns:
        Findings; empty if all is well.
    """
    subject = protocol(config if config is not None else protocol.Config())
    found = [*_check_declaration(subject), *_check_teams(subject)]
    for topology in CHECKED:
        if topology == "star" and DEFAULT_RULES.hub not in subject.seats:
            continue
        for seats in dict.fromkeys((subject.example(0), subject.example(5))):
            try:
                found += _check_runs(subject, topology, crew, rooms, seats)
            except FacilitateError as error:
                found.append(Finding(f"runs ({topology})", False, str(error)))
    return found


def require_protocol(protocol: type[Protocol], config: ProtocolConfig | None = None) -> None:
    """Raise `ConformanceError` with all findings of `check_protocol`, if there are any."""
    found = check_protocol(protocol, config)
    if found:
        raise ConformanceError(f"{protocol.__name__}: " + "; ".join(map(str, found)))


def _check_declaration(subject: Protocol) -> list[Finding]:
    found = []
    if not subject.name:
        found.append(Finding("name", False, "the class names no protocol"))
    seats = subject.example()
    if not seats or len(set(seats)) != len(seats):
        found.append(Finding("seats", False, f"{seats} are not distinct seats"))
    if subject.outcome not in (*subject.seats, TEAM):
        found.append(Finding("outcome", False, f"{subject.outcome!r} is no seat of its own"))
    if not (type(subject).__doc__ or "").strip():
        found.append(Finding("docstring", False, "the class says nothing about itself"))
    strangers = {row.seat for row in subject.table()} - {*seats, TEAM}
    if strangers:
        found.append(Finding("table", False, f"lists seats that do not exist: {sorted(strangers)}"))
    return found


def _check_teams(subject: Protocol) -> list[Finding]:
    found = []
    full, few = subject.example(), subject.example(0)
    teams = [tuple(s for s in few if s != missing) for missing in few]
    for team in [*teams, (*full, "stranger")]:
        try:
            subject.check(team)
        except ConfigError:
            continue
        found.append(Finding("teams", False, f"accepts the seats {team}"))
    try:
        subject.check(full)
    except ConfigError as error:
        found.append(Finding("teams", False, f"refuses its own seats: {error}"))
    return found


def _run(
    subject: Protocol,
    topology: str,
    crew: Callable[[], BayesianCrew],
    case_id: np.ndarray,
    seats: tuple[str, ...],
) -> Tables:
    rules = replace(DEFAULT_RULES, topology=topology)
    information = {"judge": "source"} if subject.seats == ("judge",) else {}
    world = _tree(case_id) if subject.recursive else None
    ids = world.case_ids(Split.TEACHING, 0)[case_id] if world else case_id
    name = subject.name
    room = toy_room(seats, ids, crew(), rules, information, name, world, outcome=subject.outcome)
    subject.converse(room)
    room.verdict(subject.outcome)
    return room.record()


def _tree(case_id: np.ndarray) -> Environment:
    """Return a world whose claims split in two, twice, with cases of these numbers."""
    size = int(case_id.max(initial=0)) + 1
    return ComputationTree(
        ComputationTreeConfig(depth=2, branching=2), SplitPlan({Split.TEACHING: size})
    )


def _check_runs(
    subject: Protocol,
    topology: str,
    crew: Callable[[], BayesianCrew],
    rooms: int,
    seats: tuple[str, ...],
) -> list[Finding]:
    case_id = np.arange(rooms, dtype=np.int64)
    batch = _run(subject, topology, crew, case_id, seats)
    again = _run(subject, topology, crew, case_id, seats)
    alone = [_run(subject, topology, crew, case_id[i : i + 1], seats) for i in range(rooms)]
    found = [
        *_compare(f"deterministic ({topology})", batch, again),
        *_compare(f"batch equals one at a time ({topology})", batch, _merged(alone)),
        *_check_table(subject, topology, batch, seats),
        *_check_balance(topology, batch, seats),
    ]
    broken = faults(batch)
    if broken:
        found.append(Finding(f"faults ({topology})", False, f"{broken} faulty rows"))
    return found


def _merged(parts: list[Tables]) -> Tables:
    return {
        name: Columns.concat([part[name] for part in parts]).sort_by(*TABLES[name].keys)
        for name in parts[0]
    }


def _compare(rule: str, left: Tables, right: Tables) -> list[Finding]:
    found = []
    for name in left:
        if left[name].digest() == right[name].digest():
            continue
        unlike = [
            column
            for column in left[name]
            if left[name].select([column]).digest() != right[name].select([column]).digest()
        ]
        found.append(
            Finding(rule, False, f"table {name} differs in {', '.join(unlike) or 'length'}")
        )
    return found


def _check_table(
    subject: Protocol, topology: str, tables: Tables, seats: tuple[str, ...]
) -> list[Finding]:
    rooms = tables["rooms"]
    roots = rooms.take(rooms["parent_room"] == -1)
    family = [(roots, subject.tables_for(seats))]
    for child, table in enumerate(subject.tables_of_children()):
        born = np.isin(rooms["parent_room"], roots["room_id"]) & (rooms["child_index"] == child)
        family.append((rooms.take(born), [table]))
    for members, allowed in family:
        expected = [declared(rows, topology, seats) for rows in allowed]
        if members.n != roots.n:
            told = f"declared {roots.n} child rooms, the ledger shows {members.n}"
            return [Finding(f"table ({topology})", False, told)]
        for room_id in members["room_id"].tolist():
            seen = observed(tables, room_id, seats)
            if seen not in expected:
                return [Finding(f"table ({topology})", False, _first_difference(expected, seen))]
    under = [declared(rows, topology, seats) for rows in subject.tables_below()]
    below = rooms["room_id"][rooms["parent_room"] != -1]
    for room_id in below.tolist() if under else []:
        seen = observed(tables, room_id, seats)
        if seen not in under:
            found = f"a child room: {_first_difference(under, seen)}"
            return [Finding(f"table ({topology})", False, found)]
    return []


def _first_difference(tables: list[list[Seen]], seen: list[Seen]) -> str:
    expected = min(tables, key=lambda rows: abs(len(rows) - len(seen)))
    for want, have in zip(expected, seen, strict=False):
        if want != have:
            return f"declared {_line(want)}, the ledger shows {_line(have)}"
    return f"declared {len(expected)} acts, the ledger shows {len(seen)}"


def _line(seen: Seen) -> str:
    sees = ", ".join(f"{seat} {turn}" for turn, seat in sorted(seen.sees)) or "nothing"
    return f"turn {seen.turn} {seen.seat} {seen.kind.lower()} seeing {sees}"


def _check_balance(topology: str, tables: Tables, seats: tuple[str, ...]) -> list[Finding]:
    """Every sound message has exactly one copy for each seat that it reaches."""
    reach = reach_of(topology, seats, DEFAULT_RULES.hub)
    messages, deliveries = tables["messages"], tables["deliveries"]
    most = int(reach[messages["sender"]].sum())
    keys = {*zip(messages["room_id"], messages["turn"], messages["sender"], strict=True)}
    copies = {*zip(deliveries["room_id"], deliveries["turn"], deliveries["sender"], strict=True)}
    found = []
    if deliveries.n > most:
        found.append(
            Finding(f"balance ({topology})", False, f"{deliveries.n} copies, at most {most}")
        )
    if copies - keys:
        told = "copies of messages that nobody sent"
        found.append(Finding(f"balance ({topology})", False, told))
    return found
