"""Planning tasks: Fetch, rover and escape room, in our own encodings.

A `Task` is a base model and facts about it that may or may not hold (differences a human may not
know of). Which facts hold decides which plan is best. Every task has variants whose prices differ,
so that another fact matters in each; one fact of each task never matters to the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from environments.plan_explanation.strips import Feature, Model, Update, action, build


@dataclass(frozen=True)
class Task:
    """A planning task with facts that may hold."""

    domain: str
    title: str
    """The goal in words."""
    base: Model
    """The model in which no fact holds."""
    facts: tuple[Update, ...]

    def world(self, mask: int) -> Model:
        """Return the model in which the facts of a bitmask hold."""
        return self.base.updated(f for i, f in enumerate(self.facts) if mask >> i & 1)


def fact(name: str, kind: str, value: str) -> Update:
    """Return the fact that an action has a feature."""
    return Update(Feature(name, kind, value))


def fetch_tuck() -> tuple[Model, Model]:
    """Return (robot's, human's) model of the Fetch robot that must tuck its arm before it moves.

    The case of Chakraborti et al. 2017, in our own encoding: the human does not know
    that moving needs a tucked arm, in either direction. A move costs 2, all else 1.
    """
    robot = build(
        "AT-LOC1 B1-AT-LOC1",
        "B1-AT-LOC2",
        [
            action("PICK-UP_B1", "AT-LOC1 B1-AT-LOC1", "HOLDING-B1", "B1-AT-LOC1 HAND-TUCKED"),
            action("TUCK", makes="HAND-TUCKED"),
            action("MOVE_LOC1_LOC2", "AT-LOC1 HAND-TUCKED", "AT-LOC2", "AT-LOC1", cost=2),
            action("MOVE_LOC2_LOC1", "AT-LOC2 HAND-TUCKED", "AT-LOC1", "AT-LOC2", cost=2),
            action("PUT-DOWN_B1", "AT-LOC2 HOLDING-B1", "B1-AT-LOC2", "HOLDING-B1 HAND-TUCKED"),
        ],
    )
    unknown = [
        Update(Feature(move, "precondition", "HAND-TUCKED"), add=False)
        for move in ("MOVE_LOC1_LOC2", "MOVE_LOC2_LOC1")
    ]
    return robot, robot.updated(unknown)


def fetch(tuck: int = 2, crouch: int = 3, detour: int = 4) -> Task:
    """Return the fetch task: bring a block past shelves, straight or by a detour."""
    base = build(
        "AT-LOC1 B1-AT-LOC1",
        "B1-AT-LOC2",
        [
            action(
                "PICK-UP_B1", "AT-LOC1 B1-AT-LOC1", "HOLDING-B1", "B1-AT-LOC1 HAND-TUCKED CROUCHED"
            ),
            action("TUCK", makes="HAND-TUCKED", cost=tuck),
            action("CROUCH", makes="CROUCHED", cost=crouch),
            action("MOVE_LOC1_LOC2", "AT-LOC1", "AT-LOC2", "AT-LOC1", cost=4),
            action("MOVE_LOC2_LOC1", "AT-LOC2", "AT-LOC1", "AT-LOC2", cost=4),
            action("MOVE_LOC1_LOC3", "AT-LOC1", "AT-LOC3", "AT-LOC1", cost=detour),
            action("MOVE_LOC3_LOC2", "AT-LOC3", "AT-LOC2", "AT-LOC3", cost=detour),
            action("PUT-DOWN_B1", "AT-LOC2 HOLDING-B1", "B1-AT-LOC2", "HOLDING-B1"),
        ],
    )
    facts = (
        fact("MOVE_LOC1_LOC2", "precondition", "HAND-TUCKED"),
        fact("MOVE_LOC1_LOC2", "precondition", "CROUCHED"),
        fact("TUCK", "add-effect", "CROUCHED"),
        fact("MOVE_LOC1_LOC2", "cost", "9"),
        fact("MOVE_LOC2_LOC1", "precondition", "HAND-TUCKED"),
    )
    return Task("fetch", "Bring block B1 from LOC1 to LOC2.", base, facts)


def rover(drop: int = 1, sample_far: int = 8) -> Task:
    """Return the rover task: send a soil sample, from the near site or from a far one."""
    base = build(
        "AT-W1",
        "SAMPLE-SENT",
        [
            action("DROP-LOAD", makes="STORE-EMPTY", cost=drop),
            action("RECHARGE", "AT-W1", "CHARGED", cost=8),
            action("NAVIGATE_W1_W2", "AT-W1", "AT-W2", "AT-W1", cost=3),
            action("NAVIGATE_W1_W3", "AT-W1", "AT-W3 STORE-EMPTY", "AT-W1", cost=3),
            action("NAVIGATE_W3_W2", "AT-W3", "AT-W2", "AT-W3", cost=3),
            action("SAMPLE_W2", "AT-W2", "HAS-SAMPLE", "STORE-EMPTY", cost=2),
            action("SAMPLE_W3", "AT-W3", "HAS-SAMPLE", "STORE-EMPTY", cost=sample_far),
            action("CALIBRATE", makes="CALIBRATED", cost=2),
            action("TAKE-IMAGE", makes="HAS-IMAGE", cost=2),
            action("COMMUNICATE", "HAS-SAMPLE", "SAMPLE-SENT", cost=2),
        ],
    )
    facts = (
        fact("SAMPLE_W2", "precondition", "STORE-EMPTY"),
        fact("NAVIGATE_W1_W2", "precondition", "CHARGED"),
        fact("NAVIGATE_W3_W2", "precondition", "CHARGED"),
        fact("DROP-LOAD", "cost", "5"),
        fact("TAKE-IMAGE", "precondition", "CALIBRATED"),
    )
    return Task("rover", "Send a soil sample to the lander.", base, facts)


def escape_room(key: int = 2, disarm: int = 3, window: int = 5) -> Task:
    """Return the escape task: leave by the door, which may be locked and alarmed, or a window."""
    base = build(
        "AT-CELL",
        "OUTSIDE",
        [
            action("OPEN-DRAWER", "AT-CELL", "DRAWER-OPEN", cost=3),
            action("TAKE-KEY", "AT-CELL", "HAS-KEY", cost=key),
            action("WALK_CELL_HALL", "AT-CELL", "AT-HALL", "AT-CELL"),
            action("DISARM-ALARM", "AT-HALL", "ALARM-OFF", cost=disarm),
            action("OPEN-CELLAR", "AT-HALL", "CELLAR-OPEN", cost=2),
            action("EXIT-DOOR", "AT-HALL", "OUTSIDE"),
            action("CLIMB-WINDOW", "AT-HALL", "OUTSIDE", cost=window),
        ],
    )
    facts = (
        fact("EXIT-DOOR", "precondition", "HAS-KEY"),
        fact("EXIT-DOOR", "precondition", "ALARM-OFF"),
        fact("TAKE-KEY", "precondition", "DRAWER-OPEN"),
        fact("DISARM-ALARM", "add-effect", "HAS-KEY"),
        fact("OPEN-CELLAR", "precondition", "HAS-KEY"),
    )
    return Task("escape_room", "Get out of the house.", base, facts)


DOMAINS: dict[str, Callable[[], list[Task]]] = {
    "fetch": lambda: [fetch(), fetch(tuck=5, crouch=2), fetch(detour=8)],
    "rover": lambda: [rover(), rover(sample_far=4), rover(drop=4)],
    "escape_room": lambda: [escape_room(), escape_room(key=6, window=6), escape_room(disarm=7)],
}
"""Domain name to the tasks of its variants."""
