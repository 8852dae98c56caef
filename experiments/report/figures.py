"""Figures as inline SVG that follows the page: its font, its text colour, light or dark.

Drawn with Matplotlib's own objects, without its global state. Colours are those of Okabe and Ito
(2008), distinguishable with every form of colour blindness; lines differ in style as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.analysis.analysis import Analysis
from experiments.analysis.estimate import Estimate
from experiments.analysis.metrics import CalibrationCurve

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
_INK, _FAINT = "#0a0b0c", "#0d0e0f"
"""Stand-ins for the page's text and rule colours, replaced in the SVG."""


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
        _end_labels(axes, ends, ticks[-1])
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("tick (0: after the warm start)")
        axes.set_ylabel("unaided accuracy, %")

    return _svg(draw, 7.6, 3.7, "curve", right=0.70)


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
                    axes.plot(ticks, mid, color=_INK, alpha=0.55, linestyle=style, linewidth=1)
            ticks, low, mid, high = _curve(analysis, arms[place])
            axes.fill_between(ticks, low, high, color=BLUE, alpha=0.15, linewidth=0)
            axes.plot(ticks, mid, color=BLUE, linewidth=1.8)
            label = _short(f"{arms[place]} {analysis.arms[arms[place]].label}", 30)
            axes.set_title(_plain(label), fontsize=8.5, loc="left", color=_INK)
            _clean(axes)
        panels[0, 0].locator_params(axis="x", integer=True)
        figure.supxlabel("tick", fontsize=9, color=_INK)
        figure.supylabel("unaided accuracy, %", fontsize=9, color=_INK)

    return _svg_figure(draw, 8.4, 1.0 + 1.55 * down, "panels")


