"""``summary.json`` of a population: what its agents learned, how its teams did, what it cost.

Names::

    kind.weak.test_accuracy, .start_accuracy, .lift     unaided, by exams; kind.NAME for each kind
    kind.weak.certainty, kind.weak.trust_strong …       means over all agents after the last round
    community.0.test_accuracy …                         all kinds together
    kind.weak.trust_ties_honest, .trust_ties_dishonest  mean over ties, where there are ties
    oversight.strong_first, .strong_last                the strong unaided, in first and last round
    oversight.gap_first, .gap_last, .gap_change          they minus their teams' decisions
    teams.accuracy, teams.first, teams.last, teams.lift by rounds
    teams.misled_accuracy, teams.sound_accuracy         with and without a dishonest speaker
    teams.vote_accuracy, teams.undecided, teams.faults
    draws.advisor.elsewhere                             share of draws from ties that found none
    deliveries.sent, .delivered, …                      message × recipient; they balance
    messages, truth_spent.PURPOSE
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from coordination.messages import Delivery, Role
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import wilson
from experiments.config.schema import ScenarioConfig
from experiments.population.state import FIXED
from experiments.population.world import ROLES
from experiments.runs.directory import RunDirectory

WHO = ("honest", "dishonest")
"""Whom ties lead to."""

Sums = Mapping[str, int]


def summarize_population(
    run: RunDirectory, config: ScenarioConfig, wall_s: float
) -> dict[str, Any]:
    """Return the summary of a population's run; its metrics are a function of ``metrics.jsonl``.

    Args:
        run: A run whose last tick is committed.
        config: Its scenario.
        wall_s: Seconds that it took.
    """
    spent = run.manifest.ticks[-1].extra.get("truth_spent", {})
    flat = metrics(run.metrics(), config, spent)
    return {
        "scenario": config.name,
        "seed": config.seed,
        "ledger_digest": run.ledger_digest,
        "metrics": {name: estimate.to_json() for name, estimate in flat.items()},
        "wall_s": round(wall_s, 3),
        "versions": run.header.get("versions", {}),
        "hardware": run.header.get("hardware", {}),
    }


def metrics(
    lines: Sequence[Mapping[str, Any]], config: ScenarioConfig, spent: Mapping[str, int]
) -> dict[str, Estimate]:
    """Return all metrics under flat names.

    Intervals of accuracies take exams (or teams) as independent given the world: they tell how the
    same population would do on other cases, not how another population would.

    Args:
        lines: The run's metrics, one a tick.
        config: The scenario.
        spent: Truths revealed, by purpose.
    """
    names = list(config.population.kinds)
    flat: dict[str, Estimate] = {}
    for code, name in enumerate(names):
        flat |= _group(f"kind.{name}", lines, "kinds", str(code))
    for community in range(config.population.communities):
        flat |= _group(f"community.{community}", lines, "communities", str(community))
    flat |= _teams([line for line in lines if line["teams"]])
    flat |= _draws([line["draws"] for line in lines if "draws" in line])
    if config.population.question == "oversight":
        flat |= _oversight(lines, config)
    flat |= {
        f"truth_spent.{purpose}": Estimate.exact(count, count)
        for purpose, count in sorted(spent.items())
    }
    return flat


def accuracy(sums: Sums, right: str, of: str) -> Estimate:
    """Return a share with its Wilson interval; missing where nothing was counted."""
    if not sums.get(of):
        return Estimate.missing(f"no {of}")
    return wilson(sums[right], sums[of])


def added(parts: Sequence[Sums]) -> dict[str, int]:
    """Return the sum of several sums."""
    out: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            out[name] = out.get(name, 0) + value
    return out


def mean(sums: Sums, name: str) -> float:
    """Return the mean over agents of a sum in units of `FIXED`."""
    return sums[name] / FIXED / sums["agents"]


def difference(later: Estimate, earlier: Estimate) -> Estimate:
    """Return the difference of two shares of independent samples, by Newcombe's hybrid interval.

    Source: Newcombe 1998, Statistics in Medicine 17, 873 (method 10).
    """
    for one in (later, earlier):
        if one.value is None or one.low is None or one.high is None:
            return Estimate.missing(one.reason)
    assert later.value is not None and earlier.value is not None
    assert later.low is not None and later.high is not None
    assert earlier.low is not None and earlier.high is not None
    gap = later.value - earlier.value
    down = math.hypot(later.value - later.low, earlier.high - earlier.value)
    up = math.hypot(later.high - later.value, earlier.value - earlier.low)
    return Estimate(gap, gap - down, gap + up, min(later.n, earlier.n))


def _group(
    prefix: str, lines: Sequence[Mapping[str, Any]], table: str, key: str
) -> dict[str, Estimate]:
    """Return the metrics of a kind or community."""
    first = lines[0][table].get(key)
    last = lines[-1][table].get(key)
    if first is None or last is None:
        return {}
    test = accuracy(last, "examined_right", "examined")
    start = accuracy(first, "examined_right", "examined")
    flat = {
        f"{prefix}.test_accuracy": test,
        f"{prefix}.start_accuracy": start,
        f"{prefix}.lift": difference(test, start),
        f"{prefix}.agents": Estimate.exact(last["agents"], last["agents"]),
    }
    for name in ("certainty", *(f"trust_{role}" for role in ROLES)):
        flat[f"{prefix}.{name}"] = Estimate.exact(mean(last, name), last["agents"], "a census")
    measured = [line[table][key] for line in lines if key in line[table]]
    for who in WHO:
        counted = [sums for sums in measured if sums[f"ties_{who}"]]
        if counted:
            flat[f"{prefix}.trust_ties_{who}"] = trust_in_ties(counted[-1], who)
    return flat


def trust_in_ties(sums: Sums, who: str) -> Estimate:
    """Return the mean trust of a group in its ties to honest or to dishonest agents.

    Args:
        sums: The group's, of a tick in which ties were counted.
        who: ``honest`` or ``dishonest``.
    """
    ties = sums[f"ties_{who}"]
    return Estimate.exact(sums[f"trust_ties_{who}"] / FIXED / ties, ties, "a census")


def strong_and_teams(
    line: Mapping[str, Any], config: ScenarioConfig
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the sums of all strong agents and of all teams in a tick; empty where not measured."""
    kinds = config.population.kinds.values()
    strong = [str(code) for code, kind in enumerate(kinds) if kind.role == Role.STRONG.value]
    examined = added([line["kinds"][code] for code in strong if code in line["kinds"]])
    return examined if examined.get("examined") else {}, added(list(line["teams"].values()))


