"""Drawing as inline SVG that follows the page: its font, its text colour, light or dark.

Drawn with Matplotlib's own objects, without its global state. Colours are those of Okabe and Ito
(2008), distinguishable with every form of colour blindness; lines differ in style as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from experiments.analysis.estimate import Estimate

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
INK, FAINT = "#0a0b0c", "#0d0e0f"
"""Stand-ins for the page's text and rule colours, replaced in the SVG."""


def number(value: float | None) -> float:
    """Return a number to draw, NaN for None."""
    return float("nan") if value is None else value


def dots(
    axes: Any,
    rows: Sequence[tuple[str, Estimate, str]],
    marks: Sequence[float | None],
    label: str,
    scale: float = 100.0,
) -> None:
    """Draw one estimate a row: (name, estimate, colour); ``marks`` are dotted lines.

    Numbers are multiplied by ``scale``, by default to per cent.
    """
    form = ".1f" if scale == 100.0 else ".2f"
    for place, (_, estimate, color) in enumerate(rows):
        if estimate.value is None:
            continue
        low, high = number(estimate.low), number(estimate.high)
        axes.plot([scale * low, scale * high], [place, place], color=color, linewidth=2, alpha=0.85)
        axes.plot(scale * estimate.value, place, "o", color=color, markersize=5.5)
        axes.annotate(
            f"{scale * estimate.value:{form}}", (1.015, place), xycoords=("axes fraction", "data"),
            va="center", fontsize=8.5, color=INK, annotation_clip=False,
        )  # fmt: skip
    for mark in marks:
        if mark is not None:
            axes.axvline(scale * mark, color=INK, linewidth=0.9, linestyle=":", alpha=0.6)
    axes.set_yticks(range(len(rows)), [plain(short(name, 42)) for name, _, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)


def end_labels(axes: Any, ends: Sequence[tuple[float, str, str]], x: float) -> None:
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
            f"{plain(short(name, 34))}  {value:.1f}", (x, value), xytext=(1.03, y),
            textcoords=("axes fraction", "data"), va="center", fontsize=8.5, color=color,
            annotation_clip=False,
        )  # fmt: skip


def clean(axes: Any) -> None:
    """Give axes the look of the page."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8, width=0.6)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.xaxis.label.set_size(9)
    axes.yaxis.label.set_size(9)


def short(text: str, width: int) -> str:
    """Return a text cut to a width."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Keep a name from being read as mathematics."""
    return text.replace("$", r"\$")


def svg(
    draw: Callable[[Any], None], width: float, height: float, salt: str, right: float | None = None
) -> str:
    """Return a figure of one axes; ``right`` leaves room for labels at the ends of lines."""

    def on_figure(figure: Any) -> None:
        axes = figure.subplots()
        draw(axes)
        clean(axes)
        if axes.get_yticklabels() and not axes.yaxis.get_label_text():
            axes.grid(axis="y", visible=False)
        if right is not None:
            figure.subplots_adjust(left=0.08, right=right, bottom=0.14, top=0.97)

    return svg_figure(on_figure, width, height, salt, tight=right is None)


def svg_figure(
    draw: Callable[[Any], None], width: float, height: float, salt: str, tight: bool = True
) -> str:
    """Return a figure that ``draw`` fills, in inches; ``salt`` keeps ids apart in one page."""
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
    element = element.replace(INK, "currentColor").replace(FAINT, "var(--rule)")
    element = element.replace(BLUE.lower(), "var(--accent)")
    return element.strip()