def final_accuracy(analysis: Analysis) -> str | None:
    """Return every arm's accuracy on unseen cases with its interval."""
    if not analysis.arms:
        return None
    roles = analysis.config.analysis
    styles = _styles(analysis, [arm for arm in (*roles.primary, roles.naive) if arm])
    rows = [
        (f"{name}  {arm.label}", arm.metrics["test_accuracy"], styles.get(name, (_INK, "-"))[0])
        for name, arm in analysis.arms.items()
    ]
    marks = [
        analysis.arms[arm].metrics["test_accuracy"].value
        for arm in (roles.floor, roles.ceiling)
        if arm in analysis.arms
    ]
    height = 0.9 + 0.29 * len(rows)
    return _svg(lambda axes: _dots(axes, rows, marks, "unaided accuracy on unseen cases, %"),
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
    return _svg(
        lambda axes: _dots(axes, rows, [], "judge's verdict right, %"), 7.6, height, "judge"
    )


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
        figure.supxlabel("stated confidence", fontsize=9, color=_INK)
        figure.supylabel("share right", fontsize=9, color=_INK)

    return _svg_figure(draw, 8.4, 0.7 + 2.0 * down, "calibration")


def lines(
    curves: Sequence[tuple[str, Sequence[tuple[int, Estimate]]]],
    label: str,
    salt: str,
    scale: float = 100.0,
) -> str | None:
    """Return curves over ticks with their intervals, named at their ends; None without a point.

    Args:
        curves: Name to points (tick, estimate); points without a value are left out.
        label: What is measured, with its unit.
        salt: Makes ids unique in the page.
        scale: Values are shown times this.
    """
    shown = [
        (name, [(tick, point) for tick, point in points if point.value is not None])
        for name, points in curves
    ]
    shown = [(name, points) for name, points in shown if points]
    if not shown:
        return None
    colors = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)

    def draw(axes: Any) -> None:
        ends = []
        for place, (name, points) in enumerate(shown):
            color, style = (
                colors[place % len(colors)],
                ("-", "--", "-.", ":")[place // len(colors) % 4],
            )
            ticks = [tick for tick, _ in points]
            mid = [scale * _number(point.value) for _, point in points]
            low = [scale * _number(point.low) for _, point in points]
            high = [scale * _number(point.high) for _, point in points]
            axes.fill_between(ticks, low, high, color=color, alpha=0.13, linewidth=0)
            axes.plot(ticks, mid, color=color, linestyle=style, marker="o", markersize=3)
            ends.append((mid[-1], name, color))
        _end_labels(axes, ends, max(points[-1][0] for _, points in shown))
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("tick")
        axes.set_ylabel(label)

    return _svg(draw, 7.6, 3.5, salt, right=0.74)


# -- parts of figures -----------------------------------------------------------------------


def _styles(analysis: Analysis, chosen: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and line style of the arms that a figure names, ceiling first."""
    roles = analysis.config.analysis
    styles: dict[str, tuple[str, str]] = {}
    if roles.ceiling:
        styles[roles.ceiling] = (_INK, "-.")
    for arm, color in zip(dict.fromkeys(chosen), (BLUE, VERMILLION, GREEN), strict=False):
        styles[arm] = (color, "-")
    if roles.floor:
        styles[roles.floor] = (PURPLE, "--")
    return styles


def _curve(analysis: Analysis, arm: str) -> tuple[np.ndarray, ...]:
    points = analysis.arms[arm].curve
    ticks = np.array([tick for tick, _ in points])
    return ticks, *(
        100 * np.array([_number(getattr(point, end)) for _, point in points])
        for end in ("low", "value", "high")
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _dots(
    axes: Any,
    rows: Sequence[tuple[str, Estimate, str]],
    marks: Sequence[float | None],
    label: str,
) -> None:
    for place, (_, estimate, color) in enumerate(rows):
        if estimate.value is None:
            continue
        low, high = _number(estimate.low), _number(estimate.high)
        axes.plot([100 * low, 100 * high], [place, place], color=color, linewidth=2, alpha=0.85)
        axes.plot(100 * estimate.value, place, "o", color=color, markersize=5.5)
        axes.annotate(
            f"{100 * estimate.value:.1f}", (1.015, place), xycoords=("axes fraction", "data"),
            va="center", fontsize=8.5, color=_INK, annotation_clip=False,
        )  # fmt: skip
    for mark in marks:
        if mark is not None:
            axes.axvline(100 * mark, color=_INK, linewidth=0.9, linestyle=":", alpha=0.6)
    axes.set_yticks(range(len(rows)), [_plain(_short(name, 42)) for name, _, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)


def _calibration_panel(axes: Any, name: str, curve: CalibrationCurve) -> None:
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.9, linestyle=":", alpha=0.7)
    use = curve.count > 0
    axes.vlines(curve.confidence[use], curve.low[use], curve.high[use], color=BLUE, linewidth=1.2)
    size = 8 + 60 * curve.count[use] / curve.count.sum()
    axes.plot(curve.confidence[use], curve.accuracy[use], color=BLUE, linewidth=1, alpha=0.6)
    axes.scatter(curve.confidence[use], curve.accuracy[use], s=size, color=BLUE, zorder=3)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.set_title(
        f"{_plain(_short(name, 26))}\nerror {_number(curve.ece.value):.3f}, n = {curve.ece.n}",
        fontsize=8.5, loc="left", color=_INK,
    )  # fmt: skip
    _clean(axes)


def _end_labels(axes: Any, ends: Sequence[tuple[float, str, str]], x: float) -> None:
    """Write labels at the ends of lines, moved apart so that none covers another."""
    low, high = axes.get_ylim()
    step = (high - low) * 0.062
    order = sorted(range(len(ends)), key=lambda i: ends[i][0])
    places: list[float] = []
    for i in order:
        places.append(max(ends[i][0], places[-1] + step) if places else ends[i][0])
    for i, y in zip(order, places, strict=True):
        value, name, color = ends[i]
        axes.annotate(
            f"{_plain(_short(name, 34))}  {value:.1f}", (x, value), xytext=(1.03, y),
            textcoords=("axes fraction", "data"), va="center", fontsize=8.5, color=color,
            annotation_clip=False,
        )  # fmt: skip


def _clean(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=8, width=0.6)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.xaxis.label.set_size(9)
    axes.yaxis.label.set_size(9)


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def _plain(text: str) -> str:
    """Keep a name from being read as mathematics."""
    return text.replace("$", r"\$")


def _svg(
    draw: Callable[[Any], None], width: float, height: float, salt: str, right: float | None = None
) -> str:
    def on_figure(figure: Any) -> None:
        axes = figure.subplots()
        draw(axes)
        _clean(axes)
        if axes.get_yticklabels() and not axes.yaxis.get_label_text():
            axes.grid(axis="y", visible=False)
        if right is not None:
            figure.subplots_adjust(left=0.08, right=right, bottom=0.14, top=0.97)

    return _svg_figure(on_figure, width, height, salt, tight=right is None)


def _svg_figure(
    draw: Callable[[Any], None], width: float, height: float, salt: str, tight: bool = True
) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"facilitate.{salt}",
        "font.family": "sans-serif",
        "font.size": 9.0,
        "text.usetex": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained" if tight else None)
        figure.patch.set_alpha(0.0)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0.0)
        out = io.StringIO()
        metadata: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", metadata=metadata)
    return _inline(out.getvalue(), salt)


def _inline(document: str, salt: str) -> str:
    """Return the ``svg`` element alone, its ids unique in the page, its inks those of the page."""
    element = document[document.index("<svg") :]
    head, rest = element.split(">", 1)
    box = head[head.index('viewBox="') + 9 :].split('"')[0]
    for name in ('id="', 'href="#', "url(#"):
        rest = rest.replace(name, f"{name}{salt}-")
    element = f'<svg viewBox="{box}" xmlns="http://www.w3.org/2000/svg" role="img">{rest}'
    element = element.replace("xlink:href", "href")
    element = element.replace(_INK, "currentColor").replace(_FAINT, "var(--rule)")
    element = element.replace(BLUE.lower(), "var(--accent)")
    return element.strip()
