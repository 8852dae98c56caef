"""Tables and report: readable, self-contained, and no place for a hostile text to act in."""

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from coordination.ledger.store import write_part
from coordination.messages import Delivery, Fault
from environments.cases import Split
from experiments.analysis.analysis import analyse
from experiments.analysis.estimate import Estimate
from experiments.analysis.summary import summarize_run
from experiments.config.load import resolved_yaml
from experiments.engine.build import build_environment
from experiments.report import drawing, figures
from experiments.report.cells import Cells, checks_table, conversations_table
from experiments.report.html import write_report
from experiments.report.tables import fitting, print_analysis, print_summary, rich_table
from experiments.runs.directory import RunDirectory
from tests.experiments.analysis import synthetic
from tests.experiments.analysis.synthetic import World, extra, ledger, scenario

HOSTILE = (
    '</div></style></svg><script>alert("x")</script><img src=x onerror=alert(1)>$\\frac{1}{2}$'
)
SMALL = World(teaching=24, curve=10, test=20, ticks=2, seeds=2)


def analysis_of(world, config=None):
    return analyse(ledger(world), config or scenario(world), extra(world))


def printed(world, width=132):
    out = io.StringIO()
    print_analysis(analysis_of(world), extra(world), Console(file=out, width=width))
    return out.getvalue()


def test_console_tables_fit_and_show_every_arm():
    text = printed(World())
    assert max(map(len, text.splitlines())) <= 132
    assert "…" not in text
    for shown in ("A0", "U2", "74.2 [", "(floor)", "(ceiling)", "holds", "illustrative"):
        assert shown in text
    assert re.search(r"A4 +debate +93\.0 \[|A4 +debate verdicts +93\.0 \[", text)


def test_console_of_a_scenario_without_arms_has_conversations_only():
    text = printed(World(learns=False))
    assert "Conversations" in text and "Arms" not in text and "Checks" not in text


def test_one_seed_shows_the_bootstrap_and_says_so():
    text = printed(World(seeds=1))
    assert "over cases (one seed)" in text and "]*" in text


def test_notes_say_what_a_reader_could_misread():
    found = analysis_of(SMALL)
    found.truth_spent["calibration"] = 1300
    out = io.StringIO()
    print_analysis(found, extra(SMALL), Console(file=out, width=400), brief=True)
    assert "warm start 200 and calibration 1 300, 1 500 in total" in out.getvalue().replace(
        "\u2009", " "
    )
    notes = conversations_table(found).notes
    assert any(note.startswith("ASD –, naive") for note in notes)
    assert not any("no verdict depended" in note for note in notes)
    for by_split in found.conversations.values():
        for one in by_split.values():
            one.metrics["verdict_stability"] = Estimate(1.0, 0.9, 1.0, 9)
    assert any("no verdict depended" in note for note in conversations_table(found).notes)
    checks = checks_table(found)
    assert "bootstrap over cases and 2 seeds" in checks.notes[0] and "+5 points" in checks.notes[0]


def test_rooms_whose_judge_heard_nothing_are_told():
    """Five debates of which no copy arrived, and one consultancy in which every speech failed."""
    tables, rooms = ledger(SMALL), {}
    for name in ("debate", "consultancy"):
        held = tables["rooms"]
        rooms[name] = held["room_id"][held["conversation"] == name]
    lost = np.isin(tables["deliveries"]["room_id"], rooms["debate"][:5])
    status = np.where(lost, int(Delivery.DROPPED), tables["deliveries"]["status"])
    failed = np.isin(tables["messages"]["room_id"], rooms["consultancy"][:1])
    fault = np.where(failed, int(Fault.ERROR), tables["messages"]["fault"])
    tables["deliveries"] = tables["deliveries"].with_(status=status)
    tables["messages"] = tables["messages"].with_(fault=fault)
    notes = conversations_table(analyse(tables, scenario(SMALL), extra(SMALL))).notes
    [told] = [note for note in notes if note.startswith("Judge heard nothing")]
    parts = [f"1 of {len(rooms['consultancy'])} rooms of consultancy"]
    parts.append(f"5 of {len(rooms['debate'])} rooms of debate")
    assert all(part in told for part in parts) and "naive" not in told
    assert not any(
        "heard nothing" in note for note in conversations_table(analysis_of(SMALL)).notes
    )


