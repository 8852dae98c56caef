"""Asking: a seat's asks on their way, and what lands in the rooms when answers are back.

Rooms of one batch may have taken different numbers of turns (some stopped early). An ask names one
turn, so such a batch is sent as one ask for each turn number, all in flight together; where rooms
keep step, which is the rule, it is one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coordination.channels import Posted
from coordination.cohort import Answers, Asks, Pending
from coordination.deciding import hypothetical, rule
from coordination.messages import Fault, MessageKind
from coordination.said import Said, compose
from coordination.state import RoomState
from coordination.views import Question, build_asks, presented
from environments.core.errors import ProtocolError


@dataclass(frozen=True)
class Sent:
    """Asks of one seat under one presentation, in flight."""

    n: int
    width: int
    parts: list[tuple[NDArray[np.int64], Pending]]
    """Positions among the n rows, and their answers to come."""

    def result(self) -> Answers:
        """Wait for the answers of all n rows.

        Raises:
            ProtocolError: If a crew answers another number of rows than it was asked.
        """
        replies = [(rows, pending.result()) for rows, pending in self.parts]
        for rows, answers in replies:
            if answers.n != len(rows):
                raise ProtocolError(f"the crew gave {answers.n} answers to {len(rows)} asks")
        if len(replies) == 1:
            return replies[0][1]
        merged = Answers.blank(self.n, self.width)
        for rows, answers in replies:
            answers.scatter_into(merged, rows)
        return Answers(**merged)


def send(state: RoomState, asks: Asks, rows: NDArray[np.int64]) -> Sent:
    """Send asks to the crew, one call for each turn number among their rooms."""
    turns = state.turn[rows]
    numbers = np.unique(turns).tolist()
    if len(numbers) == 1:
        everyone = np.arange(len(rows))
        return Sent(len(rows), state.cases.width, [(everyone, state.crew.ask(asks))])
    parts = []
    for number in numbers:
        places = np.flatnonzero(turns == number)
        part = replace(asks.take(places), turn=number)
        parts.append((places, state.crew.ask(part)))
    return Sent(len(rows), state.cases.width, parts)


def ask_message(
    state: RoomState, rows: NDArray[np.int64], question: Question
) -> Callable[[], Said]:
    """Ask for a message; the result waits for it and returns it unsent."""
    sent = send(state, build_asks(state, rows, question), rows)
    return lambda: compose(state, rows, question.seat, question.intent, sent.result())


def ask_decision(
    state: RoomState, rows: NDArray[np.int64], seat: str, swapped: bool
) -> Callable[[], None]:
    """Ask for a decision, under both orders if the rules say so; the result enters it."""
    orders = [swapped, not swapped] if state.rules.both_orders else [swapped]
    asks = build_asks(state, rows, Question(seat, MessageKind.RULING, swapped))
    sent = [send(state, presented(state, rows, asks, order), rows) for order in orders]

    def land() -> None:
        told = [one.result() for one in sent]
        state.decided.extend(rule(state, rows, seat, told, [int(order) for order in orders]))

    return land


def ask_probe(
    state: RoomState, rows: NDArray[np.int64], question: Question, condition: str
) -> None:
    """Ask for a hypothetical decision and record it as such."""
    sent = send(state, build_asks(state, rows, question), rows)
    state.decided.append(hypothetical(state, rows, question.seat, sent.result(), condition))
    state.probes[rows] += 1


def post(state: RoomState, said: Said, to: NDArray[np.bool_]) -> Said:
    """Return a draft with what becomes of it on its way to each addressed seat."""
    posted = Posted(
        room_id=state.room_id[said.rows],
        turn=said.turn,
        sender=said.sender,
        to=to,
        words=said.words,
        faulty=said.fault != Fault.NONE,
    )
    routed = state.channel.deliver(posted)
    return replace(said, status=routed.status, due=routed.due)
