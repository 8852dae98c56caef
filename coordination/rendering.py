"""Words for what was said: numeric messages as English, transcripts for readers and reports.

The room alone attributes messages and marks quotes. In a transcript every line of a speech starts
with ``> ``, and speech contains no square brackets (`coordination.speech`), so that a heading or a
mark is the room's own by its form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordination.cohort import Asks
from coordination.messages import FREE, Alteration, Delivery, Fault, MessageKind
from environments.base import NO_QUOTE, Environment, forged_quote
from environments.cases import Cases
from environments.core.columns import Columns
from environments.core.errors import ProtocolError

VERIFIED, UNVERIFIED = "[verified]", "[not verified]"

_OPENINGS = {
    MessageKind.EXPLANATION: "I explain why I answer {}.",
    MessageKind.ARGUMENT: "I argue for {}.",
    MessageKind.CRITIQUE: "What was said is flawed; I hold to {}.",
    MessageKind.QUESTION: "What speaks for {}, and what against it?",
    MessageKind.ANSWER: "My answer is {}.",
    MessageKind.QUOTE: "I quote for {}.",
    MessageKind.LABEL: "I label this {}.",
    MessageKind.DEMONSTRATION: "I would decide for {}.",
    MessageKind.VOTE: "I vote for {}.",
    MessageKind.FEEDBACK: "In my view it was {}.",
    MessageKind.RULING: "I decide for {}.",
    MessageKind.REBUTTAL: "That criticism does not hold; I still argue for {}.",
}
_NO_SIDE = {
    MessageKind.EXPLANATION: "This is how I see it.",
    MessageKind.QUESTION: "What is the evidence?",
    MessageKind.QUOTE: "I quote.",
}


@dataclass(frozen=True)
class Turn:
    """One entry of a readable transcript."""

    speaker: str
    """Seat, as the room attributes it."""
    kind: str
    """Message kind in lower case; ``ruling`` for decisions, ``probe`` for hypothetical ones."""
    text: str
    """What was said, without quotes."""
    quotes: list[tuple[str, bool]]
    """Quoted evidence and whether the environment verified it."""
    stance: int
    """Option argued for or chosen; -1 for none."""
    note: str
    """What the room remarks: confidence, stated distribution, fault."""


def message_text(
    *,
    kind: int,
    stance: int,
    confidence: float,
    stated: NDArray[np.float64],
    text: str | None,
    options: Sequence[str],
) -> str:
    """Return what one message says, without its quotes.

    Args:
        kind: `MessageKind` code.
        stance: Option argued for, or `FREE`.
        confidence: In [0, 1] or NaN.
        stated: [K] distribution or NaN.
        text: Cleaned speech, or None to write it from the other arguments.
        options: The case's options.
    """
    if text is not None:
        return text
    parts = [_said(kind, stance, None, options), _shares(stated, options), _sure(confidence)]
    return " ".join(part for part in parts if part)


def quote_lines(quotes: Sequence[tuple[str, bool]], marks: bool) -> list[str]:
    """Return quotes as lines, with the room's marks if it gives any.

    Args:
        quotes: From `quoted`.
        marks: Whether the environment marks quotes in this room.
    """
    tags = {True: f"{VERIFIED} ", False: f"{UNVERIFIED} "} if marks else {True: "", False: ""}
    return [f'{tags[mark]}"{quote}"' for quote, mark in quotes]


def quoted(
    quotes: NDArray[np.int64],
    verified: NDArray[np.bool_],
    options: Sequence[str],
    evidence: Sequence[str],
) -> list[tuple[str, bool]]:
    """Return a message's quotes as (text, verified)."""
    found = []
    for code, mark in zip(quotes.tolist(), verified.tolist(), strict=True):
        if code == NO_QUOTE:
            continue
        option = forged_quote(0) - code
        if code >= 0:
            text = evidence[code] if code < len(evidence) and evidence[code] else "(no such item)"
        else:
            text = f"There is evidence for {options[option]}."
        found.append((" ".join(text.split()), bool(mark)))
    return found


def heard_transcript(asks: Asks, row: int) -> str:
    """Return what one row of asks has heard, attributed, fenced and marked by the room.

    Args:
        asks: Of a cohort that reads text.
        row: Row of the ask.

    Raises:
        ProtocolError: If the asks carry no texts.
    """
    if asks.text is None:
        raise ProtocolError("a transcript needs asks with texts; this cohort does not read")
    heard, case = asks.heard, int(asks.text.case[row])
    options, evidence = asks.text.options[case], asks.text.evidence[case]
    start, stop = np.searchsorted(heard.row, [row, row + 1]).tolist()
    blocks = []
    for number, m in enumerate(range(start, stop), start=1):
        seat = asks.seats[int(heard.sender[m])]
        who = f"you ({seat})" if seat == asks.seat else seat
        kind = MessageKind(int(heard.kind[m])).name.lower()
        proven = heard.verified[m]
        quotes = quoted(heard.quotes[m][proven], proven[proven], options, evidence)
        lines = [*str(heard.text[m]).split("\n"), *quote_lines(quotes, asks.verification)]
        body = "\n".join(f"> {line}" for line in lines)
        blocks.append(f"[message {number}, {kind} by {who}]\n{body}")
    return "\n".join(blocks)


