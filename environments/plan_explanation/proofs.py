"""What Chakraborti et al. state about their Fetch case, and what follows from the definitions."""

from __future__ import annotations

import numpy as np

from environments.base import SplitPlan
from environments.cases import Split
from environments.core.keyed import Keyed
from environments.core.proof import Proof
from environments.plan_explanation.config import PlanExplanationConfig
from environments.plan_explanation.domains import escape_room, fetch_tuck
from environments.plan_explanation.environment import PlanExplanation
from environments.plan_explanation.explanations import Reconciliation
from environments.plan_explanation.strips import Model, action, build

_PAPER = "Chakraborti, Sreedharan, Zhang & Kambhampati 2017, IJCAI (Fetch)"
_TUCK = "MOVE_LOC1_LOC2-has-precondition-HAND-TUCKED"
_DEFINITION = "definition (Chakraborti et al. 2017)"
_PAIRS = 60


def random_pair(seed: int) -> tuple[Model, Model] | None:
    """Return a small random robot's and human's model, or None where the robot has no plan.

    Five fluents, five actions; the models differ in at most five features.

    Args:
        seed: Keys everything.
    """
    draw = Keyed(seed, "plan_explanation.random_pair")
    fluents = [f"F{i}" for i in range(5)]

    def some(share: float, *keys: int) -> str:
        return " ".join(np.array(fluents)[draw.uniform(*keys, shape=(5,)) < share].tolist())

    def actions(human: bool) -> list[dict]:
        made = []
        for a in range(5):
            pre, add = some(0.3, a, 0), some(0.35, a, 1)
            cost = 1 + int(draw.integers(4, a, 2))
            if human:
                # Each action may be misremembered in one way.
                error = int(draw.integers(5, a, 3))
                changed = fluents[int(draw.integers(5, a, 4))]
                if error == 0:
                    pre = " ".join(sorted(set(pre.split()) ^ {changed}))
                elif error == 1:
                    add = " ".join(sorted(set(add.split()) ^ {changed}))
                elif error == 2:
                    cost = 1 + cost % 4
            made.append(action(f"A{a}", pre, add, some(0.15, a, 5), cost))
        return made

    # A statement that names all fluents in order keeps the two models' fluents alike.
    names = action("NAMES", needs=" ".join(fluents), makes="F0", cost=99)
    start, goal = some(0.3, 9, 0), some(0.4, 9, 1)
    robot = build(start, goal, [names, *actions(False)])
    human = build(start, goal, [names, *actions(True)])
    return (robot, human) if robot.solve() else None


def proofs() -> list[Proof]:
    """Return every proof of this package."""
    fetch = Reconciliation(*fetch_tuck())
    only = [[str(update) for update in found] for found in fetch.smallest("mce")]
    monotonic = [[str(update) for update in found] for found in fetch.smallest("mme")]
    expected = fetch.expected
    assert expected is not None
    ours = "definition, in our own encoding"
    claims = [
        Proof(f"Fetch: the only MCE is {{{_TUCK}}}", _PAPER, 1, float(only == [[_TUCK]]), 0),
        Proof(f"Fetch: the only MME is {{{_TUCK}}}", _PAPER, 1, float(monotonic == [[_TUCK]]), 0),
        Proof("Fetch: updates of the MPE", ours, 2, len(fetch.mpe()), 0),
        Proof("Fetch: cost of the robot's plan", ours, 5, fetch.plan.cost, 0),
        Proof("Fetch: cost that the human expects", ours, 4, expected.cost, 0),
        Proof(
            "Fetch: step before which the online explanation is told (TUCK is step 2)",
            "definition; Zakershahrak et al. 2020, online explanation by plan prefixes",
            2,
            fetch.online()[0].step + 1,
            0,
        ),
    ]
    task = escape_room()
    room = Reconciliation(task.world(0b01011), task.base)
    for kind, size in (("mce", 1), ("mme", 2), ("mpe", 3)):
        claim = f"escape room with key, alarm and key at the alarm box: size of the {kind.upper()}"
        claims.append(Proof(claim, ours, size, len(room.smallest(kind)[0]), 0))
    return [*claims, _invariant(), *_environment()]


def _invariant() -> Proof:
    """Count random pairs of models that break |MCE| ≤ |MME| ≤ |MPE|."""
    broken, tried, seed = 0, 0, 0
    while tried < _PAIRS:
        pair, seed = random_pair(seed), seed + 1
        if pair is None:
            continue
        case = Reconciliation(*pair)
        sizes = [len(case.smallest(kind)[0]) for kind in ("mce", "mme", "mpe")]
        broken += sizes != sorted(sizes)
        tried += 1
    claim = f"|MCE| <= |MME| <= |MPE|: violations in {tried} random pairs"
    return Proof(claim, _DEFINITION, 0, broken, 0)


def _environment() -> list[Proof]:
    world = PlanExplanation(PlanExplanationConfig(), SplitPlan({Split.TEST: 2000}))
    values = world.reference_values()
    cases = world.deal(world.case_ids(Split.TEST, 0))
    nobody = np.zeros(cases.n, dtype=np.int64)
    told = world.assess(cases, "public", nobody) + cases.evidence.llr.sum(axis=1)
    told = np.exp(told - np.logaddexp.reduce(told, axis=1, keepdims=True))
    gap = np.abs(told - np.exp(world.assess(cases, "source", nobody))).max()
    return [
        Proof(
            "a human whose model is updated by an MCE expects the robot's plan: share of cases",
            _DEFINITION,
            1.0,
            values["human_model_after_mce"].value,
            1e-12,
        ),
        Proof(
            "adding all items, the joint reading included = full information: largest gap",
            "definition",
            0.0,
            float(gap),
            1e-12,
        ),
    ]
