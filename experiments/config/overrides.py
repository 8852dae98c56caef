"""Command-line overrides (``key=value``) and the parts of a scenario that depend on a choice.

A value replaces what the scenario said at its key; it is YAML (``seeds=5``, ``analysis.primary=
[debate, consultancy]``). Five kinds of key do more:

* A component's name, ``agents.judge.policy=bayesian`` or ``….policy.name=bayesian``, switches the
  component: the old one's keys are dropped, since they mean nothing to the new one.
* ``environment=chess_puzzles`` also merges the scenario's own section for that environment
  (``environments: {chess_puzzles: {…}}``): other split sizes, another student.
* ``runtime=inprocess`` is short for ``runtime.name=inprocess``, ``population.topology=ring`` for
  its name (the scenario's settings that another topology does not go by are dropped then), and a
  number for a parameter of a kind (``population.kinds.weak.skill=.7``) for the
  mean.
* ``policy.KEY=value`` is short for ``agents.NAME.policy.KEY=value`` of every agent that is a
  language model, and ``….policy.model=PATH`` for ``….policy.model.path=PATH`` of such an agent.
* ``ray.address=auto`` is short for ``runtime.ray.address=auto``, and so are Ray's other keys. An
  address asks for ``runtime=ray``, unless ``runtime`` is given too.
* ``null`` takes an entry out of a section of named entries: ``population.team.draws.critic=null``,
  ``arms.A3=null``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coordination.population.config import USED
from environments import ENVIRONMENTS
from environments.core.errors import ConfigError, UnknownNameError
from experiments.config.components import NESTED, is_component
from experiments.config.yaml_text import parse

PRESETS = "environments"
"""Key of a scenario file that holds one section for each environment it is made for."""

LANGUAGE_MODEL = "language_model"
"""The policy that ``policy.KEY=value`` is about."""

_KEY = re.compile(r"[A-Za-z_][\w\-]*(\.[A-Za-z_0-9][\w\-]*)*")


_TOPOLOGY = ("population", "topology")
_NAMED = (("runtime",), _TOPOLOGY)
"""Sections that are no components, but are switched by a name alone too."""

_DRAWS = ("population", "team", "draws")

_SHORT = {"ray": ("runtime", "ray")}
"""First words of keys that stand for a section inside another one."""

_ENTRIES = (*((section,) for section in NESTED), ("population", "kinds"), _DRAWS)
"""Sections of named entries, any of which may be taken out."""

_SPREADS = ("skill", "learning", "values")


def _is_spread(path: tuple[str, ...]) -> bool:
    """Say whether a key path is a parameter of a kind: a number alone is its mean."""
    return len(path) == 4 and path[:2] == ("population", "kinds") and path[3] in _SPREADS


@dataclass(frozen=True)
class Override:
    """One ``key=value`` of the command line."""

    path: tuple[str, ...]
    value: Any

    @property
    def key(self) -> str:
        """The dotted key."""
        return ".".join(self.path)


def parse_override(text: str) -> Override:
    """Parse ``key=value``.

    Raises:
        ConfigError: If the text has no ``=``, no proper key, or a value that is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not _KEY.fullmatch(key):
        raise ConfigError(f"{text!r} is not of the form key=value, e.g. seeds=5")
    first, *rest = key.split(".")
    path = (*_SHORT.get(first, (first,)), *rest)
    return Override(path, parse(value, key) if value else "")


def normalize(data: dict[str, Any]) -> dict[str, Any]:
    """Return a copy in which ``policy: bayesian`` and its like are written ``{name: bayesian}``.

    A language model's ``model: PATH`` is written ``{path: PATH}``.
    """

    def walk(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, str) and (is_component(path) or path in _NAMED):
            return {"name": value}
        if type(value) in (int, float) and _is_spread(path):
            return {"mean": value}
        if isinstance(value, dict):
            written = {key: walk(item, (*path, key)) for key, item in value.items()}
            if len(path) == 2 and path[0] == "agents" and _is_language_model(written):
                policy = written["policy"]
                if isinstance(policy.get("model"), str):
                    policy["model"] = {"path": policy["model"]}
            return written
        return copy.deepcopy(value)

    return walk(data, ())


def merge(base: Any, extra: Any, path: tuple[str, ...] = ()) -> Any:
    """Return ``base`` with ``extra`` merged in: mappings by key, all else replaced.

    A component node whose name changes starts afresh, so that keys of another component do not
    linger.
    """
    if not (isinstance(base, dict) and isinstance(extra, dict)):
        return extra
    if is_component(path) and extra.get("name", base.get("name")) != base.get("name"):
        return extra
    merged = dict(base)
    for key, value in extra.items():
        merged[key] = merge(base[key], value, (*path, key)) if key in base else value
    return merged


