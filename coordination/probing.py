"""Probes that measure a conversation without touching it.

They record what deciders thought at first, and what each kind of message did to what they think in
the end. Every probe is a row of the decisions table with ``probe`` true; its ``condition`` says
what was imagined:

====================  ============================================================================
``now``               nothing: how the seat would decide at this turn
``given``             that a draft had been said
``initial``           nothing; asked before anybody had spoken
``everything``        nothing; asked beside the probes with something left out, for comparison
``without KIND``      that no other seat had sent it messages of this kind (``without argument``),
                      everything else held fixed: what others said in answer to them stays
``without SEAT``      likewise, that it had heard nothing from a seat
====================  ============================================================================

The probes that leave something out (``everything`` leaves out nothing) share the randomness of a
real decision at the same turn, under the room's own order of options; so does ``initial``. The
influence of a kind is the change of the decision from ``without KIND`` to ``everything``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coordination.messages import MessageKind

if TYPE_CHECKING:
    from coordination.room import Room

NOW, GIVEN, INITIAL, EVERYTHING = "now", "given", "initial", "everything"


def condition(given: bool, without: Sequence[MessageKind | str] | None) -> str:
    """Return the name of what a probe imagines.

    Example:
        >>> condition(False, (MessageKind.ARGUMENT, "opponent"))
        'without argument+opponent'
    """
    if given or without is None:
        return GIVEN if given else NOW
    names = [w.name.lower() if isinstance(w, MessageKind) else w for w in without]
    return f"without {'+'.join(names)}" if names else EVERYTHING


def probe_initial(room: Room, seats: Sequence[str]) -> None:
    """Record how seats would decide before they hear anything."""
    for seat in seats:
        room.probe(seat, without=(), name=INITIAL)


def probe_influence(room: Room, seats: Sequence[str]) -> None:
    """Record how seats would decide now, with everything and without each kind they have heard.

    A kind is left out only where the seat has heard it; elsewhere it would change nothing, and
    nobody is asked.
    """
    for seat in seats:
        heard = room.kinds_heard(seat)
        room.probe(seat, without=())
        for kind, rows in heard.items():
            room.where(rows).probe(seat, without=(kind,))
