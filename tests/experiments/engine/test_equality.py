"""Same seed, same digest: twice in a row, for any number of hosts, after any crash."""

import pytest

from experiments.engine.state import SNAPSHOT_STEPS
from experiments.runs.commit import COMMIT_POINTS
from experiments.runs.directory import RESUME_POINTS, RunDirectory
from tests.experiments.engine.small import drive, flagship, last_weights, resume, run


class Crash(BaseException):
    """Stands for the death of the driver: nothing may catch it."""


@pytest.fixture(scope="module")
def config():
    return flagship(arms=("A1", "C1"))


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("runs") / "undisturbed")


def test_the_digest_is_recomputed_from_the_files(undisturbed):
    check = RunDirectory.open(undisturbed.path).verify()
    assert check.equal
    assert check.recomputed == undisturbed.summary["ledger_digest"]


def test_twice_in_a_row(config, undisturbed, tmp_path):
    again = run(config, tmp_path / "again")
    assert again.summary["ledger_digest"] == undisturbed.summary["ledger_digest"]
    assert again.summary["metrics"] == undisturbed.summary["metrics"]
    assert last_weights(again.path) == last_weights(undisturbed.path)


def test_another_seed_is_another_run(undisturbed, tmp_path):
    other = run(flagship("seed=7", arms=("A1", "C1")), tmp_path / "other")
    assert other.summary["ledger_digest"] != undisturbed.summary["ledger_digest"]


@pytest.mark.parametrize("hosts", [(1, 1, 1), (3, 2, 5)])
def test_any_number_of_hosts(hosts, undisturbed, tmp_path):
    overrides = [
        f"runtime.{kind}_hosts={n}"
        for kind, n in zip(("conversation", "cohort", "learner"), hosts, strict=True)
    ]
    other = run(flagship(*overrides, arms=("A1", "C1")), tmp_path / "other")
    assert other.summary["ledger_digest"] == undisturbed.summary["ledger_digest"]
    assert other.summary["metrics"] == undisturbed.summary["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("point", [*SNAPSHOT_STEPS, *COMMIT_POINTS])
def test_a_crash_at_each_commit_point(point, config, undisturbed, tmp_path):
    """The driver dies when it passes the point for the second time (in a tick after the first)."""
    passed = []

    def at(name: str) -> None:
        passed.append(name)
        if name == point and passed.count(name) == 2:
            raise Crash(name)

    with pytest.raises(Crash):
        drive(config, tmp_path / "crashed", at)
    resumed = drive(config, tmp_path / "crashed")
    assert resumed.ledger_digest == undisturbed.summary["ledger_digest"]
    assert resumed.verify().equal
    assert last_weights(resumed.path) == last_weights(undisturbed.path)
    before, after = (
        (path / "metrics.jsonl").read_bytes() for path in (undisturbed.path, resumed.path)
    )
    assert before == after


def test_a_crash_while_resuming(config, undisturbed, tmp_path):
    def die_at(point):
        def at(name: str) -> None:
            if name == point:
                raise Crash(name)

        return at

    from experiments.engine.run import resume_run
    from experiments.progress import NullProgress

    ticks = iter(range(100))

    def third(name: str) -> None:
        if name == COMMIT_POINTS[-1] and next(ticks) == 1:
            raise Crash(name)

    with pytest.raises(Crash):
        run(config, tmp_path / "crashed", third)
    with pytest.raises(Crash):
        resume_run(tmp_path / "crashed", NullProgress(), [], die_at(RESUME_POINTS[-1]))
    resumed = resume(tmp_path / "crashed", "runtime.learner_hosts=3")
    assert resumed.summary["ledger_digest"] == undisturbed.summary["ledger_digest"]
    assert resumed.summary["metrics"] == undisturbed.summary["metrics"]
