"""Copies of agents: a team of any size from one line, and one line where it cannot be."""

import pytest

from environments.core.errors import ConfigError, UnknownNameError
from experiments.config.load import from_yaml_text, resolved_yaml
from experiments.engine.plan import Plan

TEXT = """
name: jury
environment: {name: jury, n_members: 3}
agents:
  guide: {role: strong, policy: facilitator}
  member: {role: weak, information: "member_#", copies: 3, policy: bayesian}
conversations:
  vote: {protocol: vote, seats: {member: member}, initial: true}
  mediated: {protocol: mediated, seats: {member: member, facilitator: guide}}
  pair: {protocol: vote, seats: {member_1: member_3, member_2: member_1}}
"""
MEMBERS = ["member_1", "member_2", "member_3"]


def load(*overrides, text=TEXT):
    return from_yaml_text(text, overrides)


def test_agents_and_seats_are_written_out_in_their_places():
    config = load()
    assert list(config.agents) == ["guide", *MEMBERS]
    assert [config.agents[m].information for m in MEMBERS] == MEMBERS
    assert [config.agents[m].copies for m in MEMBERS] == [1] * 3
    assert config.conversations["vote"].seats == {m: m for m in MEMBERS}
    assert list(config.conversations["mediated"].seats) == [*MEMBERS, "facilitator"]
    assert config.conversations["pair"].seats == {"member_1": "member_3", "member_2": "member_1"}


def test_it_is_the_scenario_written_out():
    resolved = resolved_yaml(load())
    assert "#" not in resolved and from_yaml_text(resolved) == load()
    entry = '{role: weak, information: "member_#", policy: bayesian}'
    written = "".join(f"  {m}: {entry.replace('#', m[-1])}\n" for m in MEMBERS)
    line = '  member: {role: weak, information: "member_#", copies: 3, policy: bayesian}\n'
    seats = "{" + ", ".join(f"{m}: {m}" for m in MEMBERS) + "}"
    text = TEXT.replace(line, written).replace("{member: member}", seats)
    text = text.replace("{member: member, ", seats[:-1] + ", ")
    assert load(text=text) == load()
    plans = Plan(load()), Plan(load(text=text))
    for agent in load().agents:
        assert plans[0].agent_id(0, agent) == plans[1].agent_id(0, agent)


def test_overrides():
    config = load("agents.member.copies=5", "environment.n_members=5", "agents.member.role=strong")
    assert len(config.conversations["vote"].seats) == 5
    assert {config.agents[f"member_{i}"].role for i in range(1, 6)} == {"strong"}
    pair = "{member_1: member, member_2: guide}"
    one = load(
        "agents.member.copies=1",
        f"conversations.pair.seats={pair}",
        f"conversations.vote.seats={pair}",
        "conversations.mediated.protocol=vote",
        f"conversations.mediated.seats={pair}",
    )
    assert list(one.agents) == ["guide", "member"]
    assert one.agents["member"].information == "member_1"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agents.member.copies=0", "agents.member.copies: given 0, allowed: 1 to 1000"),
        ("agents.member.copies=2000", "allowed: 1 to 1000"),
        ("agents.member.copies=two", "agents.member.copies: expected an integer"),
        ("agents.member.copies=4", "unknown information group 'member_4' at agents.member_4"),
        ("agents.member.copies=2", "unknown agent 'member_3' at conversations.pair.seats.member_1"),
        ("learner.student=member", "agents.member.copies: given 3, but 'member' is the learning"),
        ("conversations.pair.seats={member_1: member_1}", "at least 2 seats named member_1"),
        (
            "conversations.pair.seats={member: member, member_1: member_1}",
            "conversations.pair.seats.member_1: filled twice",
        ),
        ("agents.guide.copies=2", "unknown seat 'facilitator_1'"),
    ],
)
def test_teams_that_cannot_be(override, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(override)
    assert "\n" not in str(caught.value)


def test_names_that_exist_already():
    text = TEXT.replace("  guide:", "  member_2:").replace(
        "facilitator: guide", "facilitator: member_2"
    )
    with pytest.raises(ConfigError, match="there is an agent 'member_2' already"):
        load(text=text)


def test_an_override_of_one_copy_names_no_agent():
    with pytest.raises(UnknownNameError, match="unknown agent 'member_2'"):
        load("agents.member_2.role=strong")
