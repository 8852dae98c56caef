"""A keyed ledger with known qualities: what a run would leave behind, without running one.

Judges' verdicts are logistic in a known log-odds for the truth; students' answers are right with a
probability that rises from the floor to an arm's own plateau. Only keyed draws are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from coordination.messages import Delivery, Fault, MessageKind
from environments.cases import Split
from environments.core.columns import Columns
from environments.core.keyed import Keyed, hash_id, name_key
from environments.truth import SealedTruth
from experiments.config.schema import (
    AgentConfig,
    AnalysisConfig,
    ArmConfig,
    ConversationConfig,
    LearnerConfig,
    ScenarioConfig,
    ScheduleConfig,
    SplitSizes,
)
from experiments.engine.plan import Plan

HEARD = {"naive": 0, "consultancy": 3, "debate": 6, "explanation": 1}
SPEAKERS = {
    "naive": (),
    "consultancy": ("consultant",),
    "debate": ("proponent", "opponent"),
    "explanation": ("advisor",),
}


@dataclass(frozen=True)
class World:
    """What the ledger is drawn from."""

    seeds: int = 3
    options: int = 2
    teaching: int = 160
    curve: int = 80
    test: int = 240
    ticks: int = 4
    learns: bool = True
    both_orders: bool = True
    seed: int = 11
    judge_skill: Mapping[str, float] = field(
        default_factory=lambda: {
            "naive": 0.4,
            "consultancy": 0.5,
            "debate": 1.6,
            "explanation": 0.8,
        }
    )
    """Mean log-odds that a judge's verdict gives the truth."""
    plateau: Mapping[str, float] = field(
        default_factory=lambda: {
            "A0": 0.60, "A2": 0.62, "A3": 0.64, "A4": 0.74, "A6": 0.72, "C1": 0.60, "C2": 0.59,
            "C3": 0.73, "U2": 0.85,
        }
    )  # fmt: skip
    """Final unaided accuracy of each arm."""

    def with_plateau(self, **plateau: float) -> World:
        """Return this world with other arms' accuracies."""
        return World(**{**self.__dict__, "plateau": {**self.plateau, **plateau}})


OBJECTIVES = {
    "A0": ("no update", {"name": "none"}, "none", ""),
    "A2": ("naive verdicts", {"name": "verdict", "conversation": "naive"}, "none", ""),
    "A3": ("consultancy verdicts", {"name": "verdict", "conversation": "consultancy"}, "none", ""),
    "A4": ("debate verdicts", {"name": "verdict", "conversation": "debate"}, "none", ""),
    "A6": (
        "explanation and debate",
        {"name": "alignment", "conversation": "debate", "explanation": "explanation"},
        "none",
        "",
    ),
    "C1": (
        "debate verdicts shuffled",
        {"name": "verdict", "conversation": "debate"},
        "shuffled",
        "",
    ),
    "C2": ("random judge", {"name": "verdict", "conversation": "debate"}, "random", ""),
    "C3": ("truth flipped to A4's accuracy", {"name": "truth"}, "flipped_truth", "A4"),
    "U2": ("truth (ceiling)", {"name": "truth"}, "none", ""),
}


def scenario(world: World) -> ScenarioConfig:
    """Return the scenario that such a run would have had."""
    team = {
        "consultant": AgentConfig("strong", "source", {"name": "expert"}),
        "proponent": AgentConfig("strong", "source", {"name": "expert"}),
        "opponent": AgentConfig("strong", "source", {"name": "expert"}),
        "advisor": AgentConfig("strong", "source", {"name": "expert"}),
        "judge": AgentConfig("human_proxy", "public", {"name": "human_proxy"}),
    }
    learns = world.learns
    arms = {
        name: ArmConfig(label, dict(objective), control, matches)
        for name, (label, objective, control, matches) in OBJECTIVES.items()
    }
    return ScenarioConfig(
        name="debate_teaches_weak" if learns else "debate",
        seed=world.seed,
        seeds=world.seeds,
        environment={"name": "reading"},
        splits=SplitSizes(100, 50, world.teaching, world.curve * learns, world.test * learns),
        agents={**team, "student": AgentConfig("weak", "public", {"name": "language_model"})},
        conversations={
            name: ConversationConfig(
                {"name": name},
                {**{seat: seat for seat in seats}, "judge": "judge"},
                both_orders=world.both_orders,
            )
            for name, seats in SPEAKERS.items()
        },
        arms=arms if learns else {},
        learner=LearnerConfig(student="student" if learns else ""),
        schedule=ScheduleConfig(ticks=world.ticks, curve_every=2, block=64),
        analysis=AnalysisConfig(
            floor="A0",
            ceiling="U2",
            naive="A2",
            primary=["A4", "A3"],
            secondary=[["A4", "A2"], ["A4", "C3"]],
            bootstrap=400,
        )
        if learns
        else AnalysisConfig(bootstrap=400),
    )


