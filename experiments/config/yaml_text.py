"""YAML that can only say data: no tags, no duplicate keys, no environment variables.

A configuration file is untrusted text. It is composed into plain dictionaries, lists, strings,
numbers, booleans and null by a resolver of YAML 1.2's core schema (so ``no`` and ``on`` are words
and ``1e-3`` is a number); every explicit tag is refused, so nothing is ever constructed from a
name in a file. Anchors and merge keys may be used to avoid repetition, within a bound.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from environments.core.errors import ConfigError

MAX_NODES = 100_000
"""Nodes of a file after anchors are expanded; more is an attack or a mistake."""

MAX_DEPTH = 64
"""Levels of nesting."""

_LONGEST_INTEGER = 100
_NODE_INTERPOLATION = re.compile(r"\$\{\.*[A-Za-z_][\w.\-]*\}")
_BOOLEANS = {"true": True, "false": False}


class _Resolver(yaml.SafeLoader):
    """Recognizes plain scalars as YAML 1.2's core schema does."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|[0-9][0-9_]*)$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^<<$", "<"),
):
    _Resolver.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class _Builder:
    """Turns YAML nodes into plain data, refusing what a configuration must not contain."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._left = MAX_NODES
        self._open: set[int] = set()

    def fail(self, node: yaml.Node, problem: str) -> ConfigError:
        return ConfigError(f"{self._place}:{node.start_mark.line + 1}: {problem}")

    def build(self, node: yaml.Node) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self.fail(node, f"more than {MAX_NODES} values after anchors are expanded")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise self.fail(node, "an anchor contains itself")
        if len(self._open) >= MAX_DEPTH:
            raise self.fail(node, "nested too deeply")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item) for item in node.value]
            return self._mapping(node)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.rsplit(":", 1)[-1]
        text = node.value
        if kind == "null":
            return None
        if kind == "bool":
            return _BOOLEANS[text.lower()]
        if kind == "int":
            digits = text.replace("_", "")
            base = {"0x": 16, "0o": 8}.get(digits.lstrip("+-")[:2].lower(), 10)
            if len(digits) > _LONGEST_INTEGER:
                raise self.fail(node, f"an integer of {len(digits)} digits")
            return int(digits, base)
        if kind == "float":
            return float(
                text.replace("_", "")
                .replace(".inf", "inf")
                .replace(".Inf", "inf")
                .replace(".INF", "inf")
                .lower()
                .replace(".nan", "nan")
            )
        if "${" in text and "${" in _NODE_INTERPOLATION.sub("", text):
            raise self.fail(
                node,
                f"{text!r}: only ${{another.key}} is allowed, no resolver such as oc.env "
                "(files execute and look up nothing)",
            )
        return text

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        own: dict[str, Any] = {}
        inherited: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                value = self.build(value_node)
                parts = value if isinstance(value, list) else [value]
                if not all(isinstance(part, dict) for part in parts):
                    raise self.fail(key_node, "<< must name a mapping or a list of mappings")
                for part in parts:
                    inherited = {**part, **inherited}
                continue
            key = self.build(key_node)
            if not isinstance(key, str):
                raise self.fail(key_node, f"a key must be text, given {key!r} (quote it)")
            if key in own:
                raise self.fail(key_node, f"duplicate key {key!r}")
            own[key] = self.build(value_node)
        return {**inherited, **own}


def parse(text: str, place: str) -> Any:
    """Parse one YAML document into plain data.

    Args:
        text: The document.
        place: Where it comes from (a file name), for messages.

    Raises:
        ConfigError: Malformed YAML, a tag, a duplicate or non-text key, an interpolation other
            than ``${another.key}``, or too many values; names file and line.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Resolver):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise ConfigError(f"{place}:{event.start_mark.line + 1}: nested too deeply")
            if getattr(event, "tag", None) is not None:
                line = event.start_mark.line + 1
                raise ConfigError(
                    f"{place}:{line}: the tag {event.tag!r} is not allowed "
                    "(files hold plain data and execute nothing)"
                )
        node = yaml.compose(text, Loader=_Resolver)
        return None if node is None else _Builder(place).build(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{place}:{line}: not valid YAML: {error.problem or error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{place}: not valid YAML: {' '.join(str(error).split())}") from error


def parse_mapping(text: str, place: str) -> dict[str, Any]:
    """Parse a document that must be a mapping.

    Raises:
        ConfigError: As `parse`, or if the document is something else.
    """
    data = parse(text, place)
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise ConfigError(f"{place}: expected a mapping of keys to values, found {found}")
    return data
