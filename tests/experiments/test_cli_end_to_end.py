"""The commands on real runs, from a configuration to a verified ledger, and everything refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from experiments import cli
from experiments.config.load import from_yaml_text

SMALL = ["runtime=inprocess", "seeds=2", "splits.teaching=48", "schedule.block=16"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A small finished run."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    assert cli.main(["run", "debate", *SMALL, f"out={path}"]) == 0
    return path


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy of the finished run, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def fails(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in err + out
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert errors == err.splitlines()[-1:]
    return errors[0]


def digest(path: Path, capsys) -> str:
    capsys.readouterr()
    assert cli.main(["verify", str(path)]) == 0
    return capsys.readouterr().out.strip()


def test_a_run_leaves_everything_behind(finished):
    for name in ("config.yaml", "manifest.json", "metrics.jsonl", "summary.json", "report.html"):
        assert (finished / name).is_file()
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary) >= {
        *("scenario", "seed", "ledger_digest", "metrics", "wall_s", "versions", "hardware")
    }
    assert summary["scenario"] == "debate"
    config = from_yaml_text((finished / "config.yaml").read_text())
    assert (config.seeds, config.splits.teaching) == (2, 48)


def test_verify_prints_the_digest_of_the_summary(finished, capsys):
    summary = json.loads((finished / "summary.json").read_text())
    assert digest(finished, capsys) == summary["ledger_digest"]


def test_the_same_seed_gives_the_same_digest_and_another_seed_another(finished, tmp_path, capsys):
    again, other = tmp_path / "again", tmp_path / "other"
    assert cli.main(["run", "debate", *SMALL, f"out={again}"]) == 0
    assert cli.main(["run", "debate", *SMALL, "seed=7", f"out={other}"]) == 0
    assert digest(again, capsys) == digest(finished, capsys) != digest(other, capsys)


def test_show_prints_what_a_run_was_made_with(finished, capsys):
    capsys.readouterr()
    assert cli.main(["show", str(finished)]) == 0
    assert capsys.readouterr().out == (finished / "config.yaml").read_text()
    assert "a run is shown as it was" in fails(capsys, "show", str(finished), "seeds=3")


def test_a_shown_scenario_runs_to_the_same_digest(finished, tmp_path, capsys):
    capsys.readouterr()
    assert cli.main(["show", "debate", *SMALL]) == 0
    mine = tmp_path / "debate.yaml"
    mine.write_text(capsys.readouterr().out)
    assert cli.main(["run", str(mine), f"out={tmp_path / 'mine'}"]) == 0
    assert digest(tmp_path / "mine", capsys) == digest(finished, capsys)


def test_report_writes_the_page_again(copy, capsys):
    page = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    capsys.readouterr()
    assert cli.main(["report", str(copy)]) == 0
    shown = capsys.readouterr().out
    assert "debate" in shown
    assert f"report: {copy / 'report.html'}" in shown
    assert (copy / "report.html").read_bytes() == page


def test_an_interrupted_run_is_resumed_to_the_same_digest(finished, tmp_path, capsys, monkeypatch):
    from experiments.engine import driver

    whole = driver.Driver.run

    def stop_half_way(self):
        count = iter(range(100))

        def at(point: str) -> None:
            if next(count) == 4:
                raise KeyboardInterrupt

        self._at = at
        return whole(self)

    path = tmp_path / "interrupted"
    monkeypatch.setattr(driver.Driver, "run", stop_half_way)
    assert cli.main(["run", "debate", *SMALL, f"out={path}"]) == 130
    assert f"continue with: facilitate resume {path}" in capsys.readouterr().err
    monkeypatch.undo()
    assert not (path / "summary.json").exists()
    assert "the run is not complete" in fails(capsys, "report", str(path))
    assert "only runtime keys may change" in fails(capsys, "resume", str(path), "seeds=3")
    assert cli.main(["resume", str(path)]) == 0
    assert digest(path, capsys) == digest(finished, capsys)
    metrics = [
        json.loads((run / "summary.json").read_text())["metrics"] for run in (path, finished)
    ]
    assert metrics[0] == metrics[1]


# -- refused ----------------------------------------------------------------------------------


def test_a_directory_that_exists_is_left_alone(finished, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file()}
    message = fails(capsys, "run", "debate", *SMALL, f"out={finished}")
    assert str(finished) in message and "not empty" in message
    assert before == {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file()}


def test_nothing_is_written_when_the_configuration_cannot_run(tmp_path, capsys):
    out = tmp_path / "run"
    for wrong in ("agents.judge.policy.preset=saint", "environment.world_seed=x", "seeds=0"):
        fails(capsys, "run", "debate", *SMALL, wrong, f"out={out}")
        assert not out.exists()


def test_a_complete_run_is_not_resumed(finished, capsys):
    assert "complete" in fails(capsys, "resume", str(finished))


def test_a_run_of_a_newer_version_is_refused(copy, capsys):
    manifest = copy / "manifest.json"
    data = json.loads(manifest.read_text())
    key = next(key for key in data if "format" in key)
    data[key] = 999
    manifest.write_text(json.dumps(data))
    for command in ("verify", "report", "resume"):
        assert "newer" in fails(capsys, command, str(copy))


@pytest.mark.parametrize("missing", ["manifest.json", "metrics.jsonl", "ledger"])
def test_an_incomplete_directory_is_refused(copy, capsys, missing):
    target = copy / missing
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    for command in ("verify", "report"):
        message = fails(capsys, command, str(copy))
        assert missing.split(".")[0] in message


def test_a_damaged_ledger_does_not_verify(copy, capsys):
    part = max((copy / "ledger").rglob("*.parquet"), key=lambda p: p.stat().st_size)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(bytes(data))
    fails(capsys, "verify", str(copy))


def test_a_configuration_that_executes_is_refused(copy, tmp_path, capsys):
    trap = tmp_path / "trap"
    (copy / "config.yaml").write_text(
        f"name: !!python/object/apply:pathlib.Path.touch [{trap}]\nenvironment: reading\n"
    )
    assert "the tag" in fails(capsys, "show", str(copy))
    assert "the tag" in fails(capsys, "resume", str(copy))
    assert not trap.exists()


@pytest.mark.slow
@pytest.mark.ray
def test_no_ray_at_the_given_address(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["runtime=ray", "runtime.ray.address=127.0.0.1:1", f"out={out}"]
    assert "127.0.0.1:1" in fails(capsys, "run", "debate", *SMALL[1:], *arguments)
    assert not out.exists()


def test_an_edited_configuration_does_not_verify(copy, capsys):
    with (copy / "config.yaml").open("a") as file:
        file.write("\n# edited\n")
    assert "was changed after the run had started" in fails(capsys, "verify", str(copy))
