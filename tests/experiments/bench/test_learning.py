"""The learning benchmark trains both arms to the same weights and says what it measured on."""

import pytest

from environments.core.errors import ConfigError
from experiments.bench.learning import RATE, run


@pytest.mark.slow
def test_both_arms_end_with_the_same_weights():
    found = run(repeats=1, samples=64)
    assert 0 <= found["difference"] < 0.1 * RATE
    assert found["two_ranks_ratio"] == found["two_samples_per_s"] / found["one_samples_per_s"]


def test_a_device_that_is_not_there_is_one_line():
    with pytest.raises(ConfigError, match="usable CUDA devices"):
        run(device="cuda:99")
