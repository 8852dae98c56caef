"""Teams of any size: an agent with ``copies: n`` becomes n agents, and so do the seats it fills.

Example::

    agents:
      member: {role: weak, copies: 3, information: "member_#", policy: bayesian}
    conversations:
      talk: {protocol: deliberation, seats: {facilitator: guide, member: member}}

is read as::

    agents:
      member_1: {role: weak, information: member_1, policy: bayesian}
      member_2: {role: weak, information: member_2, policy: bayesian}
      member_3: {role: weak, information: member_3, policy: bayesian}
    conversations:
      talk:
        protocol: deliberation
        seats: {facilitator: guide, member_1: member_1, member_2: member_2, member_3: member_3}

Agents and seats take the place, in the order, of what they come from, so that identities are those
of the scenario written out, and a run's ``config.yaml`` shows what ran. A scenario may also name
single copies in its seats.
"""

from __future__ import annotations

import copy
from typing import Any

from environments.core.errors import ConfigError

MOST = 1000
"""Most copies of an agent."""
NUMBER = "#"
"""Stands for the number of the copy in ``information``."""


def expand_copies(data: dict[str, Any]) -> dict[str, Any]:
    """Return a scenario's plain data with every copy of an agent written out.

    Raises:
        ConfigError: For a number of copies that cannot be, a name that exists already, or copies
            of the agent that learns.
    """
    agents = data.get("agents") or {}
    numbers = {name: _copies(name, agent) for name, agent in agents.items()}
    student = (data.get("learner") or {}).get("student")
    if numbers.get(student, 1) > 1:
        raise ConfigError(
            f"agents.{student}.copies: given {numbers[student]}, but {student!r} is the learning "
            "agent, which has one copy per arm anyway (allowed: 1)"
        )
    many = {name: _names(name, n) for name, n in numbers.items() if n > 1}
    written: dict[str, Any] = {}
    for name, agent in agents.items():
        for number, one in enumerate(many.get(name, (name,)), 1):
            if one in written or (one != name and one in agents):
                raise ConfigError(
                    f"agents.{name}.copies: given {numbers[name]}, but there is an agent {one!r} "
                    "already (rename one of them)"
                )
            written[one] = _numbered(agent, number)
    out = {**data, "agents": written} if "agents" in data else dict(data)
    if "conversations" in data:
        out["conversations"] = {
            name: _seated(name, conversation, many)
            for name, conversation in data["conversations"].items()
        }
    return out


def _copies(name: str, agent: dict[str, Any]) -> int:
    copies = agent.get("copies", 1)
    if not 1 <= copies <= MOST:
        raise ConfigError(f"agents.{name}.copies: given {copies}, allowed: 1 to {MOST}")
    return int(copies)


def _names(name: str, n: int) -> tuple[str, ...]:
    return tuple(f"{name}_{i + 1}" for i in range(n))


def _numbered(agent: dict[str, Any], number: int) -> dict[str, Any]:
    one = copy.deepcopy(agent)
    if "copies" in one:
        one["copies"] = 1
    if NUMBER in one.get("information", ""):
        one["information"] = one["information"].replace(NUMBER, str(number))
    return one


def _seated(
    name: str, conversation: dict[str, Any], many: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    if "seats" not in conversation:
        return conversation
    seats: dict[str, str] = {}
    for seat, agent in conversation["seats"].items():
        agents = many.get(agent)
        named = (seat,) if agents is None else _names(seat, len(agents))
        for one, sits in zip(named, agents or (agent,), strict=True):
            if one in seats:
                raise ConfigError(f"conversations.{name}.seats.{one}: filled twice")
            seats[one] = sits
    return {**conversation, "seats": seats}
