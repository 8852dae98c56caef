"""Whatever moment the driver dies at, the resumed run is the undisturbed run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from environments.core.errors import RunError
from experiments.runs.commit import COMMIT_POINTS
from experiments.runs.directory import RESUME_POINTS, RunDirectory
from tests.experiments.runs.driver import CONFIG, HEADER, TICKS, CrashError, crash_at, drive

ALWAYS = [p for p in COMMIT_POINTS if p not in ("mid_snapshot_check", "mid_cleanup")]
CASES = (
    [(point, tick) for point in ALWAYS for tick in (0, 4, 5)]
    + [("mid_snapshot_check", tick) for tick in (1, 5)]
    + [("mid_cleanup", 5)]
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    with RunDirectory.create(path, CONFIG, HEADER) as run:
        state = drive(run)
    return RunDirectory.open(path), state


def files(run: RunDirectory) -> set[str]:
    """Files of a run, without the epoch that wrote them."""
    found = {str(p.relative_to(run.path)) for p in run.path.rglob("*") if p.is_file()}
    return {
        name.replace("epoch-0002", "epoch-0001").replace("epoch-0003", "epoch-0001")
        for name in found
    }


def assert_same(path: Path, undisturbed: tuple[RunDirectory, str], state: str) -> None:
    run, (other, other_state) = RunDirectory.open(path), undisturbed
    assert run.status == "complete" and state == other_state
    assert run.ledger_digest == other.ledger_digest
    assert (run.path / "metrics.jsonl").read_bytes() == (other.path / "metrics.jsonl").read_bytes()
    assert run.summary() == other.summary()
    checked = run.verify()
    assert checked.equal and checked.first_difference is None and checked.ticks == TICKS
    assert files(run) == files(other)


def test_points_are_enough_and_named_once():
    assert len(COMMIT_POINTS) == len(set(COMMIT_POINTS)) >= 12


def test_every_point_is_announced_in_order(tmp_path):
    heard: dict[int, list[str]] = {}
    now = [0]
    with RunDirectory.create(tmp_path / "run", CONFIG, HEADER) as run:
        drive(run, lambda name: heard.setdefault(now[0], []).append(name), now)
    assert heard[4] == ALWAYS
    assert heard[5] == list(COMMIT_POINTS)


@pytest.mark.parametrize(("point", "tick"), CASES)
def test_a_driver_that_dies_at_any_point_resumes_to_the_same_run(
    tmp_path, undisturbed, point, tick
):
    path = tmp_path / "run"
    now = [0]
    with RunDirectory.create(path, CONFIG, HEADER) as run, pytest.raises(CrashError):
        drive(run, crash_at(point, tick, now), now)
    crashed = RunDirectory.open(path)
    visible = COMMIT_POINTS.index(point) >= COMMIT_POINTS.index("after_replace")
    assert crashed.last_tick == (tick if visible else (tick - 1 if tick else None))
    assert crashed.verify().equal
    assert len(crashed.metrics()) == tick + visible
    with crashed:
        state = drive(crashed)
    assert_same(path, undisturbed, state)


@pytest.mark.parametrize("point", RESUME_POINTS)
def test_a_driver_that_dies_while_resuming_resumes_again(tmp_path, undisturbed, point):
    path = tmp_path / "run"
    now = [0]
    with RunDirectory.create(path, CONFIG, HEADER) as run, pytest.raises(CrashError):
        drive(run, crash_at("before_replace", 4, now), now)
    reached = []
    with RunDirectory.open(path) as run, pytest.raises(CrashError):
        run.truncate_to_last_snapshot(
            lambda name: reached.append(name) or crash_at(point, 4, now)(name)
        )
    assert reached[-1] == point
    with RunDirectory.open(path) as run:
        state = drive(run)
    assert_same(path, undisturbed, state)


def test_a_killed_process_leaves_a_run_that_resumes_and_a_free_lock(tmp_path, undisturbed):
    path = tmp_path / "run"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiments.runs.driver", str(path), "mid_manifest_tmp", "4"],
        cwd=root,
        timeout=120,
        check=False,
    )
    assert done.returncode == -9
    assert list(path.glob(".manifest.json.*.tmp"))
    with RunDirectory.open(path) as run:
        state = drive(run)
    assert_same(path, undisturbed, state)


def test_a_driver_that_goes_on_after_a_failed_commit_gets_the_same_run(tmp_path, undisturbed):
    """The same object, without opening again."""
    path = tmp_path / "run"
    now = [0]
    with RunDirectory.create(path, CONFIG, HEADER) as run:
        for point in ("mid_metrics", "after_replace"):
            with pytest.raises(CrashError):
                drive(run, crash_at(point, 4, now), now)
        state = drive(run)
    assert_same(path, undisturbed, state)


def test_without_a_snapshot_the_run_starts_from_its_beginning(tmp_path):
    now = [0]
    with RunDirectory.create(tmp_path / "run", CONFIG, HEADER) as run:
        with pytest.raises(CrashError):
            drive(run, crash_at("before_replace", 1, now), now)
        assert run.truncate_to_last_snapshot() is None
        assert run.last_tick is None and run.metrics() == []
        assert (run.path / "metrics.jsonl").stat().st_size == 0
        assert not list(run.ledger_root.glob("*/*"))


def test_a_damaged_snapshot_is_passed_over_for_the_one_before(tmp_path, undisturbed):
    path = tmp_path / "run"
    now = [0]
    with RunDirectory.create(path, CONFIG, HEADER) as run, pytest.raises(CrashError):
        drive(run, crash_at("before_replace", 4, now), now)
    with RunDirectory.open(path) as run:
        newest = run.manifest.snapshots[-1]
        assert newest.tick == 3
        (run.checkpoint_root / newest.folder / newest.files[0].name).unlink()
        point = run.truncate_to_last_snapshot()
        assert point is not None and point.tick == 1 and run.last_tick == 1
        assert point.extra == {"spent": 1} and point.ledger_digest == run.ledger_digest
        state = drive(run)
    assert_same(path, undisturbed, state)


def test_a_missing_ledger_file_or_a_changed_config_stops_a_resume(tmp_path):
    path = tmp_path / "run"
    now = [0]
    with RunDirectory.create(path, CONFIG, HEADER) as run, pytest.raises(CrashError):
        drive(run, crash_at("before_replace", 4, now), now)
    before = (path / "manifest.json").read_bytes()
    (path / "config.yaml").write_text(CONFIG + "ticks: 9\n")
    with RunDirectory.open(path) as run, pytest.raises(RunError, match="config.yaml: was changed"):
        run.truncate_to_last_snapshot()
    (path / "config.yaml").write_text(CONFIG)
    gone = RunDirectory.open(path).tick_parts()[0].files["rooms"]
    (path / "ledger" / gone).unlink()
    with RunDirectory.open(path) as run, pytest.raises(RunError, match="not found"):
        run.truncate_to_last_snapshot()
    assert (path / "manifest.json").read_bytes() == before


def test_only_the_newest_snapshots_are_kept(undisturbed):
    run, _ = undisturbed
    assert [snapshot.tick for snapshot in run.manifest.snapshots] == [3, 5]
    assert sorted(p.name for p in run.checkpoint_root.iterdir()) == [
        "tick-000003-epoch-0001-attempt-00",
        "tick-000005-epoch-0001-attempt-00",
    ]


def test_manifest_is_plain_json_with_a_line_a_tick(undisturbed):
    run, _ = undisturbed
    text = (run.path / "manifest.json").read_text()
    plain = json.loads(text)
    assert list(plain) == sorted(plain)
    assert len(text.splitlines()) == TICKS + 2
    assert plain["header"] == HEADER and plain["epoch"] == 1 and plain["status"] == "complete"
