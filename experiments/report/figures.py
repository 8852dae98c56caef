"""The figures of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.analysis.analysis import Analysis
from experiments.analysis.episodes import EpisodesAnalysis
from experiments.analysis.metrics import CalibrationCurve
from experiments.report.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    VERMILLION,
    clean,
    dots,
    end_labels,
    number,
    plain,
    short,
    svg,
    svg_figure,
)


def learning_curve(analysis: Analysis) -> str | None:
    """Return the compared arms' learning curves against floor and ceiling; None without a curve."""
    roles = analysis.config.analysis
    chosen = [arm for arm in (*roles.primary, roles.naive) if arm]
    styles = _styles(analysis, chosen)
    shown = [arm for arm in styles if arm in analysis.arms and analysis.arms[arm].curve]
    if not shown:
        return None

    def draw(axes: Any) -> None:
        ends = []
        for arm in shown:
            ticks, low, mid, high = _curve(analysis, arm)
            color, style = styles[arm]
            axes.fill_between(ticks, low, high, color=color, alpha=0.13, linewidth=0)
            axes.plot(ticks, mid, color=color, linestyle=style, marker="o", markersize=3.5)
            ends.append((mid[-1], f"{arm} {analysis.arms[arm].label}", color))
        end_labels(axes, ends, ticks[-1])
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("tick (0: after the warm start)")
        axes.set_ylabel("unaided accuracy, %")

    return svg(draw, 7.6, 3.7, "curve", right=0.70)