def transcript(
    environment: Environment,
    case: Cases,
    messages: Columns,
    decisions: Columns,
    deliveries: Columns,
    seats: Sequence[str],
) -> list[Turn]:
    """Return one room's ledger rows as a readable transcript, in the order of turns.

    Args:
        environment: Renders options and evidence.
        case: The room's case (N = 1).
        messages: The room's rows of the messages table, in any order.
        decisions: Its rows of the decisions table; single presentations of a verdict are left out.
        deliveries: Its rows of the deliveries table: notes say which copies did not arrive in time
            and as said.
        seats: The room's seats, in the order of their codes.
    """
    fates = _fates(deliveries, seats)
    options = environment.render_options(case)[0]
    evidence = environment.render_evidence(case)[0]
    turns: list[tuple[tuple[int, int, int], Turn]] = []
    for i in range(messages.n):
        row = {name: messages[name][i] for name in messages}
        kind = MessageKind(int(row["kind"]))
        text = None if row["text"] is None else str(row["text"])
        fault = Fault(int(row["fault"]))
        notes = [_fault_note(fault)]
        if fault == Fault.NONE:
            notes = [_shares(row["stated"], options), _sure(float(row["confidence"]))]
        notes += fates.get((int(row["turn"]), int(row["sender"])), [])
        turn = Turn(
            speaker=str(row["seat"]),
            kind=kind.name.lower(),
            text="" if fault else _said(kind, int(row["stance"]), text, options),
            quotes=quoted(row["quotes"], row["verified"], options, evidence),
            stance=int(row["stance"]),
            note=" ".join(note for note in notes if note),
        )
        turns.append(((int(row["turn"]), 0, int(row["sender"])), turn))
    for i in range(decisions.n):
        probe = bool(decisions["probe"][i])
        presentation = int(decisions["presentation"][i])
        if not probe and presentation != -1:
            continue
        choice = int(decisions["choice"][i])
        fault = Fault(int(decisions["fault"][i]))
        undecided = "I cannot decide."
        turn = Turn(
            speaker=str(decisions["seat"][i]),
            kind="probe" if probe else "ruling",
            text=_said(MessageKind.RULING, choice, None, options) if choice >= 0 else undecided,
            quotes=[],
            stance=choice,
            note=_fault_note(fault) or _shares(decisions["probs"][i], options),
        )
        key = (int(decisions["turn"][i]), 1 + presentation, int(decisions["sender"][i]))
        turns.append((key, turn))
    return [turn for _, turn in sorted(turns, key=lambda entry: entry[0])]


def _said(kind: int, stance: int, text: str | None, options: Sequence[str]) -> str:
    if text is not None:
        return text
    if stance == FREE or stance >= len(options):
        return _NO_SIDE.get(MessageKind(kind), "I take no side.")
    return _OPENINGS[MessageKind(kind)].format(options[stance])


def _shares(stated: NDArray[np.float64], options: Sequence[str]) -> str:
    shares = np.asarray(stated)[: len(options)].tolist()
    if any(math.isnan(share) for share in shares):
        return ""
    each = (f"{name} {100 * share:.0f} %" for name, share in zip(options, shares, strict=False))
    return f"Probabilities: {', '.join(each)}."


def _sure(confidence: float) -> str:
    return "" if math.isnan(confidence) else f"Confidence {100 * confidence:.0f} %."


def _fates(deliveries: Columns, seats: Sequence[str]) -> dict[tuple[int, int], list[str]]:
    """Return what to remark of each message's copies, by (turn, sender)."""
    notes: dict[tuple[int, int], list[str]] = {}
    for i in range(deliveries.n):
        row = {name: int(deliveries[name][i]) for name in _OF_COPIES}
        status, code = Delivery(row["status"]), row["recipient"]
        seat = seats[code] if code < len(seats) else f"seat {code}"
        told = []
        if status != Delivery.DELIVERED:
            told.append(f"Did not reach {seat}: {status.name.lower().replace('_', ' ')}.")
        elif row["delivered_turn"] > row["turn"] + 1:
            told.append(f"Reached {seat} at turn {row['delivered_turn']}.")
        if row["altered"]:
            kinds = [str(kind.name).lower() for kind in Alteration if kind & row["altered"]]
            told.append(f"{seat} got it altered ({', '.join(kinds)}), {row['words']} words.")
        if told:
            notes.setdefault((row["turn"], row["sender"]), []).extend(told)
    return notes


_OF_COPIES = ("turn", "sender", "recipient", "delivered_turn", "status", "words", "altered")


def _fault_note(fault: Fault) -> str:
    return "" if fault == Fault.NONE else f"no answer: {fault.name.lower()}"
