"""Runs whose students are adapters: same digest for any hosts, after a crash, with few resident."""

import pytest

from environments.core.errors import ConfigError
from experiments.runs.directory import RunDirectory
from experiments.runs.snapshots import read_snapshot_file
from tests.experiments.engine.small import drive, flagship, last_weights, run

ADAPTERS = (
    "learner.adapter.rank=4",
    "learner.adapter.together=3",
    "learner.learning_rate=0.01",
)


def small(*overrides):
    """Return a scenario of seven arms in groups of three."""
    return flagship(*ADAPTERS, *overrides, arms=("A1", "C2"))


class Crash(BaseException):
    """Stands for the death of the driver."""


@pytest.fixture(scope="module")
def config():
    return small()


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    return drive(config, tmp_path_factory.mktemp("runs") / "undisturbed")


def snapshot(path):
    """Return all groups of the last snapshot's learners."""
    opened = RunDirectory.open(path)
    info = opened.manifest.snapshots[-1]
    groups = {}
    for file in info.files:
        if file.name.startswith("learner"):
            groups |= read_snapshot_file(opened.checkpoint_root / info.folder, file.name, file)
    return groups


def test_students_share_bases_and_own_adapters(config, undisturbed):
    groups = snapshot(undisturbed.path)
    students = 2 * len(config.arms)
    assert sum(name.endswith("/weights") for name in groups) == students
    assert sum(name.startswith("base/") for name in groups) == 2
    adapter = next(v for k, v in groups.items() if k.endswith("/weights"))
    assert all("lora_" in name for name in adapter)
    assert not any("lora_" in name for name in groups["base/0"])
    # Students of different arms learned different things; the one that is taught nothing, nothing.
    names = [name for name in adapter if "lora_B" in name]
    by_arm = [
        max(float(abs(group[name]).max()) for name in names)
        for key, group in groups.items()
        if key.endswith("/weights")
    ]
    assert sum(size == 0.0 for size in by_arm) == 2  # arm A0, in both replicates
    assert sum(size > 1e-3 for size in by_arm) == students - 2
    ledger = RunDirectory.open(undisturbed.path).read("decisions", ["conversation", "adapter"])
    exam = ledger["conversation"] == "exam"
    assert len(set(ledger["adapter"][exam].tolist())) == students


@pytest.mark.parametrize(
    "overrides",
    [
        ("runtime.conversation_hosts=3", "runtime.cohort_hosts=1", "runtime.learner_hosts=1"),
        ("learner.adapter.resident=3", "runtime.learner_hosts=3", "runtime.cohort_hosts=3"),
    ],
)
def test_any_number_of_hosts_and_of_adapters_in_memory(overrides, undisturbed, tmp_path):
    other = drive(small(*overrides), tmp_path / "other")
    assert other.ledger_digest == undisturbed.ledger_digest
    mine, theirs = snapshot(other.path), snapshot(undisturbed.path)
    assert mine.keys() == theirs.keys()
    for group, arrays in mine.items():
        for name, value in arrays.items():
            assert (value == theirs[group][name]).all(), (group, name)


def test_a_run_that_died_goes_on_to_the_same_end(config, undisturbed, tmp_path):
    passed = []

    def at(point):
        passed.append(point)
        if passed.count("after_snapshot_files") == 2:
            raise Crash

    path = tmp_path / "dies"
    with pytest.raises(Crash):
        drive(config, path, at)
    other = drive(small("runtime.learner_hosts=1"), path)  # by another number of learners
    assert other.ledger_digest == undisturbed.ledger_digest
    assert (
        last_weights(path)["minds.safetensors"]
        == (last_weights(undisturbed.path)["minds.safetensors"])
    )
    mine, theirs = snapshot(path), snapshot(undisturbed.path)
    for group, arrays in mine.items():
        for name, value in arrays.items():
            assert (value == theirs[group][name]).all(), (group, name)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("learner.adapter.targets=[q_porj]", "'q_porj' matches no linear module"),
        ("learner.adapter.resident=2", "at least learner.adapter.together (3)"),
        ("learner.adapter.alpha=0", "learner.adapter.alpha"),
        ("learner.adapter.rank=-1", "learner.adapter.rank"),
    ],
)
def test_bad_adapters_are_one_line_and_leave_nothing(override, said, tmp_path):
    with pytest.raises(ConfigError) as caught:
        run(small(override), tmp_path / "never")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "never").exists()
