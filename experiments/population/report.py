"""The report of a population: dynamics over time, over kinds, communities and roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coordination.messages import Delivery
from coordination.population.edge_list import dropped
from environments.cases import Split
from experiments.analysis.estimate import Estimate
from experiments.config.schema import ScenarioConfig
from experiments.population.questions import answered
from experiments.population.summary import (
    WHO,
    accuracy,
    added,
    difference,
    mean,
    metrics,
    strong_and_teams,
    trust_in_ties,
)
from experiments.population.world import ROLES
from experiments.report.cells import (
    NOTHING,
    Cells,
    amount,
    environment_table,
    percent,
    points,
    ratio,
)
from experiments.report.curves import lines_over_ticks
from experiments.report.html import reproduce
from experiments.report.page import Figure, Section, render_page
from experiments.runs.directory import RunDirectory

_MOST_CURVES = 12
"""Communities drawn, at most; the tables show all."""

Lines = Sequence[Mapping[str, Any]]


def render_population(run: RunDirectory, config: ScenarioConfig, wall_s: float | None) -> str:
    """Return the report of a population's run as HTML."""
    lines = run.metrics()
    name = f"{config.name} on {config.environment['name']}"
    extra = run.manifest.ticks[-1].extra if run.manifest.ticks else {}
    about = environment_table(extra)
    flat = _metrics(run, config)
    sections = [
        _learning(lines, config, flat),
        _teams(lines, config, flat),
        _messages(lines, flat),
        _oversight(lines, config, flat),
        _communities(lines, config, flat),
        _trust(lines, config),
        Section("environment", "The environment", tables=(about,) if about.rows else ()),
        reproduce(config, run.config_yaml, run.header, run.ledger_digest, wall_s),
    ]
    size = f"{config.population.size:,}".replace(",", " ")
    return render_page(
        title=name,
        kicker=f"{name}, {size} agents, seed {config.seed}",
        sentence=headline(run, config),
        illustrative=False,
        description=config.description,
        sections=sections,
    )


def headline(run: RunDirectory, config: ScenarioConfig) -> str:
    """Return the sentence that the run's metrics generate; see `questions`."""
    return answered(config, _metrics(run, config))


def summary_tables(run: RunDirectory, config: ScenarioConfig, brief: bool) -> list[Cells]:
    """Return the tables of the console."""
    flat = _metrics(run, config)
    tables = [_kinds_table(config, flat, compared(run.metrics(), config))]
    if not brief:
        extra = run.manifest.ticks[-1].extra if run.manifest.ticks else {}
        drawn = [_draws_table(flat), _traffic_table(flat)]
        teams = _teams_table(flat, _links(run.metrics(), config))
        tables = [environment_table(extra), *tables, teams, *drawn]
    return tables


# -- sections ---------------------------------------------------------------------------------


def _learning(lines: Lines, config: ScenarioConfig, flat: Mapping[str, Estimate]) -> Section:
    curves = [
        (name, _curve(lines, "kinds", str(code)))
        for code, name in enumerate(config.population.kinds)
    ]
    drawn = lines_over_ticks(curves, "unaided accuracy, %", "kinds")
    caption = (
        "Agents examined alone on new cases after each round; the last point is the test on cases "
        "kept for it. 95 % intervals (Wilson) over cases and agents examined."
    )
    return Section(
        "learning",
        "What the agents learned",
        figures=_drawn(drawn, caption),
        tables=(_kinds_table(config, flat, compared(lines, config)),),
    )


def _teams(lines: Lines, config: ScenarioConfig, flat: Mapping[str, Estimate]) -> Section:
    by_tick = [(line["tick"], added(list(line["teams"].values()))) for line in lines]
    by_tick = [(tick, sums) for tick, sums in by_tick if sums]
    curves = [
        ("teams", [(tick, accuracy(sums, "right", "rooms")) for tick, sums in by_tick]),
        ("single votes", [(t, accuracy(s, "votes_right", "votes")) for t, s in by_tick]),
        ("misled teams", [(t, accuracy(s, "misled_right", "misled")) for t, s in by_tick]),
    ]
    caption = (
        "Share of right decisions of teams, of their members' votes, and of the teams to which a "
        "dishonest agent spoke. 95 % intervals (Wilson) over teams."
    )
    return Section(
        "teams",
        "What the teams decided",
        figures=_drawn(lines_over_ticks(curves, "right, %", "teams"), caption),
        tables=tuple(
            table
            for table in (_teams_table(flat, _links(lines, config)), _draws_table(flat))
            if table.rows
        ),
    )


