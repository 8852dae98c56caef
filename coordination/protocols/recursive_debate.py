"""Recursive debate: the dispute is followed down the tree of sub-claims to a single leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordination.messages import Argument, Feedback, MessageKind, Quote
from coordination.protocols import recursion
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.table import TurnRow, said_by
from coordination.room import Room

SIDES = ("proponent", "opponent")


@dataclass
class RecursiveDebateConfig(ProtocolConfig):
    """Configuration of `RecursiveDebate`."""

    name: str = "recursive_debate"
    claims: str = recursion.COIN
    """coin (sides are dealt by a coin that does not know the truth) or last (the proponent always
    argues for the last option: of a gate, that it is true)."""


class RecursiveDebate(Protocol):
    """The proponent's claim is split, the opponent disputes one part, and so on down to a leaf.

    At every node both sides say what they claim of it. The proponent decides what it claims of each
    sub-claim, the opponent what it believes of them, each in the sub-claim's own room. The judge
    checks one step: do these parts make up the claim? If not, the opponent wins. If so, the part
    that the opponent trusts least is disputed in its room, and who wins there wins the whole. At a
    leaf both may quote, and the judge reads.

    Turns (two sub-claims; "n" numbers the child rooms)::

        turn  seat       kind      sees
        0     opponent   argument  -
        0     proponent  argument  -
        1     proponent  answer    opponent 0
        2     proponent  answer    opponent 0
        3     opponent   answer    proponent 0-2
        4     opponent   answer    proponent 0-2
        5     judge      feedback  opponent 0+3+4, proponent 0-2
        6     judge      answer    opponent 0+3+4, proponent 0-2
        7     judge      ruling    opponent 0+3+4, proponent 0-2

    Turns 1 to 4 bring home what was decided in the child rooms, turn 6 the outcome of the dispute.
    The disputed child room runs the same turns, one later (its claims and beliefs were decided in
    turn 0); a leaf has ``quote`` of both sides, then the ruling.

    Its value: if one side is honest (and can tell which sub-claims are true), the verdict is always
    right; the judge checks at most as many nodes as the tree is deep and reads one leaf, which is
    logarithmic in the number of leaves. Errors that the honest side cannot locate defeat it.

    Source: Irving et al. 2018 (arXiv 1805.00899); cross-examination of one claim at a time as in
    Barnes & Christiano 2020; cost: "Debate is efficient with your time" (arXiv 2602.08630).
    """

    Config = RecursiveDebateConfig
    name = "recursive_debate"
    seats = (*SIDES, "judge")
    source = "Irving et al. 2018, arXiv 1805.00899; Brown-Cohen et al. 2026, arXiv 2602.08630"
    recursive = True

    def __init__(self, config: RecursiveDebateConfig) -> None:
        super().__init__(config)
        self.claims = self._one_of("claims", config.claims, recursion.CLAIMS)

    def converse(self, room: Room) -> None:
        """See `Protocol.converse`."""
        recursion.assign(room, *SIDES, self.claims)
        self._settle(room)

    def _settle(self, room: Room) -> None:
        inner = recursion.inner_rows(room, self.name)
        leaves = room.where(~inner)
        with leaves.simultaneous():
            leaves.speak("proponent", Quote)
            leaves.speak("opponent", Quote)
        leaves.decide("judge")
        if inner.any():
            self._divide(room.where(inner))

    def _divide(self, room: Room) -> None:
        with room.simultaneous():
            room.speak("proponent", Argument)
            room.speak("opponent", Argument)
        kids, parent = recursion.split(room, self.name)
        recursion.inherit(room, kids, parent, "proponent", self.name)
        with kids.simultaneous():
            kids.decide("proponent")
            kids.decide("opponent")
        room.absorb(kids, "proponent", to=("opponent", "judge"))
        room.absorb(kids, "opponent", to=("proponent", "judge"))
        room.speak("judge", Feedback)
        claimed, own = kids.verdict("proponent").choice, room.stance("proponent")
        sound = room.argued("judge") == own
        sound &= np.bincount(parent, weights=claimed < 0, minlength=room.n) == 0
        upheld = self._dispute(room, kids, parent, sound)
        winner = np.where(sound & upheld, own, room.stance("opponent"))
        room.remember("judge", recursion.sided(winner, np.ones(room.n), room))
        room.decide("judge")

    def _dispute(self, room: Room, kids: Room, parent: np.ndarray, sound: np.ndarray) -> np.ndarray:
        """Follow the least trusted part of each sound claim; return whose part was upheld, [n]."""
        claimed, belief = kids.verdict("proponent").choice, kids.verdict("opponent").probs
        trust = recursion.probability_of(belief, claimed)
        trust = np.where(np.isnan(trust), 1.0, trust)  # who believes nothing doubts nothing
        chosen = recursion.least_trusted(kids, parent, trust) & sound[parent]
        disputed = kids.where(chosen)
        upheld = np.zeros(room.n, dtype=bool)
        if disputed.n:
            claim = claimed[chosen]
            said = np.arange(belief.shape[1]) == claim[:, None]
            other = np.where(
                said | ~disputed.cases.option_mask, -1.0, np.nan_to_num(belief[chosen])
            )
            disputed.assign_stance("proponent", claim)
            disputed.assign_stance("opponent", other.argmax(axis=1))
            self._settle(disputed)
            upheld[parent[chosen]] = disputed.verdict("judge").choice == claim
        return upheld

    def table(self) -> list[TurnRow]:
        """See `Protocol.table`; a root with two sub-claims."""
        return self._inner(0)

    def tables_below(self) -> list[list[TurnRow]]:
        """See `Protocol.tables_below`: a claim that was not disputed, an inner one, a leaf."""
        return [_asked(), _asked() + self._inner(1), _asked() + _leaf()]

    def _inner(self, start: int) -> list[TurnRow]:
        rows = [
            TurnRow(start, "opponent", Argument),
            TurnRow(start, "proponent", Argument),
        ]
        for seat, other in (SIDES, SIDES[::-1]):
            for _ in range(2):
                turn = rows[-1].turn + 1
                rows.append(TurnRow(turn, seat, MessageKind.ANSWER, said_by(rows, other)))
        for kind in (Feedback, MessageKind.ANSWER, MessageKind.RULING):
            turn = rows[-1].turn + 1
            rows.append(TurnRow(turn, "judge", kind, said_by(rows, *SIDES)))
        return rows


def _asked() -> list[TurnRow]:
    return [TurnRow(0, seat, MessageKind.RULING) for seat in SIDES]


def _leaf() -> list[TurnRow]:
    rows = [TurnRow(1, seat, Quote) for seat in SIDES]
    return [*rows, TurnRow(2, "judge", MessageKind.RULING, said_by(rows, *SIDES))]