class DrawnTruth(SealedTruth):
    """The truth of the drawn cases."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def _truth(self, case_id):
        return Keyed(self._world.seed, "truth").integers(self._world.options, case_id)


def extra(world: World) -> dict:
    """Return the engine's counts of such a run."""
    if not world.learns:
        return {"truth_spent": {}, "truth_spent_by_arm": {}}
    taught = world.teaching * world.seeds
    return {
        "truth_spent": {"warm_start": 100 * world.seeds, "ceiling": taught, "analysis": taught},
        "truth_spent_by_arm": {"U2": taught, "C3": taught},
        "environment": {
            "details": {"expert accuracy": {"consultant": 0.94, "proponent": 0.93}},
            "references": {
                "chance": {"value": 0.5, "meaning": "guessing", "exact": True, "n": None}
            },
        },
    }


def ledger(world: World) -> dict[str, Columns]:
    """Return all tables of the run."""
    plan = Plan(scenario(world))
    parts: dict[str, list[Columns]] = {name: [] for name in ("rooms", "messages", "deliveries")}
    parts |= {"decisions": [], "scores": [], "labels": []}
    verdict_probs: dict[tuple[int, str], np.ndarray] = {}
    for replicate in plan.replicates:
        for split, tick_of in (
            (Split.TEACHING, lambda n: 1 + np.arange(n) * world.ticks // max(1, n)),
            (Split.TEST, lambda n: np.full(n, plan.last_tick)),
        ):
            ids = case_ids(world, split, replicate)
            if not len(ids):
                continue
            for name in SPEAKERS:
                probs = _converse(
                    world, plan, parts, replicate, split, name, ids, tick_of(len(ids))
                )
                if split == Split.TEACHING:
                    verdict_probs[(replicate, name)] = probs
        if world.learns:
            _examine_all(world, plan, parts, replicate)
            _label(world, plan, parts, replicate, verdict_probs)
    return {name: Columns.concat(rows) for name, rows in parts.items()} | (
        {} if parts["labels"] else {"labels": _no_labels(world)}
    )


def case_ids(world: World, split: Split, replicate: int) -> np.ndarray:
    """Return a split's cases; teaching cases differ by replicate."""
    sizes = {Split.TEACHING: world.teaching, Split.CURVE: world.curve, Split.TEST: world.test}
    own = {Split.TEACHING: 100_000 * (1 + replicate), Split.CURVE: 10_000, Split.TEST: 20_000}
    used = sizes[split] if world.learns or split == Split.TEACHING else 0
    return own[split] + np.arange(used)


def _converse(world, plan, parts, replicate, split, name, ids, tick) -> np.ndarray:
    n, k, seats = len(ids), world.options, SPEAKERS[name]
    key = np.uint64(name_key(f"{name}.{split}"))
    room = hash_id(key, tick, replicate, ids)
    truth = DrawnTruth(world)._truth(ids)
    draw = Keyed(world.seed, f"synthetic.{name}.{split}")
    judge = plan.agent_id(replicate, "judge")
    place = {"tick": tick, "block": np.zeros(n, np.int64), "room_id": room}
    about = {
        "split": np.full(n, split.value, object),
        "conversation": np.full(n, name, object),
        "replicate": np.full(n, replicate),
        "case_id": ids,
    }
    rounds = HEARD[name] // max(1, len(seats))
    parts["rooms"].append(
        Columns(
            {**place, **about, "protocol": np.full(n, name, object),
             "parent_room": np.full(n, -1), "child_index": np.zeros(n, np.int64),
             "depth": np.zeros(n, np.int64), "turns": np.full(n, rounds + 1),
             "outcome": np.full(n, "judge", object),
             "memory": np.zeros(n, np.int64), "anonymous": np.zeros(n, bool)}
        )
    )  # fmt: skip
    first = draw.integers(k, ids, replicate, 1)
    second = (first + 1 + draw.integers(k - 1, ids, replicate, 2)) % k
    for code, seat in enumerate(seats):
        for turn in range(rounds):
            _say(
                plan,
                parts,
                place,
                replicate,
                seat,
                code,
                turn,
                (first, second)[code],
                len(seats),
                k,
            )
    sharp = world.judge_skill[name] + draw.normal(ids, replicate, 3)
    probs = np.full((n, k), 0.0)
    p_true = 1 / (1 + np.exp(-sharp))
    probs[:] = ((1 - p_true) / (k - 1))[:, None]
    probs[np.arange(n), truth] = p_true
    orders = (0, 1, -1) if world.both_orders else (0, -1)
    for order in orders:
        lean = probs.copy()
        if order >= 0 and world.both_orders:  # a bias towards what is shown first
            lean[:, order % k] += 0.05
            lean /= lean.sum(axis=1, keepdims=True)
        _decide(world, parts, place, about, judge, len(seats), rounds, order, lean, -1)
    return probs


def _say(plan, parts, place, replicate, seat, code, turn, stance, n_seats, k) -> None:
    n = len(place["room_id"])
    argues = seat != "advisor"
    kind = MessageKind.ARGUMENT if argues else MessageKind.EXPLANATION
    parts["messages"].append(
        Columns(
            {
                **place,
                "turn": np.full(n, turn),
                "sender": np.full(n, code),
                "seat": np.full(n, seat, object),
                "agent_id": np.full(n, plan.agent_id(replicate, seat)),
                "kind": np.full(n, int(kind)),
                "stance": stance if argues else np.full(n, -1),
                "confidence": np.full(n, np.nan),
                "stated": np.full((n, k), np.nan),
                "quotes": np.tile(np.array([turn, -1]), (n, 1)),
                "verified": np.tile(np.array([True, False]), (n, 1)),
                "words": np.full(n, 20 + code),
                "tokens": np.zeros(n, np.int64),
                "bits": np.full(n, 20),
                "sent": np.full(n, n_seats),
                "text": np.full(n, None, object),
                "version": np.full(n, -1),
                "adapter": np.full(n, -1),
                "attempt": np.zeros(n, np.int64),
                "fault": np.full(n, int(Fault.NONE)),
            }
        )
    )
    for recipient in range(n_seats + 1):
        if recipient != code:
            parts["deliveries"].append(
                Columns(
                    {
                        **place,
                        "turn": np.full(n, turn),
                        "sender": np.full(n, code),
                        "recipient": np.full(n, recipient),
                        "delivered_turn": np.full(n, turn + 1),
                        "status": np.full(n, int(Delivery.DELIVERED)),
                        "words": np.full(n, 20 + code),
                        "altered": np.zeros(n, np.int64),
                    }
                )
            )


def _decide(world, parts, place, about, agent, sender, turn, order, probs, adapter) -> None:
    n = len(place["room_id"])
    agents = np.broadcast_to(np.asarray(agent), (n,))
    choice = probs.argmax(axis=1)
    shared = {
        **place, **about, "turn": np.full(n, turn), "sender": np.full(n, sender),
        "agent_id": agents, "presentation": np.full(n, order),
    }  # fmt: skip
    parts["decisions"].append(
        Columns(
            {
                **shared,
                "seat": np.full(n, "judge", object),
                "choice": choice,
                "probs": probs,
                "tokens": np.zeros(n, np.int64),
                "probe": np.zeros(n, bool),
                "condition": np.full(n, "", object),
                "version": np.full(n, -1),
                "adapter": np.broadcast_to(np.asarray(adapter), (n,)),
                "attempt": np.zeros(n, np.int64),
                "fault": np.zeros(n, np.int64),
            }
        )
    )
    parts["scores"].append(
        Columns({**shared, **DrawnTruth(world).score(about["case_id"], probs, choice)})
    )


def _examine_all(world, plan, parts, replicate) -> None:
    points = [tick for tick in range(plan.last_tick) if plan.curve_at(tick)]
    jobs = [(Split.CURVE, tick) for tick in points] + [(Split.TEST, plan.last_tick)]
    for split, tick in jobs:
        ids = case_ids(world, split, replicate)
        for arm in plan.arms if len(ids) else ():
            student = plan.student_id(replicate, arm)
            _exam(world, plan, parts, replicate, split, tick, arm, student, ids)


def _exam(world, plan, parts, replicate, split, tick, arm, student, ids) -> None:
    n, k = len(ids), world.options
    floor = world.plateau["A0"]
    done = min(1.0, tick / world.ticks)
    wobble = 0.01 * Keyed(world.seed, "wobble").normal(replicate, name_key(arm) >> 2)
    skill = floor + (world.plateau[arm] + (0 if arm == "A0" else wobble) - floor) * done
    draw = Keyed(world.seed, "student")
    # Most of a student's luck is the case's own and is shared by arms and seeds.
    easy = 0.5 * draw.normal(ids, 7) + 0.5 * draw.normal(ids, replicate, tick, student, 8)
    share = np.argsort(np.argsort(easy)) / n
    truth = DrawnTruth(world)._truth(ids)
    right = share < skill
    confidence = np.maximum(1 / k + 0.02, 0.55 + 0.3 * draw.uniform(ids, student, 9))
    shown = np.where(right, truth, (truth + 1) % k)
    probs = np.tile(((1 - confidence) / (k - 1))[:, None], (1, k))
    probs[np.arange(n), shown] = confidence
    key = np.uint64(name_key(f"exam.{split}"))
    place = {
        "tick": np.full(n, tick), "block": np.zeros(n, np.int64),
        "room_id": hash_id(key, tick, replicate, ids, student),
    }  # fmt: skip
    about = {
        "split": np.full(n, split.value, object), "conversation": np.full(n, "exam", object),
        "replicate": np.full(n, replicate), "case_id": ids,
    }  # fmt: skip
    parts["rooms"].append(
        Columns(
            {**place, **about, "protocol": np.full(n, "naive", object),
             "parent_room": np.full(n, -1), "child_index": np.zeros(n, np.int64),
             "depth": np.zeros(n, np.int64), "turns": np.ones(n, np.int64),
             "outcome": np.full(n, "judge", object),
             "memory": np.zeros(n, np.int64), "anonymous": np.zeros(n, bool)}
        )
    )  # fmt: skip
    for order in (0, -1):
        _decide(world, parts, place, about, student, 0, 0, order, probs, student)


def _label(world, plan, parts, replicate, verdict_probs) -> None:
    ids = case_ids(world, Split.TEACHING, replicate)
    n, k = len(ids), world.options
    tick = 1 + np.arange(n) * world.ticks // n
    truth = DrawnTruth(world)._truth(ids)
    for arm in plan.arms:
        objective = plan.config.arms[arm].objective
        source = objective.get("conversation")
        room = np.full(n, -1)
        target = np.zeros((n, k))
        weight = np.ones(n)
        if source:
            target = verdict_probs[(replicate, source)]
            room = hash_id(np.uint64(name_key(f"{source}.{Split.TEACHING}")), tick, replicate, ids)
            weight = np.where(np.arange(n) % 20 == 0, 0.0, 1.0)  # unparsable rulings
        elif objective["name"] == "truth":
            target = np.eye(k)[truth]
        else:
            weight = np.zeros(n)
        correct = np.where(weight > 0, (target.argmax(axis=1) == truth).astype(np.int64), -1)
        parts["labels"].append(
            Columns(
                {
                    "tick": tick, "block": np.zeros(n, np.int64),
                    "student": np.full(n, plan.student_id(replicate, arm)),
                    "arm": np.full(n, arm, object), "replicate": np.full(n, replicate),
                    "case_id": ids, "room_id": room, "target": target, "weight": weight,
                    "correct": correct, "version": tick - 1,
                }
            )
        )  # fmt: skip


def _no_labels(world: World) -> Columns:
    none = np.empty(0, np.int64)
    return Columns(
        {
            **dict.fromkeys(("tick", "block", "student", "replicate", "case_id", "room_id"), none),
            "arm": np.empty(0, object), "target": np.empty((0, world.options)),
            "weight": np.empty(0), "correct": none, "version": none,
        }
    )  # fmt: skip