def _messages(lines: Lines, flat: Mapping[str, Estimate]) -> Section:
    """Return what was said and what became of the copies; curves where not all were delivered."""
    by_tick = [(line["tick"], added(list(line["teams"].values()))) for line in lines]
    by_tick = [(tick, sums) for tick, sums in by_tick if sums]
    fates = [fate.name.lower() for fate in Delivery]
    ended = [name for name in fates if any(sums[name] for _, sums in by_tick)]
    curves = [
        (name.replace("_", " "), [(tick, accuracy(sums, name, "sent")) for tick, sums in by_tick])
        for name in ended
    ]
    drawn = lines_over_ticks(curves, "of the copies, %", "copies") if len(ended) > 1 else None
    caption = (
        "What became of the copies of messages, one for each recipient, in each round: they add up "
        "to those sent. 95 % intervals (Wilson) over copies."
    )
    return Section(
        "messages",
        "What became of the copies",
        figures=_drawn(drawn, caption),
        tables=(_traffic_table(flat),) if by_tick else (),
    )


def _oversight(lines: Lines, config: ScenarioConfig, flat: Mapping[str, Estimate]) -> Section:
    """Return how decisions stand beside the strong, where that is the question; else nothing."""
    if config.population.question != "oversight":
        return Section("oversight", "Oversight")
    pairs = [(line["tick"], *strong_and_teams(line, config)) for line in lines]
    pairs = [(tick, strong, teams) for tick, strong, teams in pairs if strong and teams]
    curves = [
        (
            "gap",
            [
                (
                    tick,
                    difference(
                        accuracy(strong, "examined_right", "examined"),
                        accuracy(teams, "right", "rooms"),
                    ),
                )
                for tick, strong, teams in pairs
            ],
        )
    ]
    rows = tuple(
        (told, _shown(flat, f"oversight.{name}", form))
        for told, name, form in (
            ("strong unaided, first round", "strong_first", percent),
            ("strong unaided, last round", "strong_last", percent),
            ("gap, first round", "gap_first", points),
            ("gap, last round", "gap_last", points),
            ("change of the gap", "gap_change", points),
        )
    )
    return Section(
        "oversight",
        "Does oversight keep up?",
        figures=_drawn(
            lines_over_ticks(curves, "strong minus teams, points", "oversight"),
            "How much more often the strong are right alone than the teams that they advise, tick "
            "by tick; 95 % intervals (Newcombe).",
        ),
        tables=(Cells("Oversight", ("what", "% or points"), rows, (1,)),),
    )


def _communities(lines: Lines, config: ScenarioConfig, flat: Mapping[str, Estimate]) -> Section:
    count = config.population.communities
    if count < 2:
        return Section("communities", "Communities")
    curves = [
        (f"community {c}", _curve(lines, "communities", str(c)))
        for c in range(min(count, _MOST_CURVES))
    ]
    rows = tuple(
        (
            str(c),
            _shown(flat, f"community.{c}.agents", amount),
            _shown(flat, f"community.{c}.start_accuracy", percent),
            _shown(flat, f"community.{c}.test_accuracy", percent),
            _shown(flat, f"community.{c}.lift", points),
        )
        for c in range(count)
    )
    header = ("community", "agents", "before, %", "after, %", "lift, points")
    return Section(
        "communities",
        "Over communities",
        figures=_drawn(
            lines_over_ticks(curves, "unaided accuracy, %", "communities"),
            f"All kinds of a community together; the first {_MOST_CURVES} at most.",
        ),
        tables=(Cells("Communities", header, rows, (0, 1, 2, 3, 4), (compared(lines, config),)),),
    )


def _trust(lines: Lines, config: ScenarioConfig) -> Section:
    curves = []
    for code, name in enumerate(config.population.kinds):
        for role in ROLES:
            told = [
                (line["tick"], Estimate.exact(mean(line["kinds"][str(code)], f"trust_{role}"), 0))
                for line in lines
                if str(code) in line["kinds"]
            ]
            if told and told[-1][1].value != told[0][1].value:
                curves.append((f"{name} in {role}", told))
        for who in WHO:
            ties = [
                (line["tick"], trust_in_ties(line["kinds"][str(code)], who))
                for line in lines
                if line["kinds"].get(str(code), {}).get(f"ties_{who}")
            ]
            if ties:
                curves.append((f"{name} in {who} ties", ties))
    return Section(
        "trust",
        "Over roles: whom they came to trust",
        figures=_drawn(
            lines_over_ticks(curves, "mean trust", "trust", scale=1.0),
            "Mean trust of each kind in the agents of a role, and in its ties to honest and to "
            "dishonest agents, over all agents of the kind; roles in which nothing moved are left "
            "out.",
        ),
    )


# -- tables -----------------------------------------------------------------------------------


