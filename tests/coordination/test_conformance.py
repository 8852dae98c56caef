"""The conformance checker finds what is wrong with a protocol, and says it."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from coordination.conformance import check_protocol, require_protocol
from coordination.messages import Argument, MessageKind
from coordination.protocols.base import Protocol, ProtocolConfig
from coordination.protocols.debate import Debate, DebateConfig
from coordination.protocols.table import TurnRow
from coordination.toy import BayesianCrew
from environments.core.errors import ConformanceError


@dataclass
class PropagandaConfig(ProtocolConfig):
    name: str = "propaganda"


class Propaganda(Protocol):
    """One argument, then the judge."""

    Config = PropagandaConfig
    name = "propaganda"
    seats = ("propagandist", "judge")

    def converse(self, room):
        room.assign_stances("propagandist")
        room.speak("propagandist", Argument)
        room.decide("judge")

    def table(self):
        return [
            TurnRow(0, "propagandist", Argument),
            TurnRow(1, "judge", MessageKind.RULING, ((0, "propagandist"),)),
        ]


def rules_broken(protocol, **options):
    return {finding.check.split(" (")[0] for finding in check_protocol(protocol, **options)}


def test_a_users_protocol_passes():
    assert check_protocol(Propaganda) == []
    require_protocol(Propaganda)


class Whispers(Propaganda):
    """Says less than its table."""

    def converse(self, room):
        room.speak("propagandist", Argument, to=())
        room.decide("judge")


class Chatters(Propaganda):
    """Says more than its table."""

    def converse(self, room):
        room.speak("propagandist", Argument)
        super().converse(room)


class PeeksAtTheBatch(Propaganda):
    """Does something else in the first row of a batch."""

    def converse(self, room):
        room.assign_stances("propagandist")
        first = np.arange(room.n) == 0
        room.where(first).speak("propagandist", Argument)
        room.where(~first).speak("propagandist", MessageKind.QUOTE)
        room.decide("judge")


class Silent(Propaganda):
    """Never comes to a verdict."""

    def converse(self, room):
        room.speak("propagandist", Argument)


class Forgetful(Propaganda):
    """Takes any team."""

    def check(self, seats):
        pass


class Reads(Propaganda):
    """Reads what is in flight."""

    def converse(self, room):
        with room.simultaneous():
            room.speak("propagandist", Argument)
            room.stated("propagandist")


class Nameless(Propaganda):
    name = ""


@pytest.mark.parametrize(
    "protocol, rules",
    [
        (Whispers, {"table"}),
        (Chatters, {"table"}),
        (PeeksAtTheBatch, {"table", "batch equals one at a time"}),
        (Silent, {"runs"}),
        (Forgetful, {"teams"}),
        (Reads, {"runs"}),
        (Nameless, {"name", "docstring"}),
    ],
)
def test_a_broken_protocol_is_found_out(protocol, rules):
    assert rules_broken(protocol) == rules
    with pytest.raises(ConformanceError, match=protocol.__name__):
        require_protocol(protocol)


def test_findings_say_what_was_declared_and_what_was_seen():
    details = [finding.detail for finding in check_protocol(Whispers)]
    assert details[0] == (
        "declared turn 1 judge ruling seeing propagandist 0, "
        "the ledger shows turn 1 judge ruling seeing nothing"
    )


class Drifting(BayesianCrew):
    """Answers differently each time it is asked."""

    count = itertools.count()

    def speech(self, asks):
        answers = super().speech(asks)
        answers.words[:] = next(self.count)
        return answers


class Broken(BayesianCrew):
    """Fails in one row."""

    def speech(self, asks):
        answers = super().speech(asks)
        answers.fault[asks.case_id == 3] = 4
        return answers


def test_crews_that_drift_or_fail_are_found_out():
    assert "deterministic" in rules_broken(Debate, crew=Drifting)
    assert {"faults", "table"} <= rules_broken(Debate, crew=Broken)


def test_the_order_of_a_debate_is_what_its_table_says():
    """Held sequentially under the simultaneous table, the very same speeches do not pass."""

    class Lying(Debate):
        """A simultaneous debate, it says."""

        def converse(self, room):
            Debate(DebateConfig(order="sequential")).converse(room)

    assert "table" in rules_broken(Lying)
