"""``facilitate check``: does a component of yours keep the contract of its kind?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from environments.core.errors import ConfigError, UnknownNameError
from experiments.commands.shared import Imports, console

KINDS = ("environment", "policy", "protocol")
CASES = 64
"""Cases planned in every split when an environment is checked."""

Line = tuple[str, bool, str]
"""What was checked, whether it holds, what was seen."""


def check(
    kind: str = typer.Argument(metavar="|".join(KINDS), help="What it is."),
    target: str = typer.Argument(
        metavar="NAME|MODULE:CLASS", help="A registered name, or where your class is."
    ),
    settings: list[str] = typer.Argument(  # noqa: B008 - typer reads the default
        None, metavar="KEY=VALUE", help="Settings of its own Config."
    ),
    imports: Imports = None,
) -> None:
    """Check a component against the contract of its kind; exit 2 if it breaks a rule.

    An environment must deal the same cases by the same ids, keep its truth sealed and its numbers
    proper; a protocol must do in a batch what it does room by room and agree with its own table of
    turns; a policy must be pure and indifferent to how asks are batched.

    [bold]Examples[/bold]

      facilitate check environment reading

      facilitate check protocol my_components:Duel rounds=2

      facilitate check policy my_components:Optimist
    """
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)

    from experiments.config.plugins import import_modules

    import_modules(imports or ())
    checks: dict[str, Callable[[type, Any], list[Line]]] = {
        "environment": _environment,
        "policy": _policy,
        "protocol": _protocol,
    }
    cls, config = _find(kind, target, settings or [])
    lines = checks[kind](cls, config)
    _print(lines)
    failed = sum(not holds for _, holds, _ in lines)
    if failed:
        typer.echo(f"{failed} of {len(lines)} checks failed")
        raise typer.Exit(2)
    typer.echo(f"{target} conforms")


def _find(kind: str, target: str, settings: list[str]) -> tuple[type, Any]:
    """Return the class and its configuration with the settings given."""
    from agents import POLICIES
    from coordination import PROTOCOLS
    from environments import ENVIRONMENTS
    from environments.core.registry import Registry
    from experiments.config.components import component
    from experiments.config.overrides import parse_override
    from experiments.config.plugins import import_modules, imported_class

    registry = {"environment": ENVIRONMENTS, "policy": POLICIES, "protocol": PROTOCOLS}[kind]
    name = target
    if ":" in target:
        module, _, attribute = target.partition(":")
        import_modules([module])
        registry, name = Registry(kind, {}), attribute
        registry.register(name)(imported_class(module, attribute))
    node: dict[str, Any] = {"name": name}
    for text in settings:
        override = parse_override(text)
        inner = node
        for key in override.path[:-1]:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{override.key}: {key} has no keys inside")
        inner[override.path[-1]] = override.value
    return component(registry, node, kind)


def _environment(cls: type, config: Any) -> list[Line]:
    from environments.base import SplitPlan
    from environments.cases import Split
    from environments.conformance import check_environment

    environment = cls(config, SplitPlan(dict.fromkeys(Split, CASES)))
    return [(f.check, f.ok, f.detail) for f in check_environment(environment)]


def _policy(cls: type, config: Any) -> list[Line]:
    from agents.conformance import check_policy

    tolerance = 1e-5 if getattr(cls, "reads_text", False) else 0.0
    findings = check_policy(cls(config, 0), tolerance=tolerance)
    return [(f.check, f.ok, f.detail) for f in findings]


def _protocol(cls: type, config: Any) -> list[Line]:
    from coordination.conformance import check_protocol

    findings = check_protocol(cls, config)
    if not findings:
        return [("batch, table of turns, deliveries and verdicts agree", True, "")]
    return [(f.check, f.ok, f.detail) for f in findings]


def _print(lines: list[Line]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    for what, holds, seen in lines:
        mark = Text("ok", style="green") if holds else Text("FAIL", style="bold red")
        table.add_row(mark, Text(what), Text(seen))
    console().print(table)
