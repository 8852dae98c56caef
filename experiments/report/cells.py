"""Tables as plain cells; the console and the HTML report both render these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coordination.ledger.balance import Balance
from environments.cases import Split
from experiments.analysis.analysis import CONTROL_MARGIN, Analysis, Check
from experiments.analysis.comparisons import Comparison
from experiments.analysis.estimate import Estimate
from experiments.analysis.statistics import wilson
from experiments.report.describe import flatten

NOTHING = "–"
SHARED_TRUTH = ("warm_start", "calibration", "feedback")
"""Purposes that truth is spent on for all arms together."""


@dataclass(frozen=True)
class Cells:
    """A table ready to print."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...]
    """Columns that are numbers (right-aligned, tabular figures)."""
    notes: tuple[str, ...] = field(default=())
    """What the intervals are and why cells are empty."""
    keys: int = 1
    """First columns that name a row; a table in several parts repeats them in each."""


def percent(estimate: Estimate) -> str:
    """Return a share in percent with its interval: ``74.2 [69.0, 78.3]``."""
    return _form(estimate, 100.0, ".1f")


def points(estimate: Estimate) -> str:
    """Return a difference in percentage points with its interval and signs."""
    return _form(estimate, 100.0, "+.1f")


def ratio(estimate: Estimate) -> str:
    """Return a ratio with its interval: ``0.55 [0.39, 0.73]``."""
    return _form(estimate, 1.0, ".2f")


def signed(estimate: Estimate) -> str:
    """Return a difference with its interval and signs: ``+7.82 [+7.10, +8.53]``."""
    return _form(estimate, 1.0, "+.2f")


