import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from coordination.ledger import files
from coordination.ledger.digest import GENESIS, chain, tick_digest
from coordination.ledger.schema import TABLES
from coordination.ledger.store import write_part
from environments.core.errors import DataError, RunError
from experiments.runs import commit, lock
from experiments.runs.directory import RunDirectory
from experiments.runs.snapshots import SnapshotInfo, write_snapshot_file
from tests.coordination.ledger.tables import make_tick, of_blocks
from tests.experiments.runs.driver import CONFIG, HEADER, CrashError, crash_at, drive


class FaultyOs:
    """The os module, with a disk that is full after some bytes or that is read-only."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        if self.room is None:
            return os.write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "injected")
        done = os.write(fd, data[: min(len(data), self.room, 4096)])
        self.room -= done
        return done

    def open(self, path, flags, mode=0o777):
        if self.room is None and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "injected")
        return os.open(path, flags, mode)


@pytest.fixture
def run(tmp_path):
    with RunDirectory.create(tmp_path / "a" / "run", CONFIG, HEADER) as run:
        yield run


def committed(run: RunDirectory, tick: int = 0) -> None:
    part = write_part(run.ledger_root, tick, run.epoch, 0, 0, make_tick(tick))
    run.commit(tick, [part], {"tick": tick})


def test_create_lays_out_a_run_and_open_reads_it(run):
    again = RunDirectory.open(run.path)
    assert again.config_yaml == CONFIG and dict(again.header) == HEADER
    assert (again.epoch, again.status, again.last_tick) == (0, "running", None)
    assert again.ledger_digest == GENESIS and again.tick_parts() == [] and again.metrics() == []
    assert again.read("rooms").n == 0 and again.verify().equal


def test_a_used_or_unusable_path_is_refused_and_left_alone(run, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunError, match="exists and is not empty"):
        RunDirectory.create(run.path, CONFIG, HEADER)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RunError, match="exists and is not a folder"):
        RunDirectory.create(file, CONFIG, HEADER)
    with pytest.raises(RunError, match="cannot write .Not a directory"):
        RunDirectory.create(file / "below", CONFIG, HEADER)
    with pytest.raises(RunError, match="keep_snapshots: 0 given"):
        RunDirectory.create(tmp_path / "new", CONFIG, HEADER, keep_snapshots=0)
    with pytest.raises(RunError, match=r"header.speed: nan cannot be written as JSON"):
        RunDirectory.create(tmp_path / "new" / "er", CONFIG, {"speed": float("nan")})
    assert sorted(tmp_path.rglob("*")) == sorted([*before, file])


def test_an_empty_folder_may_become_a_run(tmp_path):
    (tmp_path / "run").mkdir()
    RunDirectory.create(tmp_path / "run", CONFIG, HEADER).close()
    assert RunDirectory.open(tmp_path / "run").status == "running"


def test_a_create_that_fails_leaves_nothing(tmp_path, monkeypatch):
    size = len(CONFIG)
    for room in (0, 3, size, size + 40):
        monkeypatch.setattr(files, "os", FaultyOs(room))
        with pytest.raises(RunError, match="No space left on device"):
            RunDirectory.create(tmp_path / "deep" / "run", CONFIG, HEADER)
        assert not (tmp_path / "deep").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="No space left on device"):
        RunDirectory.create(tmp_path / "mine", CONFIG, HEADER)
    assert list((tmp_path / "mine").iterdir()) == []
    monkeypatch.undo()
    RunDirectory.create(tmp_path / "deep" / "run", CONFIG, HEADER).close()


def damaged(path: Path, **changes) -> None:
    plain = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**plain, **changes}))


def test_what_is_no_run_is_refused_with_one_clear_line(run, tmp_path):
    run.begin_epoch()
    committed(run)
    path = run.path
    manifest = (path / "manifest.json").read_text()
    cases = [
        (lambda: damaged(path, format=2), "newer version .format 2, this version reads up to 1"),
        (lambda: damaged(path, ledger_format=7), "newer version .ledger_format 7"),
        (lambda: damaged(path, format="one"), "corrupt manifest, no 'format'"),
        (lambda: damaged(path, status="odd"), "corrupt manifest"),
        (lambda: damaged(path, ticks=[{}]), "corrupt manifest"),
        (lambda: damaged(path, ticks=[]), "digests of its ticks do not chain"),
        (lambda: (path / "manifest.json").write_text(manifest[:-20]), "corrupt manifest, not JSON"),
        (lambda: (path / "manifest.json").write_text("[]"), "corrupt manifest"),
        (lambda: (path / "manifest.json").unlink(), "not a run directory, or incomplete"),
    ]
    for damage, message in cases:
        (path / "manifest.json").write_text(manifest)
        damage()
        with pytest.raises(RunError, match=message) as error:
            RunDirectory.open(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
    (path / "manifest.json").write_text(manifest)
    (path / "config.yaml").unlink()
    with pytest.raises(RunError, match="incomplete run directory, config.yaml is missing"):
        RunDirectory.open(path)
    with pytest.raises(RunError, match="no such run directory"):
        RunDirectory.open(tmp_path / "nowhere")


def test_a_commit_chains_the_digests_of_its_blocks(run):
    epoch = run.begin_epoch()
    tables = make_tick(4)
    parts = [
        write_part(run.ledger_root, 4, epoch, 0, 1, of_blocks(tables, [0, 3])),
        write_part(run.ledger_root, 4, epoch, 0, 0, of_blocks(tables, [1, 2, 4, 5])),
    ]
    blocks = {(b, t): d for p in parts for b, by in p.digests.items() for t, d in by.items()}
    digest = run.commit(4, parts, {"tick": 4, "loss": None}, extra={"spent": 3})
    assert digest == run.ledger_digest == chain(GENESIS, 4, tick_digest(blocks))
    again = RunDirectory.open(run.path)
    assert again.ledger_digest == digest and again.metrics() == [{"tick": 4, "loss": None}]
    assert again.read("rooms", ["room_id"])["room_id"].tolist() == list(range(4000, 4024))
    assert [part.part for part in again.tick_parts()] == [0, 1]
    assert (run.path / "metrics.jsonl").read_bytes() == b'{"loss":null,"tick":4}\n'


def test_parts_that_do_not_belong_are_refused(run):
    with pytest.raises(RunError, match="commit before begin_epoch"):
        run.commit(0, [], {})
    run.begin_epoch()
    tables = make_tick(0)
    late = write_part(run.ledger_root, 0, run.epoch, 0, 0, tables)
    run.begin_epoch()
    with pytest.raises(RunError, match="part 0 is of tick 0, epoch 1; expected tick 0, epoch 2"):
        run.commit(0, [late], {})
    fresh = [write_part(run.ledger_root, 0, 2, 0, part, tables) for part in (0, 1)]
    with pytest.raises(RunError, match="rows of block 0 of decisions in two parts"):
        run.commit(0, fresh, {})
    with pytest.raises(RunError, match=r"two parts of the same number: \[0, 0\]"):
        run.commit(0, [fresh[0], fresh[0]], {})
    with pytest.raises(RunError, match="expected tick 1"):
        run.commit(1, fresh[:1], {})
    path = run.ledger_root / fresh[0].files["rooms"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match=f"{path.name}: .* bytes, .* expected"):
        run.commit(0, fresh[:1], {})
    path.unlink()
    with pytest.raises(RunError, match="do all hosts write to the same storage"):
        run.commit(0, fresh[:1], {})
    assert RunDirectory.open(run.path).last_tick is None
    run.commit(0, fresh[1:], {})
    with pytest.raises(RunError, match="tick 0 is committed already"):
        run.commit(0, fresh[1:], {})


def test_a_snapshot_that_is_not_whole_is_refused(run):
    epoch = run.begin_epoch()
    file = write_snapshot_file(run.checkpoint_root / "s", "x", {"g": {"a": np.ones(3)}})
    with pytest.raises(RunError, match="snapshot of tick 1 given to commit of tick 0"):
        run.commit(0, [], {}, SnapshotInfo.of(1, "s", [file]))
    with pytest.raises(RunError, match="not found"):
        run.commit(0, [], {}, SnapshotInfo.of(0, "elsewhere", [file]))
    assert RunDirectory.open(run.path).last_tick is None and epoch == 1


def test_numbers_that_json_lacks_are_refused_by_name(run):
    run.begin_epoch()
    with pytest.raises(RunError, match=r"metrics of tick 0.arms.A1\[1\]: nan cannot be written"):
        run.commit(0, [], {"arms": {"A1": [0.5, np.float64("nan")]}})
    with pytest.raises(RunError, match="state of tick 0.x: a set cannot be written"):
        run.commit(0, [], {}, extra={"x": {1}})
    with pytest.raises(RunError, match="summary.json.metrics.pgr.value: inf"):
        run.finish({"metrics": {"pgr": {"value": float("inf")}}})
    assert run.status == "running" and not (run.path / "summary.json").exists()
    run.commit(0, [], {"n": np.int64(3), "x": np.float32(0.5), "v": np.arange(2), "t": (1,)})
    assert run.metrics() == [{"n": 3, "x": 0.5, "v": [0, 1], "t": [1]}]


def test_a_complete_run_is_closed_to_writers(run):
    run.begin_epoch()
    with pytest.raises(RunError, match="not complete, it has no summary yet"):
        run.summary()
    run.finish({"b": 1, "a": None})
    assert (run.path / "summary.json").read_text() == '{\n  "a": null,\n  "b": 1\n}\n'
    again = RunDirectory.open(run.path)
    assert again.summary() == {"a": None, "b": 1} and again.status == "complete"
    for write in (
        lambda: run.commit(0, [], {}),
        run.begin_epoch,
        run.truncate_to_last_snapshot,
        lambda: run.finish({}),
    ):
        with pytest.raises(RunError, match="the run is complete, cannot"):
            write()


def test_verify_finds_the_tick_that_was_tampered_with(run):
    run.begin_epoch()
    for tick in range(3):
        committed(run, tick)
    assert run.verify().rows == 3 * len(TABLES) * 24
    path = run.ledger_root / run.tick_parts()[1].files["scores"]
    table = pq.ParquetFile(path).read()
    brier = table.column("brier").to_numpy().copy()
    brier[7] += 1e-9
    index = table.column_names.index("brier")
    pq.write_table(table.set_column(index, "brier", [brier]), path)
    checked = RunDirectory.open(run.path).verify()
    assert not checked.equal and checked.first_difference == 1
    assert checked.recorded == run.ledger_digest != checked.recomputed
    path.unlink()
    with pytest.raises(DataError, match=f"{path.name}: ledger file is missing"):
        run.verify()


def test_metrics_that_lost_committed_bytes_are_an_error(run):
    run.begin_epoch()
    file = write_snapshot_file(run.checkpoint_root / "s", "x", {"g": {"a": np.ones(3)}})
    run.commit(0, [], {"tick": 0}, SnapshotInfo.of(0, "s", [file]))
    (run.path / "metrics.jsonl").write_bytes(b"{}\n")
    for use in (run.metrics, run.truncate_to_last_snapshot, lambda: run.commit(1, [], {})):
        with pytest.raises(RunError, match="metrics.jsonl: .*11 .*committed"):
            use()
    assert RunDirectory.open(run.path).last_tick == 0


def test_two_drivers_cannot_write_one_run(run):
    other = RunDirectory.open(run.path)
    with pytest.raises(RunError, match=rf"another process writes this run .pid {os.getpid()} on"):
        other.begin_epoch()
    assert other.metrics() == []  # reading needs no lock
    run.close()
    assert other.begin_epoch() == 1
    with pytest.raises(RunError, match="another process"):
        run.begin_epoch()
    other.close()


def test_a_driver_that_was_replaced_cannot_commit(run):
    run.begin_epoch()
    run.close()
    with RunDirectory.open(run.path) as newer:
        assert newer.begin_epoch() == 2
    with pytest.raises(RunError, match="epoch 2 runs, this driver is of epoch 1"):
        run.commit(0, [], {})


def test_the_lock_names_its_holder_and_dies_with_it(run):
    run.close()
    code = (
        "import sys; from experiments.runs.directory import RunDirectory\n"
        "run = RunDirectory.open(sys.argv[1]); run.begin_epoch(); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        other = RunDirectory.open(run.path)
        with pytest.raises(RunError, match=f"pid {child.pid} on "):
            other.begin_epoch()
    finally:
        child.kill()
        child.communicate(timeout=30)
    assert other.begin_epoch() == 2
    other.close()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("tick", [3, 4])
def test_a_full_disk_is_one_clear_line_and_the_last_commit_is_intact(
    tmp_path, monkeypatch, share, tick
):
    path = tmp_path / "run"
    now, point = [0], "before_parts_listed"
    with RunDirectory.create(path, CONFIG, HEADER) as run:
        with pytest.raises(CrashError):
            drive(run, crash_at(point, tick, now), now)
        size = len((path / "manifest.json").read_bytes())
        monkeypatch.setattr(files, "os", FaultyOs(int(share * size)))
        parts = []
        with pytest.raises(RunError, match="No space left on device.*intact") as error:
            run.commit(tick, parts, {"tick": tick})
        assert "\n" not in str(error.value)
        monkeypatch.undo()
        other = RunDirectory.open(path)
        assert other.last_tick == tick - 1 and other.verify().equal
        assert len(other.metrics()) == tick
        assert not list(path.glob(".manifest*.tmp"))
        run.commit(tick, parts, {"tick": tick})  # room was made
        assert RunDirectory.open(path).last_tick == tick


def test_a_full_disk_stops_a_host_with_one_clear_line(run, monkeypatch):
    run.begin_epoch()
    monkeypatch.setattr(files, "os", FaultyOs(100))
    with pytest.raises(RunError, match="parquet: cannot write .No space left on device"):
        write_part(run.ledger_root, 0, 1, 0, 0, make_tick(0))
    with pytest.raises(RunError, match="x.safetensors: cannot write .No space left"):
        write_snapshot_file(run.checkpoint_root / "s", "x", {"g": {"a": np.ones(99)}})
    assert not [p for p in run.path.rglob("*") if p.suffix in (".tmp", ".parquet")]


def test_a_read_only_run_can_be_read_but_not_written(run, monkeypatch):
    run.begin_epoch()
    committed(run)
    for module in (files, commit, lock):
        monkeypatch.setattr(module, "os", FaultyOs())
    with pytest.raises(RunError, match="metrics.jsonl: cannot write .Read-only file system"):
        run.commit(1, [], {})
    run.close()
    other = RunDirectory.open(run.path)
    assert other.last_tick == 0 and other.verify().equal and other.read("rooms").n == 24
    for write in (other.begin_epoch, other.truncate_to_last_snapshot):
        with pytest.raises(RunError, match=r"\.lock: cannot write .Read-only file system"):
            write()
