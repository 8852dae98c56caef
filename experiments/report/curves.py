"""Curves over ticks, as drawings for any report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.analysis.estimate import Estimate
from experiments.report.drawing import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    end_labels,
    number,
    svg,
)


def lines_over_ticks(
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
            mid = [scale * number(point.value) for _, point in points]
            low = [scale * number(point.low) for _, point in points]
            high = [scale * number(point.high) for _, point in points]
            axes.fill_between(ticks, low, high, color=color, alpha=0.13, linewidth=0)
            axes.plot(ticks, mid, color=color, linestyle=style, marker="o", markersize=3)
            ends.append((mid[-1], name, color))
        end_labels(axes, ends, max(points[-1][0] for _, points in shown))
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("tick")
        axes.set_ylabel(label)

    return svg(draw, 7.6, 3.5, salt, right=0.74)
