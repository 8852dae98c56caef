"""Rooms about computation trees, with one policy a seat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agents.policies.tree import TreeExpert, TreeExpertConfig, TreeJudge, TreeJudgeConfig
from coordination.ledger.family import root_rooms
from coordination.messages import MessageKind
from coordination.protocols.base import Protocol
from coordination.room import Room, RoomPlace, RoomRules, SeatSpec
from coordination.toy import Ready
from environments.base import SplitPlan
from environments.cases import Split
from environments.computation_tree.environment import ComputationTree, ComputationTreeConfig

RULES = RoomRules(
    topology="complete", verification=True, word_limit=0, max_quotes=2, both_orders=False
)
EXPERT = TreeExpert(TreeExpertConfig(), 0)
JUDGE = TreeJudge(TreeJudgeConfig(), 0)


class SeatCrew:
    """Agent i is answered for by policy i."""

    def __init__(self, policies):
        self.policies = policies
        self.calls = []

    def reads_text(self, agent_id):
        return False

    def ask(self, asks):
        self.calls.append(asks)
        policy = self.policies[int(asks.agent_id[0])]
        return Ready(policy.answer(asks, policy.initial_minds(asks.agent_id)))


def world(n: int = 150, **fields) -> ComputationTree:
    return ComputationTree(ComputationTreeConfig(**fields), SplitPlan({Split.TEACHING: n}))


def play(
    env: ComputationTree,
    protocol: Protocol,
    policies: Mapping[str, object] | None = None,
    rows=slice(None),
    rules: RoomRules = RULES,
):
    """Hold a protocol on every case; seats without a policy get the expert, the judge its judge.

    Returns:
        Room, right options, crew.
    """
    chosen = {seat: JUDGE if seat == "judge" else EXPERT for seat in protocol.seats}
    chosen |= dict(policies or {})
    cases = env.deal(env.case_ids(Split.TEACHING, 0)[rows])
    none = np.full(cases.n, -1, dtype=np.int64)
    seats = {
        seat: SeatSpec(
            np.full(cases.n, i, dtype=np.int64),
            "public" if seat == "judge" else "source",
            none,
            none,
        )
        for i, seat in enumerate(protocol.seats)
    }
    crew = SeatCrew([chosen[seat] for seat in protocol.seats])
    place = RoomPlace(
        tick=1, block=0, split="teaching", conversation="tree", protocol=protocol.name, seed=3
    )
    room = Room.open_root(cases, env, seats, crew, rules, place, np.zeros(cases.n, dtype=np.int64))
    protocol.check(room.seats)
    protocol.converse(room)
    return room, env.seal().reveal(cases.case_id, "test"), crew


def counts(room: Room, env: ComputationTree) -> dict[str, np.ndarray]:
    """Count in the ledger, for each root room: the judge's checks and the leaves that it read."""
    tables = room.record()
    rooms, messages, decisions = tables["rooms"], tables["messages"], tables["decisions"]
    root = dict(zip(rooms["room_id"].tolist(), root_rooms(rooms).tolist(), strict=True))
    place = {room_id: i for i, room_id in enumerate(room.room_id.tolist())}
    found = {name: np.zeros(room.n, dtype=np.int64) for name in ("checks", "leaves")}
    for room_id, seat, kind in zip(
        messages["room_id"].tolist(), messages["seat"], messages["kind"], strict=True
    ):
        if seat == "judge" and kind == MessageKind.FEEDBACK:
            found["checks"][place[root[room_id]]] += 1
    leaf = env.n_children(env.deal(decisions["case_id"])) == 0
    ruled = leaf & (decisions["seat"] == "judge") & (decisions["presentation"] == -1)
    for room_id in decisions["room_id"][ruled].tolist():
        found["leaves"][place[root[room_id]]] += 1
    return found
