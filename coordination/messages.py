"""The vocabulary of facilitation: message kinds, roles, faults, and the columns of a message.

One module, so that code, ledger, configs and documentation use the same words.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum


class Role(StrEnum):
    """What an agent is."""

    STRONG = "strong"
    WEAK = "weak"
    HUMAN_PROXY = "human_proxy"


class MessageKind(IntEnum):
    """What a message does. The values are stored in ledgers: never renumber."""

    EXPLANATION = 0
    """Why the speaker gives its answer; states a distribution over options."""
    ARGUMENT = 1
    """Speaks for an assigned option."""
    CRITIQUE = 2
    """Points at flaws of another message."""
    QUESTION = 3
    ANSWER = 4
    QUOTE = 5
    """Evidence and nothing else."""
    LABEL = 6
    """A distribution over options, without reasons."""
    DEMONSTRATION = 7
    VOTE = 8
    FEEDBACK = 9
    RULING = 10
    """A judge's decision."""
    REBUTTAL = 11
    """Answers the criticism of what the speaker said before."""


Explanation = MessageKind.EXPLANATION
Argument = MessageKind.ARGUMENT
Critique = MessageKind.CRITIQUE
Question = MessageKind.QUESTION
Answer = MessageKind.ANSWER
Quote = MessageKind.QUOTE
Label = MessageKind.LABEL
Vote = MessageKind.VOTE
Feedback = MessageKind.FEEDBACK
Ruling = MessageKind.RULING
Rebuttal = MessageKind.REBUTTAL


class Fault(IntEnum):
    """Why a row has no proper answer: an error is a value, it never kills a tick."""

    NONE = 0
    UNPARSABLE = 1
    """The agent spoke, but no ruling or answer could be read from it."""
    MISSING = 2
    """The agent gave nothing."""
    TIMEOUT = 3
    ERROR = 4
    """The policy raised for this row."""
    LOST = 5
    """The host died and could not be rebuilt within its attempts."""


class Delivery(IntEnum):
    """What became of a message on its way to one recipient."""

    DELIVERED = 0
    IN_FLIGHT = 1
    OVER_BUDGET = 2
    DROPPED = 3
    EXPIRED = 4


class Alteration(IntFlag):
    """How a copy of a message differs from what was said; a sum of these."""

    NONE = 0
    TRUNCATED = 1
    """The end of its words did not arrive."""
    STANCE = 2
    """It seems to argue for another option."""
    MARKS = 4
    """The environment's marks of its quotes are gone."""
    WORDS = 8
    """Its words arrived in another order."""


FREE = -1
"""Stance of a seat that may argue for the option of its own choice."""
TEAM = "team"
"""Pseudo seat of decisions that a whole team makes (see `coordination.room.Room.pool`). Nobody sits
there: its agent id is -1, its code comes after those of all seats."""
INCONCLUSIVE = -1
"""Choice of a judge that did not decide; scored as wrong."""
