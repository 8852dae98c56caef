"""The inference benchmark: both sides compute the same, and a difference is an error."""

import json

import numpy as np
import pytest
import torch

from experiments.bench import inference


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("options", [2, 4])
def test_cohort_and_peer_agree(options):
    measured = inference.run(asks=24, repeats=3, options=options)
    assert measured["largest_difference"] < inference.TOLERANCE
    rates = measured["cohort_items_per_s"], measured["peer_items_per_s"]
    assert measured["ratio"] == pytest.approx(rates[0] / rates[1])
    assert {"hardware", "versions", "seed", "threads", "cpu_ratio"} <= set(measured)
    json.dumps(measured, allow_nan=False)


def test_a_difference_is_an_error(monkeypatch):
    real = inference._peer

    def wrong(cohort, question):
        loop = real(cohort, question)
        return lambda: np.roll(loop(), 1, axis=1)

    monkeypatch.setattr(inference, "_peer", wrong)
    with pytest.raises(AssertionError, match="differ by"):
        inference.run(asks=8, repeats=1)