def compose(data: Mapping[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """Return a scenario's plain data with presets and overrides applied.

    Args:
        data: The parsed file, with or without a section `PRESETS`.
        overrides: In the order given; name switches are applied before other keys.

    Raises:
        ConfigError: A preset that is no mapping, an override into something that is no mapping.
        UnknownNameError: An unknown environment, or an override of an agent, conversation or arm
            that the scenario does not have.
    """
    body = dict(data)
    presets = body.pop(PRESETS, None) or {}
    if not isinstance(presets, dict):
        raise ConfigError(f"{PRESETS}: expected a mapping of environment names to sections")
    for name, section in presets.items():
        if name not in ENVIRONMENTS.names():
            raise UnknownNameError("environment", name, ENVIRONMENTS.names(), PRESETS)
        if not isinstance(section, dict):
            raise ConfigError(f"{PRESETS}.{name}: expected a mapping of keys to values")
    result = normalize(body)
    switches, others = _sort_out([*_asked_by_address(overrides), *overrides])

    chosen = switches.pop(("environment",), None)
    if chosen is not None:
        result = merge(result, {"environment": {"name": chosen}})
    environment = result.get("environment")
    name = environment.get("name") if isinstance(environment, dict) else None
    if isinstance(name, str) and name in presets:
        preset = normalize({**presets[name]})
        preset["environment"] = {**(preset.get("environment") or {}), "name": name}
        result = merge(result, preset)

    for path, component in switches.items():
        result = merge(result, _nest(path, {"name": component}, result))
    for override in others:
        if override.path == (*_TOPOLOGY, "name"):
            _switch_topology(result, override.value)
    for override in others:
        for one in _of_language_models(result, override):
            _assign(result, one)
    return normalize(result)


def _switch_topology(data: Mapping[str, Any], name: Any) -> None:
    """Drop what the scenario says of its topology and another one does not go by."""
    node: Any = data
    for key in _TOPOLOGY:
        node = node.get(key) if isinstance(node, dict) else None
    if isinstance(node, dict) and name in USED and name != node.get("name"):
        for key in {key for keys in USED.values() for key in keys} - set(USED[name]):
            node.pop(key, None)


def _asked_by_address(overrides: Sequence[Override]) -> list[Override]:
    """Return the choice of Ray that a cluster's address stands for; other overrides win over it."""
    given = any(one.path == ("runtime", "ray", "address") and one.value for one in overrides)
    return [Override(("runtime", "name"), "ray")] if given else []


def _sort_out(
    overrides: Iterable[Override],
) -> tuple[dict[tuple[str, ...], Any], list[Override]]:
    """Split overrides into switches of a component's name and all others."""
    switches: dict[tuple[str, ...], Any] = {}
    others: list[Override] = []
    for override in overrides:
        path, value = override.path, override.value
        if path in _NAMED and isinstance(value, str):
            others.append(Override((*path, "name"), value))
        elif type(value) in (int, float) and _is_spread(path):
            others.append(Override((*path, "mean"), value))
        elif is_component(path) and isinstance(value, str):
            switches[path] = value
        elif is_component(path[:-1]) and path[-1] == "name":
            switches[path[:-1]] = value
        elif path == ("environment",) and isinstance(value, dict) and "name" in value:
            switches[path] = value["name"]
            others.append(override)
        else:
            others.append(override)
    return switches, others


def _of_language_models(data: Mapping[str, Any], override: Override) -> list[Override]:
    """Write out what is short for keys of agents that are language models.

    Raises:
        ConfigError: ``policy.…`` in a scenario without a language model.
    """
    path, given = override.path, data.get("agents")
    agents = given if isinstance(given, dict) else {}
    names = [name for name in agents if _is_language_model(agents[name])]
    if path[0] == "policy":
        if not names:
            raise ConfigError(
                f"{override.key}: sets the policy of every language model, but no agent of this "
                f"scenario is one (switch an agent first: agents.NAME.policy={LANGUAGE_MODEL}, "
                f"NAME one of {', '.join(agents)})"
            )
        paths = [("agents", name, *path) for name in names]
    elif path[0] == "agents" and len(path) == 4 and path[1] in names:
        paths = [path]
    else:
        return [override]
    if isinstance(override.value, str) and paths[0][2:] == ("policy", "model"):
        paths = [(*one, "path") for one in paths]
    return [Override(one, override.value) for one in paths]


def _is_language_model(agent: Any) -> bool:
    policy = agent.get("policy") if isinstance(agent, dict) else None
    return isinstance(policy, dict) and policy.get("name") == LANGUAGE_MODEL


def _known(data: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Raise if an override names an agent, conversation or arm that the scenario lacks."""
    if len(path) >= 2 and path[0] in NESTED:
        entries = data.get(path[0]) or {}
        if isinstance(entries, dict) and path[1] not in entries:
            raise UnknownNameError(path[0].removesuffix("s"), path[1], entries, ".".join(path))


def _nest(path: tuple[str, ...], value: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    _known(data, path)
    for key in reversed(path):
        value = {key: value}
    return value


def _assign(data: dict[str, Any], override: Override) -> None:
    """Set a value at its path, making mappings on the way."""
    _known(data, override.path)
    node = data
    for depth, key in enumerate(override.path[:-1], 1):
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            inside = ".".join(override.path[:depth])
            raise ConfigError(f"{override.key}: {inside} is {child!r}, it has no keys inside")
        node = child
    last = override.path[-1]
    if override.value is not None or override.path[:-1] not in _ENTRIES:
        node[last] = override.value
    elif last in node:
        del node[last]
    else:
        raise UnknownNameError("entry", last, node, ".".join(override.path[:-1]))