def _draws(drawn: Sequence[Mapping[str, Sums]]) -> dict[str, Estimate]:
    """Return how many of the seats drawn from ties were filled from elsewhere, over all rounds."""
    flat = {}
    for seat in drawn[0] if drawn else ():
        total = added([one[seat] for one in drawn])
        n = total["drawn"]
        flat[f"draws.{seat}.elsewhere"] = (
            Estimate.exact(total["elsewhere"] / n, n, "a census") if n else Estimate.missing("none")
        )
    return flat


def _oversight(lines: Sequence[Mapping[str, Any]], config: ScenarioConfig) -> dict[str, Estimate]:
    """Return how the strong, unaided, compare with the decisions of the same tick."""
    pairs = [strong_and_teams(line, config) for line in lines]
    pairs = [(strong, teams) for strong, teams in pairs if strong and teams]
    if not pairs:
        return {"oversight.gap_change": Estimate.missing("no tick with exams of strong agents")}
    ends = (pairs[0], pairs[-1])
    strong = [accuracy(one, "examined_right", "examined") for one, _ in ends]
    gaps = [
        difference(alone, accuracy(teams, "right", "rooms"))
        for alone, (_, teams) in zip(strong, ends, strict=True)
    ]
    return {
        "oversight.strong_first": strong[0],
        "oversight.strong_last": strong[1],
        "oversight.gap_first": gaps[0],
        "oversight.gap_last": gaps[1],
        "oversight.gap_change": difference(gaps[1], gaps[0]),
    }


def _teams(lines: Sequence[Mapping[str, Any]]) -> dict[str, Estimate]:
    if not lines:
        return {}
    by_tick = [added(list(line["teams"].values())) for line in lines]
    total = added(by_tick)
    first, last = (accuracy(by_tick[place], "right", "rooms") for place in (0, -1))
    sound = {
        "rooms": total["rooms"] - total["misled"],
        "right": total["right"] - total["misled_right"],
    }
    flat = {
        "teams.accuracy": accuracy(total, "right", "rooms"),
        "teams.first": first,
        "teams.last": last,
        "teams.lift": difference(last, first),
        "teams.misled_accuracy": accuracy(total, "misled_right", "misled"),
        "teams.sound_accuracy": accuracy(sound, "right", "rooms"),
        "teams.vote_accuracy": accuracy(total, "votes_right", "votes"),
        "teams.undecided": accuracy(total, "undecided", "rooms"),
        "teams.faults": Estimate.exact(total["faults"], total["rooms"]),
        "messages": Estimate.exact(total["messages"], total["rooms"]),
    }
    for name in ("sent", *(status.name.lower() for status in Delivery)):
        flat[f"deliveries.{name}"] = Estimate.exact(total[name], total["messages"])
    return flat
