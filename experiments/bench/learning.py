"""Two learner ranks against one on the whole batch, one torch thread for each rank.

Both arms run in child processes without Ray: one rank alone, and two that share every minibatch
and sum their gradients (gloo; NCCL on GPUs, where each rank needs one of its own). Both see the
same samples and must end with the same weights within a tenth of the learning rate. Rounds are
interleaved and medians reported; on a shared machine the ratio is a lower bound of what two free
cores give.
"""

from __future__ import annotations

import os
import platform
import time
from statistics import median
from typing import Any

import numpy as np

from agents.language_model.backbone import configure_torch
from agents.language_model.config import LanguageModelConfig, ModelConfig
from agents.language_model.loading import find_device
from agents.learning.interface import CaseTexts, Experience
from agents.learning.learner import SupervisedLearner
from agents.learning.ranks import Ranks
from agents.learning.settings import DistributedConfig, LearnerSettings
from environments.core.columns import Columns
from environments.core.errors import ConfigError
from experiments.runtime.inprocess import InProcessRuntime
from experiments.runtime.interface import Client, HostSpec, Stamp

WORDS = tuple(f"w{number}" for number in range(400))
RATE = 1e-3
LIMIT_S = 300.0


class BenchRank:
    """One rank that trains one student on drawn samples."""

    def __init__(
        self, client: Client | None, rank: int, ranks: int, sizes: dict[str, int], device: str
    ) -> None:
        configure_torch(threads=1)
        self._ranks = Ranks(rank, ranks, f"bench of {ranks}", LIMIT_S)
        self._sizes = sizes
        place = f"cuda:{rank}" if device == "cuda" else device
        model = ModelConfig(
            hidden_size=sizes["hidden"], intermediate_size=2 * sizes["hidden"], layers=2, heads=4
        )
        settings = LearnerSettings(
            learning_rate=RATE,
            batch_size=sizes["batch"],
            device=place,
            distributed=DistributedConfig(ranks=ranks),
        )
        config = LanguageModelConfig(model=model)
        self._learner = SupervisedLearner(config, settings, 0, {0: 0}, WORDS, self._ranks)
        self._learner.adopt([0], self._learner.initial_weights(0))
        self._lesson = _lesson(sizes)

    def open(self, stamp: Stamp, host: str) -> str:
        """Open the meeting point."""
        return self._ranks.open(host)

    def join(self, stamp: Stamp, address: str) -> None:
        """Meet the other ranks."""
        self._ranks.join(address, self._learner.device)

    def train(self, stamp: Stamp) -> float:
        """Train on all samples once; return the seconds it took."""
        start = time.perf_counter()
        self._learner.submit(self._lesson, stamp.tick)
        return time.perf_counter() - start

    def weights(self, stamp: Stamp) -> dict[str, np.ndarray]:
        """Return the student's weights."""
        return dict(self._learner.weights()[0])


def run(device: str = "cpu", repeats: int = 5, samples: int = 256, seed: int = 0) -> dict[str, Any]:
    """Measure samples per second with one rank and with two.

    Args:
        device: cpu or cuda (then with as many GPUs as ranks).
        repeats: Timed rounds of each arm.
        samples: Samples of a round, in minibatches of 64.
        seed: Of the samples.

    Returns:
        ``one_samples_per_s``, ``two_samples_per_s``, ``two_ranks_ratio``, the largest
        ``difference`` of weights, the machine's load when it began.

    Raises:
        ConfigError: If there are fewer GPUs than ranks.
        AssertionError: If the arms' weights differ.
    """
    import torch

    place = find_device(device)
    if place.type == "cuda" and torch.cuda.device_count() < 2:
        raise ConfigError(
            f"bench learning: --device {device} needs 2 GPUs, one for each rank; this machine has "
            f"{torch.cuda.device_count()} (allowed here: cpu)"
        )
    sizes = {"hidden": 96, "batch": 64, "samples": samples, "words": 48, "seed": seed}
    load = os.getloadavg()[0]
    runtime = InProcessRuntime(LIMIT_S)
    try:
        times, gap = _measure(runtime, sizes, place.type, repeats)
    finally:
        runtime.close()
    assert gap < 0.1 * RATE, f"weights of one rank and of two differ by {gap}"
    one, two = (samples / median(times[count]) for count in (1, 2))
    return {
        "benchmark": "learning",
        "device": str(place),
        "seed": seed,
        "threads_per_rank": 1,
        "one_samples_per_s": one,
        "two_samples_per_s": two,
        "two_ranks_ratio": two / one,
        "difference": gap,
        "load_at_start": load,
        "cores": os.cpu_count(),
        "hardware": f"{platform.machine()} {platform.system()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def _measure(
    runtime: InProcessRuntime, sizes: dict[str, int], device: str, repeats: int
) -> tuple[dict[int, list[float]], float]:
    arms = {count: [f"{count}-rank-{rank}" for rank in range(count)] for count in (1, 2)}
    runtime.start(
        [
            HostSpec(
                name,
                "learner",
                BenchRank,
                {"rank": rank, "ranks": count, "sizes": sizes, "device": device},
                beside=f"arm-{count}",
            )
            for count, names in arms.items()
            for rank, name in enumerate(names)
        ]
    )

    def every(names: list[str], method: str, tick: int, *arguments: Any) -> list[Any]:
        calls = [runtime.call(name, method, Stamp(0, tick), *arguments) for name in names]
        return runtime.gather(calls, LIMIT_S)

    [address] = every(arms[2][:1], "open", 0, "127.0.0.1")
    every(arms[2], "join", 0, address)
    times: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(repeats + 1):
        for count in (1, 2) if repeat % 2 else (2, 1):
            found = max(every(arms[count], "train", repeat))
            if repeat:  # the first round also encodes the samples
                times[count].append(found)
    one, two = (every(names[:1], "weights", 0)[0] for names in arms.values())
    return times, max(float(np.abs(one[name] - two[name]).max()) for name in one)


def _lesson(sizes: dict[str, int]) -> Experience:
    rng = np.random.default_rng(sizes["seed"])
    n = sizes["samples"]
    case_id = np.arange(n)
    drawn = rng.integers(0, len(WORDS), (n, sizes["words"]))
    texts = CaseTexts(
        case_id,
        [" ".join(WORDS[word] for word in row) for row in drawn],
        [[WORDS[0], WORDS[1]]] * n,
    )
    columns = {
        "student": np.zeros(n, dtype=np.int64),
        "case_id": case_id,
        "target": rng.dirichlet([1, 1], size=n),
        "weight": np.ones(n),
        "version": np.zeros(n, dtype=np.int64),
    }
    return Experience(Columns(columns), texts)
