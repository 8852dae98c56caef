"""What a run paid to model endpoints, from the replies that it keeps."""

from __future__ import annotations

from typing import Any

from agents import POLICIES
from agents.language_model.endpoint.replies import FOLDER, spent
from experiments.config.components import component
from experiments.config.schema import ScenarioConfig
from experiments.runs.reader import CommittedRun


def endpoint_costs(run: CommittedRun, config: ScenarioConfig) -> dict[str, dict[str, Any]]:
    """Return calls, tokens, price and failures of each agent that asked a server.

    Every reply counts once, however often it was replayed; see
    `agents.language_model.endpoint.replies.spent`.
    """
    costs: dict[str, dict[str, Any]] = {}
    for name, agent in config.agents.items():
        policy, settings = component(POLICIES, agent.policy, f"agents.{name}.policy")
        folder = run.path / FOLDER / name
        if getattr(policy, "keeps_replies", False) and folder.is_dir():
            costs[name] = spent(folder, settings.price)
    return costs


def cost_line(agent: str, cost: dict[str, Any]) -> str:
    """Return one line for the console."""
    line = (
        f"endpoint {agent}: {cost['calls']} calls, {cost['tokens_read']} tokens read, "
        f"{cost['tokens_written']} written, price {cost['price']:.6g}"
    )
    if cost["unmetered"]:
        line += f"; the server did not count the tokens of {cost['unmetered']} calls"
    if cost["failures"]:
        failed = ", ".join(f"{reason} ({n})" for reason, n in cost["failures"].items())
        line += f"; failed: {failed}"
    return line
