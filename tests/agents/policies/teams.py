"""Teams of policies in rooms of real environments."""

from __future__ import annotations

import numpy as np

from coordination.cohort import Cohort
from coordination.protocols.base import Protocol
from coordination.room import Room, RoomPlace, RoomRules, SeatSpec
from environments.base import Environment
from environments.core.columns import Columns
from tests.agents.policies.test_in_rooms import Seated

RULES = RoomRules(
    topology="complete", verification=True, word_limit=0, max_quotes=4, both_orders=False
)


def hold(
    protocol: Protocol,
    environment: Environment,
    case_id: np.ndarray,
    member: Cohort,
    information: tuple[str, ...],
    rules: RoomRules = RULES,
    **others: Cohort,
) -> Room:
    """Hold a team protocol: one member for each information group, others see the public text."""
    n = len(case_id)
    groups = dict.fromkeys(others, "public")
    groups |= {f"member_{i + 1}": group for i, group in enumerate(information)}
    none = np.full(n, -1, dtype=np.int64)
    seats = {
        seat: SeatSpec(np.full(n, agent, dtype=np.int64), group, none, none)
        for agent, (seat, group) in enumerate(groups.items())
    }
    crew = Seated(**{seat: others.get(seat, member) for seat in seats})
    place = RoomPlace(1, 0, "teaching", "talk", protocol.name, 3, protocol.outcome)
    protocol.check(seats)
    cases = environment.deal(case_id)
    room = Room.open_root(
        cases, environment, seats, crew, rules, place, np.zeros(n, dtype=np.int64)
    )
    protocol.converse(room)
    return room


def accuracy(room: Room, environment: Environment, seat: str = "team") -> float:
    """Return how often a seat is right."""
    verdict = room.verdict(seat)
    truth = environment.seal().reveal(room.cases.case_id, "test")
    return float((verdict.choice == truth).mean())


def shared_items(room: Room, environment: Environment) -> Columns:
    """Return which items were mentioned in each room, [n, E], and how often."""
    messages = room.record()["messages"]
    order = np.argsort(room.room_id)
    row = order[np.searchsorted(room.room_id[order], messages["room_id"])]
    mentions = np.zeros((room.n, environment.max_evidence), dtype=np.int64)
    for slot in range(messages["quotes"].shape[1]):
        item = messages["quotes"][:, slot]
        np.add.at(mentions, (row[item >= 0], item[item >= 0]), 1)
    return Columns({"mentions": mentions})
