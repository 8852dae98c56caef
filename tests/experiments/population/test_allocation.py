"""Arrays of a round are allocated from what those of the last one left."""

import subprocess
import sys

import pytest

ROUNDS = """
import resource
import numpy as np
from experiments.population.allocation import keep_freed_memory

keep_freed_memory()

def work():
    columns = [np.ones(500_000) for _ in range(10)]  # 4 MB each
    return sum(column[-1] for column in columns)

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    """Return how many pages five rounds asked the system for."""
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True, env=environment
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
def test_pages_stay_unless_the_environment_says_otherwise():
    path = {"PYTHONPATH": ":".join(sys.path)}
    pages = 5 * 10 * 500_000 * 8 // 4096
    assert faults(**path) < pages // 20
    own = {"MALLOC_MMAP_THRESHOLD_": "1000000", "NUMPY_MADVISE_HUGEPAGE": "0"}
    assert faults(**path, **own) > pages // 2