class Page(HTMLParser):
    """Collects tags and what they refer to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.external, self.handlers = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append((tag, name))
            local = (value or "").startswith(("#", "data:"))
            if name in ("src", "href", "xlink:href", "action") and not local:
                self.external.append((tag, name, value))


def make_run(path, world, monkeypatch, hostile=False):
    """Write a ledger of real cases as a finished run."""
    config = scenario(world)
    if hostile:
        config.description = HOSTILE
        config.arms["A4"].label = HOSTILE
    environment = build_environment(config)
    monkeypatch.setattr(
        synthetic, "case_ids",
        lambda w, split, replicate: environment.case_ids(Split(split), replicate)
        if w.learns or split == Split.TEACHING else np.empty(0, np.int64),
    )  # fmt: skip
    tables = ledger(world)
    if hostile:
        text = np.full(tables["messages"].n, HOSTILE, dtype=object)
        tables["messages"] = tables["messages"].with_(text=text)
    header = {"scenario": config.name, "versions": {"python": "3"}, "hardware": {"cores": 2}}
    with RunDirectory.create(path, resolved_yaml(config), header) as run:
        epoch = run.begin_epoch()
        for tick in range(world.ticks + 2):
            rows = {name: t.take(t["tick"] == tick) for name, t in tables.items()}
            rows = {name: t for name, t in rows.items() if t.n}
            parts = [write_part(run.ledger_root, tick, epoch, 0, 0, rows)] if rows else []
            run.commit(tick, parts, {"tick": tick}, None, extra(world))
        summary = summarize_run(run, wall_s=1.25)
        run.finish(summary)
    return summary


@pytest.mark.parametrize("world", [SMALL, World(**{**SMALL.__dict__, "learns": False})])
def test_a_run_directory_gives_summary_tables_and_report(tmp_path, monkeypatch, world):
    summary = make_run(tmp_path / "run", world, monkeypatch)
    out = io.StringIO()
    print_summary(tmp_path / "run", Console(file=out, width=132))
    assert "debate" in out.getvalue()
    written = write_report(tmp_path / "run")
    first = written.read_text("utf-8")
    assert written.name == "report.html" and summary["ledger_digest"] in first
    assert "Drawn by lot" in first and "1.2 s" in first
    with RunDirectory.open(tmp_path / "run") as run:
        again = summarize_run(run, wall_s=9.0)
        write_report(run)
    assert json.dumps(again["metrics"]) == json.dumps(summary["metrics"])
    assert written.read_text("utf-8") == first


def test_hostile_texts_stay_text(tmp_path, monkeypatch):
    make_run(tmp_path / "run", SMALL, monkeypatch, hostile=True)
    text = write_report(tmp_path / "run").read_text("utf-8")
    page = Page(text)
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "link", "form"}
    assert not page.handlers and not page.external
    assert text.count("&lt;script&gt;") > 4  # said in rooms, arm label, description
    assert "default-src 'none'" in text and "@import" not in text and "url(http" not in text


def test_figures_carry_unique_ids_and_follow_the_page():
    found = analysis_of(World(teaching=40, curve=20, test=40))
    drawn = [
        figures.learning_curve(found), figures.curve_panels(found), figures.final_accuracy(found),
        figures.judge_accuracy(found), figures.calibration(found),
    ]  # fmt: skip
    ids = [i for svg in drawn for i in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in drawn:
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
        assert used <= set(ids)
        assert "currentColor" in svg and drawing.INK not in svg and drawing.FAINT not in svg
    assert drawn[0] == figures.learning_curve(found)


def test_figures_without_their_data_are_left_out():
    plain = analysis_of(World(learns=False))
    assert figures.learning_curve(plain) is None and figures.final_accuracy(plain) is None
    assert figures.judge_accuracy(plain) is not None
    no_curve = analysis_of(World(curve=0, teaching=40, test=40))
    assert figures.learning_curve(no_curve) is None and figures.curve_panels(no_curve) is None
    assert figures.final_accuracy(no_curve) is not None


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_tables_lose_nothing_on_narrow_terminals(width):
    rows = (("A0", "no update", "67.0 [63.0, 70.5]", "+8.3 [+0.5, +16.1]", "11 400"),) * 2
    header = ("arm", "taught with something long", "unaided on unseen cases, %", "uplift", "truth")
    cells = Cells("Arms", header, rows, (2, 3, 4))
    parts = fitting(cells, width)
    shown = [name for part in parts for name in part.header]
    assert [name for name in shown if name != "arm"] == list(header[1:])
    for part in parts:
        console = Console(width=width, file=io.StringIO())
        console.print(rich_table(part))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "…" not in text
        assert all(cell in text for row in part.rows for cell in row)


def test_a_table_too_wide_is_cut_into_parts_of_like_width_by_its_longest_lines():
    header = ("name", *(f"first line of\na head {i}" for i in range(6)))
    cells = Cells("Wide", header, (("one", *("12.3 [1.0, 2.0]",) * 6),), tuple(range(1, 7)))
    width = sum([len("name") + 2, *[len("12.3 [1.0, 2.0]") + 2] * 6]) + 1
    assert len(fitting(cells, width)) == 1
    assert [len(part.header) - 1 for part in fitting(cells, width - 1)] == [3, 3]
    unlike = Cells("W", ("n", "a", "b"), (("x", "1" * 60, "2" * 70),), (1, 2))
    assert [part.header for part in fitting(unlike, 80)] == [("n", "a"), ("n", "b")]


def test_every_part_of_a_broken_table_repeats_all_its_keys():
    names = ("rounds", "words", *(f"protocol_{i}" for i in range(6)))
    row = ("3", "80", *("74.2 [69.0, 78.3]" for _ in range(6)))
    parts = fitting(Cells("t", names, (row,), tuple(range(2, 8)), keys=2), 60)
    assert len(parts) > 1 and all(part.header[:2] == ("rounds", "words") for part in parts)
    assert [name for part in parts for name in part.header[2:]] == list(names[2:])