def compared(lines: Lines, config: ScenarioConfig) -> str:
    """Return what the columns before and after stand for: ticks, cases, and agents examined."""
    return f"Before: {_exam(lines[0], config)}. After: {_exam(lines[-1], config)}."


def _exam(line: Mapping[str, Any], config: ScenarioConfig) -> str:
    """Return when an exam was held, on which cases and with how many agents."""
    tick, rounds, splits = line["tick"], config.schedule.ticks, config.splits
    when = f"after {min(tick, rounds)} of {rounds} rounds" if tick else "before the first round"
    agents = added(list(line["kinds"].values()))["examined"]
    if not agents:
        return f"tick {tick}, {when}: nobody was examined"
    split = Split.TEST if tick > rounds else Split.CURVE
    cases = min(agents, getattr(splits, split.value))
    told = f"{split.value} case{'s' * (cases != 1)}"
    return f"tick {tick}, {when}, {cases} {told}, {agents} agents, one case each"


def _kinds_table(config: ScenarioConfig, flat: Mapping[str, Estimate], exams: str) -> Cells:
    rows = tuple(
        (
            name,
            kind.role,
            _shown(flat, f"kind.{name}.agents", amount),
            _shown(flat, f"kind.{name}.start_accuracy", percent),
            _shown(flat, f"kind.{name}.test_accuracy", percent),
            _shown(flat, f"kind.{name}.lift", points),
            _shown(flat, f"kind.{name}.trust_strong", ratio),
        )
        for name, kind in config.population.kinds.items()
    )
    header = ("kind", "role", "agents", "before, %", "after, %", "lift, points", "trust in strong")
    note = "Unaided on new cases, with 95 % intervals; trust: mean over all agents of the kind."
    return Cells("Agents", header, rows, (2, 3, 4, 5, 6), (exams, note))


def _links(lines: Lines, config: ScenarioConfig) -> str:
    """Return in one line how many rows of an edge list became no tie; '' if all did."""
    found = lines[0].get("edge_list", {})
    return dropped(config.population.topology.file, **found) if found else ""


def _teams_table(flat: Mapping[str, Estimate], links: str) -> Cells:
    asked = (
        ("all rounds", "teams.accuracy"),
        ("first round", "teams.first"),
        ("last round", "teams.last"),
        ("with a dishonest speaker", "teams.misled_accuracy"),
        ("without one", "teams.sound_accuracy"),
        ("single votes", "teams.vote_accuracy"),
        ("undecided", "teams.undecided"),
    )
    rows = tuple(
        (told, _shown(flat, name, percent), str(flat[name].n))
        for told, name in asked
        if name in flat
    )
    notes = (f"Ties are read from {links}.",) if links else ()
    return Cells("Teams", ("teams", "right, %", "n"), rows, (1, 2), notes)


def _draws_table(flat: Mapping[str, Estimate]) -> Cells:
    """Return how the seats that are drawn from ties were filled; no rows without such seats."""
    names = [name for name in flat if name.startswith("draws.")]
    rows = tuple(
        (name.split(".")[1], amount(Estimate(float(flat[name].n))), percent(flat[name]))
        for name in names
    )
    note = (
        "Over all rounds. A seat is filled from elsewhere where the member who calls the team has "
        "no tie of the kind, or none left."
    )
    header = ("seat", "drawn from ties", "filled from elsewhere, %")
    return Cells("Seats drawn from ties", header, rows, (1, 2), (note,))


def _traffic_table(flat: Mapping[str, Estimate]) -> Cells:
    names = ["messages", *(name for name in flat if name.startswith("deliveries."))]
    rows = tuple(
        (name.removeprefix("deliveries.").replace("_", " "), _shown(flat, name, amount))
        for name in names
        if name in flat
    )
    note = "Copies, message × recipient: sent is the sum of what became of them."
    return Cells("Messages", ("what", "number"), rows, (1,), (note,))


# -- parts ------------------------------------------------------------------------------------


def _metrics(run: RunDirectory, config: ScenarioConfig) -> dict[str, Estimate]:
    ticks = run.manifest.ticks
    spent = ticks[-1].extra.get("truth_spent", {}) if ticks else {}
    return metrics(run.metrics(), config, spent)


def _curve(lines: Lines, table: str, key: str) -> list[tuple[int, Estimate]]:
    return [
        (line["tick"], accuracy(line[table][key], "examined_right", "examined"))
        for line in lines
        if key in line[table]
    ]


def _shown(flat: Mapping[str, Estimate], name: str, form: Any) -> str:
    return form(flat[name]) if name in flat else NOTHING


def _drawn(svg: str | None, caption: str) -> tuple[Figure, ...]:
    return (Figure(svg, caption),) if svg else ()
