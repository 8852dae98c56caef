"""What applies to what: derived from tables of turns, and as the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coordination import PROTOCOLS
from experiments.analysis.applicability import (
    METRICS,
    NEEDS,
    applicability_table,
    facts_of,
    inapplicable,
    metric_of,
)

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    section = DOCUMENT.read_text("utf-8").split(f"## {title}", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_definitions_in_the_documentation_are_those_of_the_code():
    found = [[re.sub(r"`", "", row[0]), row[1], row[2]] for row in rows("Definitions")[2:]]
    assert found == [[m.name, m.definition.replace("|", "\\|"), m.source] for m in METRICS]


def test_the_applicability_in_the_documentation_is_that_of_the_code():
    head, _, *body = rows("Which metric applies to which protocol")
    protocols = sorted(PROTOCOLS.shipped())
    assert head == ["metric", *(f"`{name}`" for name in protocols)]
    assert [[row[0].strip("`"), *row[1:]] for row in body] == [
        list(row) for row in applicability_table(protocols)
    ]


def test_every_need_has_a_reason_and_every_metric_known_needs():
    assert {need for metric in METRICS for need in metric.needs} <= set(NEEDS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.definition and metric.source for metric in METRICS)


@pytest.mark.parametrize("protocol", PROTOCOLS.shipped())
def test_every_shipped_protocol_has_facts(protocol):
    facts = facts_of(protocol)
    assert facts is not None
    assert facts.speech or not facts.sides
    assert inapplicable("judge_accuracy", protocol) == ""
    assert bool(inapplicable("words_per_room", protocol)) == (not facts.speech)


def test_facts_follow_the_table_of_turns():
    debate, consultancy = facts_of("debate"), facts_of("consultancy")
    assert debate.sides and not debate.adviser and consultancy.sides and consultancy.adviser
    assert not facts_of("naive").speech and facts_of("naive").alone
    assert facts_of("explanation").adviser and not facts_of("explanation").sides
    assert not facts_of("direct").alone
    assert inapplicable("gain_over_naive", "naive") and not inapplicable(
        "gain_over_naive", "direct"
    )
    assert inapplicable("rair", "debate") and not inapplicable("rair", "explanation")


def test_a_protocol_of_ones_own_needs_no_entry():
    from coordination.messages import MessageKind
    from coordination.protocols.base import Protocol, ProtocolConfig
    from coordination.protocols.table import TurnRow

    @PROTOCOLS.register("applicability_whisper")
    class Whisper(Protocol):
        """One quote, then the judge."""

        Config = ProtocolConfig
        name = "applicability_whisper"
        seats = ("whisperer", "judge")

        def converse(self, room):
            room.decide("judge")

        def table(self):
            return [TurnRow(0, "whisperer", MessageKind.QUOTE)]

    found = facts_of("applicability_whisper")
    assert found.speech and found.adviser and not found.sides
    assert inapplicable("asd_log", "applicability_whisper") == NEEDS["sides"]
    assert inapplicable("asd_log", "not_registered_here") == ""


def test_names_with_a_kind_of_message_belong_to_their_metric():
    assert metric_of("influence_tv_argument").name == "influence_tv"
    assert metric_of("influence_tv").name == "influence_tv"
    assert metric_of("judge_accuracy_x") is None
