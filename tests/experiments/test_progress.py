"""What is shown while a run goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.progress import (
    BLOCKS,
    NullProgress,
    PlainProgress,
    RichProgress,
    choose_progress,
    sparkline,
)

ARMS = {"floor": "no update", "debate": "debate verdicts", "ceiling": "truth"}


def drive(progress) -> None:
    progress.stage("opening runtime")
    progress.start(4, ARMS)
    for tick in range(5):
        progress.stage(f"tick {tick}: conversations")
        measured = tick % 2 == 0
        curve = {"floor": 0.5, "debate": 0.5 + 0.05 * tick, "ceiling": 0.5 + 0.1 * tick}
        progress.tick(
            tick,
            curve if measured else dict.fromkeys(curve),
            {"debate": 0.8} if tick else {},
            {"rooms/s": 812.3},
        )
    progress.finish()
    progress.finish()


def text_of(progress: RichProgress, width: int, height: int = 40) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, height=height).print(progress.render())
    return file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], BLOCKS[0] + BLOCKS[-1]),
        ([0.0, 0.5, 1.0], BLOCKS[0] + BLOCKS[4] + BLOCKS[-1]),
        ([-3.0, 9.0], BLOCKS[0] + BLOCKS[-1]),
        ([], ""),
    ],
)
def test_a_sparkline_is_a_scale(values, expected):
    assert sparkline(values, 0.0, 1.0) == expected


def test_a_flat_curve_has_no_range():
    assert sparkline([0.5, 0.5], 0.5, 0.5) == BLOCKS[3] * 2


def test_lines_for_logs():
    file = io.StringIO()
    drive(PlainProgress(Console(file=file, width=40)))
    lines = file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()
    ticks = [line for line in lines if "students" in line]
    assert len(ticks) == 3  # one per point of the curve
    assert "tick 4/4" in ticks[-1]
    assert "floor 0.500 debate 0.700 ceiling 0.900" in ticks[-1]
    assert "judges debate 0.800" in ticks[-1]
    assert sum("conversations" in line for line in lines) == 1  # a stage is said once


def test_a_run_without_learning_reports_every_tick():
    file = io.StringIO()
    progress = PlainProgress(Console(file=file))
    progress.start(2, {})
    for tick in range(3):
        progress.tick(tick, {}, {"debate": 0.9}, {})
    assert file.getvalue().count("tick ") == 3


def test_the_live_display_fits_a_hundred_columns_and_says_what_matters():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
    progress = RichProgress(console, "floor", "ceiling", ["debate", "floor"])
    drive(progress)
    lines = text_of(progress, 100)
    assert max(map(len, lines)) <= 100
    page = "\n".join(lines)
    assert "from 0.500 ▁ to 0.900 █" in page
    rows = {name: next(line for line in lines if name in line) for name in ARMS.values()}
    assert "▁▃▄" in rows["debate verdicts"] and "+0.200" in rows["debate verdicts"]
    assert "▁▄█" in rows["truth"] and "(ceiling)" in rows["truth"] and "+0.400" in rows["truth"]
    assert "▁▁▁" in rows["no update"] and "(floor)" in rows["no update"]
    assert page.index("debate verdicts") < page.index("no update") < page.index("truth")
    assert "judges" in page and "0.800" in page and "rooms/s 812.3" in page


def test_a_low_terminal_shows_the_arms_in_focus_and_counts_the_rest():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=12)
    progress = RichProgress(console, focus=["arm 9"])
    arms = {f"arm {i}": f"label {i}" for i in range(10)}
    progress.start(1, arms)
    progress.tick(0, dict.fromkeys(arms, 0.5), {}, {})
    progress.finish()
    page = "\n".join(text_of(progress, 100, 12))
    assert "label 9" in page and "label 0" in page and "label 8" not in page
    assert "and 6 more arms" in page


def test_labels_are_text_not_markup():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    progress = RichProgress(console)
    progress.start(1, {"a": "[red]x[/red]"})
    progress.stage("[bold]stage")
    progress.tick(0, {"a": 0.5}, {}, {})
    progress.finish()
    page = "\n".join(text_of(progress, 100))
    assert "[red]x[/red]" in page and "[bold]stage" in page


def test_the_display_fits_where_it_is_shown():
    terminal = Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(choose_progress(terminal), RichProgress)
    assert isinstance(choose_progress(Console(file=io.StringIO())), PlainProgress)
    drive(NullProgress())