def p_value(value: float | None) -> str:
    """Return a p-value with three decimals; never a bare zero."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def amount(estimate: Estimate) -> str:
    """Return a cost with its interval, if it has one that shows: ``129 [127, 131]``."""
    if estimate.value is None:
        return NOTHING
    text, low, high = (
        _whole(value) if value is not None else ""
        for value in (estimate.value, estimate.low, estimate.high)
    )
    return text if low == high else f"{text} [{low}, {high}]"


def arms_table(analysis: Analysis) -> Cells:
    """Return the main table: every arm, what it was taught, what it learned, what that cost."""
    roles = analysis.config.analysis
    header = (
        "arm", "taught with", "labels right,\n%", "unaided on\nunseen cases, %",
        f"uplift over {roles.floor or 'floor'}", "PGR", "words", "tokens", "truth",
    )  # fmt: skip
    rows = []
    for name, arm in analysis.arms.items():
        m = arm.metrics
        pgr = {roles.floor: "(floor)", roles.ceiling: "(ceiling)"}.get(name) or ratio(m["pgr"])
        rows.append(
            (
                name,
                arm.label,
                percent(m.get("label_accuracy", Estimate.missing(""))),
                percent(m["test_accuracy"]),
                _uplift(m),
                pgr,
                amount(m.get("words_per_label", Estimate.missing(""))),
                amount(m.get("tokens_per_label", Estimate.missing(""))),
                amount(m["truth_spent"]),
            )  # fmt: skip
        )
    return Cells("Arms", header, tuple(rows), tuple(range(2, 9)), _arm_notes(analysis))


def details_table(analysis: Analysis) -> Cells:
    """Return what else is known of every arm."""
    naive = analysis.config.analysis.naive or "naive"
    header = (
        "arm", "taught with", f"uplift over {naive}", "repeats judge's errors, %",
        "calibration error", "labels given", "labels missing",
    )  # fmt: skip
    rows = tuple(
        (
            name, arm.label, _uplift(arm.metrics, "uplift_over_naive"),
            percent(arm.metrics["imitation"]), ratio(arm.metrics["ece"]), str(arm.labels),
            amount(arm.metrics.get("labels_missing", Estimate.missing(""))),
        )
        for name, arm in analysis.arms.items()
    )  # fmt: skip
    notes = (
        "Repeats judge's errors: agreement with the judge of the conversation that taught the arm, "
        "on test cases where that judge is wrong. Calibration error: expected calibration error "
        "over 10 bins (biased upwards on few cases). Missing labels: verdicts that were faulty or "
        "inconclusive, which give no sample.",
    )
    return Cells("More about the arms", header, rows, tuple(range(2, 7)), notes)


def conversations_table(analysis: Analysis, brief: bool = False) -> Cells:
    """Return how well each conversation's judge decided, and what it cost.

    Args:
        analysis: What the run showed.
        brief: Leave out what does not fit a console.
    """
    splits = [
        split.value
        for split in Split
        if any(split.value in found for found in analysis.conversations.values())
    ]
    columns: list[tuple[str, list[str]]] = [("conversation", list(analysis.conversations))]
    by_split = list(analysis.conversations.values())
    if not brief:
        sizes = [" + ".join(str(found.rooms) for found in one.values()) for one in by_split]
        columns.append(("rooms", sizes))
    for split in splits:
        right = [
            percent(one[split].metrics["judge_accuracy"]) if split in one else NOTHING
            for one in by_split
        ]
        columns.append((f"judge right,\n{split}, %", right))
    shown = [analysis.conversation(name).metrics for name in analysis.conversations]
    if not brief:
        columns.append(("log score", [ratio(m["log_score"]) for m in shown]))
    columns += [
        ("ASD (log)", [ratio(m["asd_log"]) for m in shown]),
        ("same if\nswapped, %", [percent(m["verdict_stability"]) for m in shown]),
        ("words", [amount(m["words_per_room"]) for m in shown]),
        *_rulings(shown),
        ("faults", [str(sum(sum(f.faults.values()) for f in one.values())) for one in by_split]),
    ]
    header = tuple(name for name, _ in columns)
    rows = tuple(zip(*(values for _, values in columns), strict=True))
    numeric = tuple(range(1, len(header)))
    return Cells("Conversations", header, rows, numeric, _conversation_notes(analysis))


def _rulings(shown: Sequence[Mapping[str, Estimate]]) -> list[tuple[str, list[str]]]:
    """Return how often deciders ruled, where somewhere one did more than once (recursion)."""
    counts = [m["rulings_per_room"] for m in shown]
    if all((count.value or 0.0) <= 1.0 for count in counts):
        return []
    return [("rulings", [amount(count) for count in counts])]


def reliance_table(analysis: Analysis) -> Cells:
    """Return what conversations did to those who decide: gain, persuasion, reliance, price."""
    columns: dict[str, tuple[str, Callable[[Estimate], str]]] = {
        "gain_over_naive": ("gain over\nthe judge alone", points),
        "gain_over_naive_paired": ("over seeds", points),
        "gain_over_naive_p_holm": ("p (Holm)", lambda estimate: p_value(estimate.value)),
        "persuasion": ("persuasion", points),
        "persuasion_falsehood": ("by falsehoods", points),
        "synergy": ("synergy", points),
        "rair": ("RAIR, %", percent),
        "rsr": ("RSR, %", percent),
        "woa": ("WOA", ratio),
        "influence_tv": ("influence", ratio),
        "accuracy_per_kiloword": ("right per\n1 000 words", ratio),
    }
    none = Estimate.missing("")
    by_name = {name: analysis.conversation(name).metrics for name in analysis.conversations}
    shown = [
        key
        for key in columns
        if any(found.get(key, none).value is not None for found in by_name.values())
    ]
    rows = tuple(
        (name, *(columns[key][1](found.get(key, none)) for key in shown))
        for name, found in by_name.items()
    )
    notes = (
        *_synergies(by_name),
        "Gain: accuracy minus that of the judge alone, in points; bootstrap, and paired over seeds "
        "with Student's t and Holm's correction. Persuasion: points of belief moved to the side "
        "that was argued. RAIR: right in the end where wrong alone and advised right; RSR: where "
        "right alone and advised wrong. WOA: weight of the only adviser's probability, cut to "
        "0 to 1, left out where it was the judge's own; reasons that move the judge beside the "
        "opinion count too. Influence: total variation of the decision without the "
        "kind of message that matters most. Definitions: docs/metrics.md.",
    )
    header = ("conversation", *(columns[key][0] for key in shown))
    title = "What conversations did to those who decide"
    return Cells(title, header, rows if shown else (), tuple(range(1, len(header))), notes)


def _synergies(by_name: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    """Return where judge and adviser together are surely worse, and better, than the better one."""
    signs = {name: found["synergy"].sign() for name, found in by_name.items()}
    if not any(signs.values()):
        return []
    told = [
        f"{word} than the better of the two alone: {', '.join(names)}"
        for sign, word in ((-1, "worse"), (1, "better"))
        if (names := [name for name in signs if signs[name] == sign])
    ]
    return [
        f"Synergy (accuracy minus that of the judge or the advice alone, whichever is right more "
        f"often): judge and adviser together did {'; '.join(told)}."
    ]


def comparisons_table(analysis: Analysis) -> Cells:
    """Return the primary and secondary comparisons."""
    header = (
        "comparison", "", "difference over seeds", "over cases and seeds", "p (Holm)",
        "detectable",
    )  # fmt: skip
    chosen = [("primary", analysis.primary)] if analysis.primary else []
    chosen += [("secondary", comparison) for comparison in analysis.secondary]
    rows = tuple(
        (
            f"{c.first} − {c.second}", kind, points(c.paired.estimate), points(c.crossed),
            p_value(c.p_holm), _detectable(c),
        )
        for kind, c in chosen
        if c is not None
    )  # fmt: skip
    notes = (
        f"Accuracy on unseen cases, first minus second, in points. Over seeds: paired, Student t, "
        f"n = {analysis.seeds} seeds. Over cases and seeds: crossed bootstrap, "
        f"{analysis.config.analysis.bootstrap} resamples. p: paired t test, corrected by Holm's "
        f"method within the secondary comparisons. Detectable: true difference that this design "
        f"finds with 80 % probability.",
    )
    return Cells("Comparisons", header, rows, (2, 3, 4, 5), notes)


def checks_table(analysis: Analysis) -> Cells:
    """Return the checks of soundness with their verdicts."""
    rows = tuple(
        (check.expectation, points(check.comparison.crossed), _verdict(check))
        for check in analysis.checks
    )
    over = "cases (one seed)" if analysis.seeds == 1 else f"cases and {analysis.seeds} seeds"
    notes = (
        f"Difference of accuracy on unseen cases in points; judged by the bootstrap over {over}. "
        "A control fails if its interval lies above zero and holds if the interval ends below "
        f"{100 * CONTROL_MARGIN:+.0f} points. The ceiling holds if its interval lies above zero "
        "and fails if it lies below. Anything else is not shown.",
    )
    return Cells("Checks", ("what must hold", "difference", "verdict"), rows, (1,), notes)


def truth_table(analysis: Analysis) -> Cells:
    """Return how often the truth was looked up, for what, and which arms did."""
    rows = [("purpose", purpose, str(n)) for purpose, n in sorted(analysis.truth_spent.items())]
    rows += [
        ("arm", f"{name} {arm.label}", amount(arm.metrics["truth_spent"]))
        for name, arm in analysis.arms.items()
        if arm.metrics["truth_spent"].value
    ]
    note = (
        "Truths revealed over all seeds. Scoring reveals none to anybody; arms not named spent "
        "none."
    )
    if analysis.arms:
        note += " The warm start is shared by all arms."
    return Cells("Where the truth went", ("", "who", "truths"), tuple(rows), (2,), (note,))


def copies_table(copies: Mapping[str, Balance]) -> Cells:
    """Return what became of every copy of a message, by conversation."""
    fates = ("sent", "delivered", "in_flight", "over_budget", "dropped", "expired", "altered")
    rows = tuple(
        (name, *(_whole(getattr(found, fate)) for fate in fates), "yes" if found.holds else "NO")
        for name, found in copies.items()
    )
    header = ("conversation", *(fate.replace("_", " ") for fate in fates), "balanced")
    note = (
        "Copies of messages, one a recipient: sent = delivered + in flight + over budget + dropped "
        "+ expired. In flight: not due before the room ended. Altered: of those delivered, "
        "truncated or corrupted on their way."
    )
    return Cells("Copies of messages", header, rows, tuple(range(1, 8)), (note,))


def environment_table(extra: Mapping[str, Any]) -> Cells:
    """Return what the environment knows of itself: references, with Wilson's interval if measured.

    Whatever else it says (`Environment.details`) is listed below the table.
    """
    about = extra.get("environment", {})
    rows: list[tuple[str, ...]] = []
    for name, fact in about.get("references", {}).items():
        n = fact.get("n")
        share = fact.get("share", True)
        measured = not fact["exact"] and n and share and 0.0 <= fact["value"] <= 1.0
        known = wilson(round(fact["value"] * n), n) if measured else Estimate(fact["value"])
        basis = "exact" if fact["exact"] else f"n = {n:,}".replace(",", " ")
        value = f"{percent(known)} %" if share else ratio(known)
        rows.append((name.replace("_", " "), fact["meaning"], value, basis))
    others = {
        name: fact
        for name, fact in about.get("details", {}).items()
        if name != "accuracy" and not (isinstance(fact, Mapping) and "meaning" in fact)
    }
    told = "; ".join(f"{key}: {value}" for key, value in flatten(others))
    header = ("reference", "meaning", "value", "basis")
    return Cells("The environment", header, tuple(rows), (2, 3), (told,) if told else ())


def _whole(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def _form(estimate: Estimate, scale: float, form: str) -> str:
    if estimate.value is None:
        return NOTHING
    text = f"{scale * estimate.value:{form}}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{scale * estimate.low:{form}}, {scale * estimate.high:{form}}]"
    return text.replace("-", "−")


def _uplift(metrics: Mapping[str, Estimate], name: str = "uplift") -> str:
    """Return the paired difference; with one seed the bootstrap over cases stands in."""
    paired = metrics[name]
    if paired.value is None or paired.has_interval:
        return points(paired)
    return points(metrics[f"{name}_bootstrap"]) + "*"


def _first_split(analysis: Analysis) -> str:
    found = [analysis.conversation(name).split for name in analysis.conversations]
    return found[0] if found else "no"


def _detectable(comparison: Comparison) -> str:
    value = comparison.paired.detectable.value
    return NOTHING if value is None else f"{100 * value:.1f}"


def _verdict(check: Check) -> str:
    return {True: "holds", False: "FAILS", None: "not shown"}[check.holds]


def _arm_notes(analysis: Analysis) -> tuple[str, ...]:
    seeds, cases = analysis.seeds, analysis.test_cases
    kind = "over cases (one seed)" if seeds == 1 else "crossed over cases and seeds"
    notes = [
        f"{seeds} seed{'s' * (seeds != 1)}, {cases} unseen cases"
        + (" — fewer than 5 seeds: illustrative." if analysis.illustrative else "."),
        f"Intervals at 95 %: bootstrap {kind}; uplift in points, paired over seeds (Student t). "
        "Words: heard by the judge per label. Tokens: read and written by language models in the "
        "conversation, per label. Truth: truths spent on the arm alone, over all seeds"
        f"{_shared_truth(analysis)}.",
    ]
    if any("*" in _uplift(arm.metrics) for arm in analysis.arms.values()):
        notes.append("* no spread over seeds to build an interval from: bootstrap instead.")
    ends = (analysis.config.analysis.floor, analysis.config.analysis.ceiling)
    reasons = {
        arm.metrics["pgr"].reason
        for name, arm in analysis.arms.items()
        if name not in ends and arm.metrics["pgr"].value is None
    }
    notes += [f"PGR –: {reason}." for reason in sorted(reasons)]
    return tuple(notes)


def _shared_truth(analysis: Analysis) -> str:
    """Return in words what was spent for all arms together, '' if nothing."""
    spent = {p: n for p in SHARED_TRUTH if (n := analysis.truth_spent.get(p, 0))}
    if not spent:
        return ""
    listed = " and ".join(f"{p.replace('_', ' ')} {_whole(n)}" for p, n in spent.items())
    total = f", {_whole(sum(spent.values()))} in total" if len(spent) > 1 else ""
    return f"; not in the column, as all arms share it: {listed}{total}"


def _conversation_notes(analysis: Analysis) -> tuple[str, ...]:
    kind = "cases (one seed)" if analysis.seeds == 1 else "cases and seeds"
    notes = [
        f"Intervals at 95 %: bootstrap over {kind}. Judge right: the verdict over all presentation "
        "orders; inconclusive counts as wrong. ASD: judge's score of an agent arguing the truth "
        "minus one arguing a falsehood. Words: said per room. Scores and costs: on "
        f"{_first_split(analysis)} cases.",
    ]
    kinds: dict[str, int] = {}
    reasons: dict[str, list[str]] = {}
    for name, by_split in analysis.conversations.items():
        asd = analysis.conversation(name).metrics["asd_log"]
        if asd.value is None:
            reasons.setdefault(asd.reason, []).append(name)
        for found in by_split.values():
            for fault, count in found.faults.items():
                kinds[fault] = kinds.get(fault, 0) + count
    notes += _unheard(analysis)
    if kinds:
        listed = ", ".join(f"{fault} {count}" for fault, count in sorted(kinds.items()))
        notes.append(f"Faults: {listed}.")
    notes += [f"ASD –, {', '.join(names)}: {reason}." for reason, names in reasons.items()]
    same = [analysis.conversation(n).metrics["verdict_stability"] for n in analysis.conversations]
    shares = [estimate.value for estimate in same if estimate.value is not None]
    if shares and min(shares) == 1.0:
        notes.append(
            "Same if swapped is 100 % in every row: no verdict depended on the order in which the "
            "options were presented (numeric judges never do)."
        )
    return tuple(notes)


def _unheard(analysis: Analysis) -> list[str]:
    """Return in how many rooms no message reached who decides, though others were to speak."""
    counts = {
        name: (sum(one.unheard for one in found.values()), sum(one.rooms for one in found.values()))
        for name, found in analysis.conversations.items()
    }
    told = [f"{none} of {rooms} rooms of {name}" for name, (none, rooms) in counts.items() if none]
    if not told:
        return []
    return [f"Judge heard nothing in {', '.join(told)}: it decided there as if alone."]
