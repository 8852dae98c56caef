"""``make chaos``: runs under Ray, killed at random, end as if nothing had happened.

Each trial starts a run in a process of its own, waits for a drawn moment, and sends SIGKILL to a
drawn process of it: the driver, or one host (a population's shard; a learner, a cohort's or a
conversation's host of the classic engine). A host is rebuilt by the driver; after the driver's
death the run is resumed by another process. The ledger's digest and the metrics must be those of
an undisturbed run.

Usage::

    python -m tests.chaos.kills [kills=20] [seed=0]
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environments.core.keyed import Keyed
from experiments.config.load import resolved_yaml
from experiments.runs.directory import RunDirectory
from tests.experiments.engine.small import flagship
from tests.experiments.population.small import small

ROOT = Path(__file__).resolve().parents[2]
RAY = (
    "runtime=ray",
    "runtime.ray.shard.num_cpus=.1",
    "runtime.attempts=3",
)
POPULATION = (
    "population.topology={name: small_world, degree: 6}",
    "population.ledger=full",
    "population.size=4000",
    "splits.teaching=30000",
    "schedule.ticks=6",
    "runtime.shards=3",
)
WAIT_S = 300.0

DRIVE = """
import json, sys
from pathlib import Path
from experiments.config.load import from_yaml_text
from experiments.engine.run import resume_run, run_scenario
from experiments.progress import NullProgress
from experiments.runtime.ray_cluster import RayRuntime

scenario, out, told = map(Path, sys.argv[1:])
start = RayRuntime.start

def telling(self, specs):
    reports = start(self, specs)
    whole = told.with_suffix(".tmp")
    whole.write_text(json.dumps({report["host"]: report["pid"] for report in reports}))
    whole.replace(told)
    return reports

RayRuntime.start = telling
if (out / "manifest.json").exists():
    resume_run(out, NullProgress(), [], report=False)
else:
    run_scenario(from_yaml_text(scenario.read_text()), out, NullProgress(), report=False)
"""


def started(scenario: Path, out: Path, told: Path, address: str) -> subprocess.Popen[str]:
    """Start or resume a run in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVE, str(scenario), str(out), str(told)],
        cwd=ROOT,
        env={**os.environ, "RAY_ADDRESS": address, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def committed(out: Path) -> int:
    """Return the number of ticks whose metrics are on disk."""
    try:
        return (out / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def struck(draw: list[float], ticks: int, run: subprocess.Popen, out: Path, told: Path) -> str:
    """Wait for the drawn tick and a moment of it, kill the drawn process, and return its name.

    Returns:
        '' where the run ended before it could be killed.
    """
    end = time.monotonic() + WAIT_S
    wanted = int(draw[0] * ticks)
    while not told.exists() or committed(out) < wanted:
        if run.poll() is not None:
            return ""
        if time.monotonic() > end:
            raise TimeoutError(f"{out}: no tick {wanted} within {WAIT_S:g} s")
        time.sleep(0.002)
    time.sleep(0.3 * draw[1])
    hosts = json.loads(told.read_text())
    names = ["driver", *sorted(hosts)]
    # The driver is as likely as all hosts together.
    name = "driver" if draw[2] < 0.5 else names[1 + int((2 * draw[2] - 1) * len(hosts))]
    if run.poll() is not None:
        return ""
    os.kill(run.pid if name == "driver" else hosts[name], signal.SIGKILL)
    return name


def trial(scenario: Path, out: Path, draw: list[float], ticks: int, address: str) -> str:
    """Run, kill, resume; return who was killed ('' for nobody)."""
    told = out.with_suffix(".hosts")
    run = started(scenario, out, told, address)
    killed = struck(draw, ticks, run, out, told)
    _, error = run.communicate(timeout=WAIT_S)
    if killed == "driver":
        run = started(scenario, out, told, address)
        _, error = run.communicate(timeout=WAIT_S)
    if run.returncode:
        raise RuntimeError(f"{out}: the run did not end well after the loss of {killed}:\n{error}")
    return killed


def unlike(out: Path, reference: Path) -> str:
    """Return how a run differs from the undisturbed one; '' if it does not."""
    ours, theirs = RunDirectory.open(out), RunDirectory.open(reference)
    if ours.status != "complete" or not ours.verify().equal:
        return "incomplete, or its files are not what its manifest says"
    if ours.ledger_digest != theirs.ledger_digest:
        return f"digest {ours.ledger_digest}, undisturbed {theirs.ledger_digest}"
    if ours.metrics() != theirs.metrics():
        return "other metrics"
    left = [str(path) for path in out.rglob("*.tmp")]
    return f"left {', '.join(left)}" if left else ""


def main(arguments: list[str]) -> int:
    """Do the trials; return 0 if every run ended as the undisturbed one."""
    given = dict(argument.split("=", 1) for argument in arguments)
    kills, seed = int(given.get("kills", 20)), int(given.get("seed", 0))
    import ray

    folder = Path(tempfile.mkdtemp(prefix="facilitate-chaos-"))
    os.chdir(folder)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
             object_store_memory=256 * 1024**2)  # fmt: skip
    address = ray.get_runtime_context().gcs_address
    bad = done = 0
    try:
        scenarios = {
            "population": small(*RAY, *POPULATION),
            "classic": flagship(*RAY, arms=("A1", "C1")),
        }
        ticks = {}
        for name, config in scenarios.items():
            (folder / f"{name}.yaml").write_text(resolved_yaml(config), "utf-8")
            run = started(folder / f"{name}.yaml", folder / name, folder / f"{name}.hosts", address)
            _, error = run.communicate(timeout=WAIT_S)
            if run.returncode:
                raise RuntimeError(f"the undisturbed run failed:\n{error}")
            ticks[name] = committed(folder / name)
        number = 0
        while done < kills:
            # Two of three trials are a population.
            name = "classic" if number % 3 == 2 else "population"
            draw = Keyed(seed, "chaos").uniform(number, shape=(3,)).ravel().tolist()
            scenario, out = folder / f"{name}.yaml", folder / f"{name}-{number}"
            killed = trial(scenario, out, draw, ticks[name], address)
            problem = unlike(out, folder / name)
            bad += bool(problem)
            done += bool(killed)
            number += 1
            who = f"killed {killed} after tick {int(draw[0] * ticks[name])}" if killed else "nobody"
            print(
                f"{done}/{kills} {name}: {who}: {problem or 'the undisturbed digest'}", flush=True
            )
    finally:
        ray.shutdown()
    print(f"{done} kills, {bad} runs that ended otherwise")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
