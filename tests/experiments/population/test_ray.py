"""Populations on Ray: the same digest on any number of shards, and nothing lost to a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.config.schema import RayConfig
from tests.experiments.population.small import drive, go_on, small

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TIES = ("population.topology={name: small_world, degree: 6}", "population.ledger=full")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One local cluster for the module; runs find it and leave it as it is."""
    import ray

    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("empty"))
    try:
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=256 * 1024**2,
        )
    finally:
        os.chdir(here)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return drive(small(*TIES), tmp_path_factory.mktemp("runs") / "in_process")


class Watched:
    """A Ray runtime that keeps what each shard said of itself, and what the driver moved."""

    def __new__(cls):
        from experiments.runtime.ray_cluster import RayRuntime

        class _Watched(RayRuntime):
            def start(self, specs):
                self.reports = super().start(specs)
                return self.reports

        return _Watched(RayConfig(), "cpu")


@pytest.mark.parametrize("shards", [1, 2, 3, 5])
def test_ray_agrees_with_one_process(session, reference, shards, tmp_path):
    runtime = Watched()
    try:
        run = drive(small(*TIES, f"runtime.shards={shards}"), tmp_path / "run", runtime)
    finally:
        runtime.close()
    assert len({report["pid"] for report in runtime.reports}) == shards
    assert run.ledger_digest == reference.ledger_digest
    assert run.metrics() == reference.metrics()


def test_driver_bytes_do_not_grow_with_the_agents(session, tmp_path):
    """Twenty times the agents: only the decimal digits of the sums may take more room."""
    moved = []
    for size in (330, 6600):
        runtime = Watched()
        try:
            config = small("runtime.shards=2", f"population.size={size}", "splits.teaching=9000",
                           "population.room_block=9000")  # fmt: skip
            drive(config, tmp_path / str(size), runtime)
        finally:
            runtime.close()
        moved.append(runtime.driver_bytes)
    assert moved[1] < 1.05 * moved[0]


def test_a_killed_shard_is_rebuilt_and_the_digest_stands(session, reference, tmp_path):
    runtime = Watched()
    killed = []

    def kill(point):
        # After the second tick's manifest: the snapshot of tick 2 stands, the test is to come.
        if point == "after_cleanup" and len(killed) < 1:
            killed.append(runtime.reports[1]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    try:
        config = small(*TIES, "runtime.shards=2")
        run = drive(config, tmp_path / "run", runtime, kill)
    finally:
        runtime.close()
    assert killed
    assert run.epoch == 2
    assert run.ledger_digest == reference.ledger_digest


PROGRAM = """
import os, signal, sys
from experiments.runtime.choose import open_runtime
from tests.experiments.population.small import drive, small
from tests.experiments.population.test_ray import TIES

commits = []

def die(point):
    commits.extend([point] * (point == "after_metrics"))
    if len(commits) == 4:  # the snapshot of tick 2 stands, the test tick is half committed
        os.kill(os.getpid(), signal.SIGKILL)

config = small(*TIES, "runtime=ray", "runtime.shards=2")
drive(config, sys.argv[1], open_runtime(config), die)
"""


def test_a_driver_that_died_is_replaced_by_another(session, reference, tmp_path):
    """Everything but the run directory is gone; three shards go on where two were."""
    import ray

    root = Path(__file__).resolve().parents[3]
    address = ray.get_runtime_context().gcs_address
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    runtime = Watched()
    try:
        run = go_on(small(*TIES, "runtime.shards=3"), tmp_path / "run", runtime)
    finally:
        runtime.close()
    assert run.epoch == 2
    assert run.ledger_digest == reference.ledger_digest
