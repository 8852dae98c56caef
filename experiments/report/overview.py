"""All conversations of a run at one look: how right, how truth pays, at what cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.analysis.analysis import Analysis
from experiments.analysis.conversations import NAIVE, ConversationResult
from experiments.report.cells import NOTHING, Cells, amount, p_value, percent, points, ratio
from experiments.report.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    clean,
    number,
    plain,
    short,
    svg_figure,
)

_COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LEAST = 3
"""An overview of fewer conversations says no more than their table."""
PANELS = (
    ("judge_accuracy", "judge right, %", 100.0),
    ("asd_log", "ASD (log), nats", 1.0),
    ("words_per_room", "words per room", 1.0),
)
COLUMNS = (
    ("judge_accuracy", "judge right, %", percent),
    ("asd_log", "ASD (log)", ratio),
    ("gain_over_naive", "gain over\nnaive", points),
    ("messages_per_room", "messages", amount),
    ("words_per_room", "words", amount),
    ("tokens_per_room", "tokens", amount),
)


def row_name(analysis: Analysis, name: str) -> str:
    """Return what a conversation's row is called: its protocol where it alone is its variant."""
    protocol = analysis.conversation(name).protocol
    mine = analysis.config.conversations[name].variant
    same = [
        other
        for other in analysis.conversations
        if analysis.config.conversations[other].variant == mine
        and analysis.conversation(other).protocol == protocol
    ]
    return protocol if mine and same == [name] else name


def variants(analysis: Analysis) -> dict[str, dict[str, ConversationResult]]:
    """Return variant to row name to result, both in the scenario's order."""
    found: dict[str, dict[str, ConversationResult]] = {}
    for name in analysis.conversations:
        variant = analysis.config.conversations[name].variant
        found.setdefault(variant, {})[row_name(analysis, name)] = analysis.conversation(name)
    return found


def overview_table(analysis: Analysis) -> Cells:
    """Return accuracy, ASD and cost of every conversation, one row each."""
    by_variant = variants(analysis)
    several = len(by_variant) > 1
    rows = tuple(
        (row, *([variant] if several else []),
         *(form(found.metrics[metric]) for metric, _, form in COLUMNS))
        for variant, results in by_variant.items()
        for row, found in results.items()
    )  # fmt: skip
    reasons: dict[str, list[str]] = {}
    for row in dict.fromkeys(r for results in by_variant.values() for r in results):
        found = next(results[row] for results in by_variant.values() if row in results)
        asd = found.metrics["asd_log"]
        if asd.value is None:
            reasons.setdefault(asd.reason, []).append(row)
    notes = [
        "ASD: judge's score of an agent arguing the truth minus one arguing a falsehood. Gain in "
        "points. Tokens are read and written by language models; numeric agents use none.",
        *(f"ASD {NOTHING}, {', '.join(rows)}: {why}." for why, rows in reasons.items()),
    ]
    header = ("protocol" if several else "conversation", *(["variant"] if several else []),
              *(head for _, head, _ in COLUMNS))  # fmt: skip
    numeric = tuple(range(1 + several, len(header)))
    return Cells("Accuracy, ASD and cost", header, rows, numeric, tuple(notes))


def verdicts_table(analysis: Analysis) -> Cells:
    """Return the compared pairs of conversations."""
    rows = tuple(
        (
            f"{one.first} − {one.second}", points(one.paired.estimate), points(one.crossed),
            p_value(one.p_holm),
        )
        for one in analysis.verdicts
    )  # fmt: skip
    notes = (
        f"Judge accuracy of the first minus the second, in points, on the same cases. Over seeds: "
        f"paired, Student t, n = {analysis.seeds}. Over cases and seeds: crossed bootstrap. p: "
        "paired t test, corrected by Holm's method over the rows of this table.",
    )
    header = ("comparison", "over seeds", "over cases and seeds", "p (Holm)")
    return Cells("Which conversations judges do better in", header, rows, (1, 2, 3), notes)


def overview_figure(analysis: Analysis) -> str | None:
    """Return accuracy, ASD and words of every conversation, side by side.

    One row a protocol, one colour a variant; dotted: the judge alone, and no ASD. None where there
    are fewer than `LEAST` rows.
    """
    by_variant = variants(analysis)
    rows = list(dict.fromkeys(row for results in by_variant.values() for row in results))
    if len(rows) < LEAST:
        return None
    shift = 0.68 / max(1, len(by_variant))
    silent = [f for results in by_variant.values() for f in results.values() if f.protocol == NAIVE]
    alone = 100 * number(silent[0].metrics["judge_accuracy"].value) if silent else np.nan

    def draw(figure: Any) -> None:
        panels = figure.subplots(1, len(PANELS), sharey=True, width_ratios=(5, 4, 3))
        for axes, (metric, label, scale) in zip(panels, PANELS, strict=True):
            for place, (variant, results) in enumerate(by_variant.items()):
                offset = (place - (len(by_variant) - 1) / 2) * shift
                points_ = [
                    (rows.index(row) + offset, found.metrics[metric])
                    for row, found in results.items()
                ]
                _series(axes, points_, place, scale, variant)
            axes.set_xlabel(label)
            axes.tick_params(axis="y", length=0)
            clean(axes)
            axes.grid(axis="y", visible=False)
        for axes, mark in zip(panels, (alone, 0.0), strict=False):
            axes.axvline(mark, color=INK, linewidth=0.8, linestyle=":", alpha=0.6)
        panels[0].set_yticks(range(len(rows)), [plain(short(row, 30)) for row in rows])
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        if len(by_variant) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, [plain(name) for name in labels], loc="outside upper left",
                          ncols=3, frameon=False, fontsize=8)  # fmt: skip

    height = 1.0 + len(rows) * (0.2 + 0.09 * len(by_variant))
    return svg_figure(draw, 8.6, height, "overview")


def _series(axes: Any, points_: list[tuple[float, Any]], place: int, scale: float,
            label: str) -> None:  # fmt: skip
    y = np.array([at for at, _ in points_])
    value, low, high = (
        scale * np.array([number(getattr(estimate, end)) for _, estimate in points_])
        for end in ("value", "low", "high")
    )
    color = _COLORS[place % len(_COLORS)]
    axes.hlines(y, low, high, color=color, linewidth=1.4, alpha=0.8)
    axes.plot(value, y, _MARKERS[place % len(_MARKERS)], color=color, markersize=3.8,
              label=label or "all")  # fmt: skip