def curve_panels(analysis: Analysis) -> str | None:
    """Return one small learning curve for every other arm, between floor and ceiling."""
    roles = analysis.config.analysis
    ends = (roles.floor, roles.ceiling)
    arms = [arm for arm in analysis.arms if arm not in ends and analysis.arms[arm].curve]
    if len(arms) < 2:
        return None
    across = min(4, len(arms))
    down = -(-len(arms) // across)

    def draw(figure: Any) -> None:
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(panels.ravel()):
            if place >= len(arms):
                axes.set_visible(False)
                continue
            for arm, style in zip(ends, ("--", "-."), strict=True):
                if arm in analysis.arms and analysis.arms[arm].curve:
                    ticks, _, mid, _ = _curve(analysis, arm)
                    axes.plot(ticks, mid, color=INK, alpha=0.55, linestyle=style, linewidth=1)
            ticks, low, mid, high = _curve(analysis, arms[place])
            axes.fill_between(ticks, low, high, color=BLUE, alpha=0.15, linewidth=0)
            axes.plot(ticks, mid, color=BLUE, linewidth=1.8)
            label = short(f"{arms[place]} {analysis.arms[arms[place]].label}", 30)
            axes.set_title(plain(label), fontsize=8.5, loc="left", color=INK)
            clean(axes)
        panels[0, 0].locator_params(axis="x", integer=True)
        figure.supxlabel("tick", fontsize=9, color=INK)
        figure.supylabel("unaided accuracy, %", fontsize=9, color=INK)

    return svg_figure(draw, 8.4, 1.0 + 1.55 * down, "panels")


def final_accuracy(analysis: Analysis) -> str | None:
    """Return every arm's accuracy on unseen cases with its interval."""
    if not analysis.arms:
        return None
    roles = analysis.config.analysis
    styles = _styles(analysis, [arm for arm in (*roles.primary, roles.naive) if arm])
    rows = [
        (f"{name}  {arm.label}", arm.metrics["test_accuracy"], styles.get(name, (INK, "-"))[0])
        for name, arm in analysis.arms.items()
    ]
    marks = [
        analysis.arms[arm].metrics["test_accuracy"].value
        for arm in (roles.floor, roles.ceiling)
        if arm in analysis.arms
    ]
    height = 0.9 + 0.29 * len(rows)
    return svg(lambda axes: dots(axes, rows, marks, "unaided accuracy on unseen cases, %"),
                7.6, height, "final")  # fmt: skip


def judge_accuracy(analysis: Analysis) -> str | None:
    """Return the judge's accuracy after each conversation, on each split."""
    rows = []
    colors = (BLUE, ORANGE)
    for name, by_split in analysis.conversations.items():
        for place, (split, found) in enumerate(by_split.items()):
            rows.append((f"{name}  ({split})", found.metrics["judge_accuracy"], colors[place % 2]))
    if not rows:
        return None
    height = 0.9 + 0.27 * len(rows)
    return svg(lambda axes: dots(axes, rows, [], "judge's verdict right, %"), 7.6, height, "judge")


def episodes(found: EpisodesAnalysis) -> str | None:
    """Return the compared measure of every set of episodes beside the references; None without."""
    if not found.results:
        return None
    main = next(iter(found.results.values())).main
    rows = [
        (one.label, one.found[main.name], BLUE)
        for one in found.results.values()
        if one.main == main
    ]
    marks = [found.references[name] for name in main.references if name in found.references]
    label = main.meaning + ", %" * main.share
    scale = 100.0 if main.share else 1.0
    height = 0.9 + 0.29 * len(rows)
    return svg(lambda axes: dots(axes, rows, marks, label, scale), 7.6, height, "episodes")


def calibration(analysis: Analysis) -> str | None:
    """Return calibration curves of the judges and of the compared students."""
    curves: list[tuple[str, CalibrationCurve]] = [
        (f"judge, {name}", analysis.conversation(name).calibration)
        for name in analysis.conversations
    ]
    curves += [
        (f"student {arm}", analysis.arms[arm].calibration)
        for arm in dict.fromkeys(
            (analysis.config.analysis.floor, *analysis.config.analysis.primary)
        )
        if arm in analysis.arms
    ]
    curves = [(name, curve) for name, curve in curves if curve.count.sum()]
    if not curves:
        return None
    across = min(4, len(curves))
    down = -(-len(curves) // across)

    def draw(figure: Any) -> None:
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(panels.ravel()):
            if place >= len(curves):
                axes.set_visible(False)
                continue
            _calibration_panel(axes, *curves[place])
        figure.supxlabel("stated confidence", fontsize=9, color=INK)
        figure.supylabel("share right", fontsize=9, color=INK)

    return svg_figure(draw, 8.4, 0.7 + 2.0 * down, "calibration")


# -- parts of figures -----------------------------------------------------------------------


def _styles(analysis: Analysis, chosen: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and line style of the arms that a figure names, ceiling first."""
    roles = analysis.config.analysis
    styles: dict[str, tuple[str, str]] = {}
    if roles.ceiling:
        styles[roles.ceiling] = (INK, "-.")
    for arm, color in zip(dict.fromkeys(chosen), (BLUE, VERMILLION, GREEN), strict=False):
        styles[arm] = (color, "-")
    if roles.floor:
        styles[roles.floor] = (PURPLE, "--")
    return styles


def _curve(analysis: Analysis, arm: str) -> tuple[np.ndarray, ...]:
    points = analysis.arms[arm].curve
    ticks = np.array([tick for tick, _ in points])
    return ticks, *(
        100 * np.array([number(getattr(point, end)) for _, point in points])
        for end in ("low", "value", "high")
    )


def _calibration_panel(axes: Any, name: str, curve: CalibrationCurve) -> None:
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=":", alpha=0.7)
    use = curve.count > 0
    axes.vlines(curve.confidence[use], curve.low[use], curve.high[use], color=BLUE, linewidth=1.2)
    size = 8 + 60 * curve.count[use] / curve.count.sum()
    axes.plot(curve.confidence[use], curve.accuracy[use], color=BLUE, linewidth=1, alpha=0.6)
    axes.scatter(curve.confidence[use], curve.accuracy[use], s=size, color=BLUE, zorder=3)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.set_title(
        f"{plain(short(name, 26))}\nerror {number(curve.ece.value):.3f}, n = {curve.ece.n}",
        fontsize=8.5, loc="left", color=INK,
    )  # fmt: skip
    clean(axes)
