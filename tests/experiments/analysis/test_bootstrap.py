"""The crossed bootstrap: what it resamples, what it shares, how often it covers."""

import numpy as np
import pytest

from environments.core.keyed import Keyed
from experiments.analysis import bootstrap as module
from experiments.analysis.bootstrap import ALL_EQUAL, ONE_SEED, Axes, CrossedBootstrap


def axes(seeds, cases):
    return Axes(np.arange(seeds), np.arange(cases))


def loop_reference(boot, values):
    """Return resampled means as one would write them first: pick rows, pick columns, average."""
    picks_seed = Keyed(7, "bootstrap.seeds.test").integers(
        values.shape[0], np.arange(boot.resamples), shape=(values.shape[0],)
    )
    picks_case = Keyed(7, "bootstrap.cases.test").integers(
        values.shape[1], np.arange(boot.resamples), shape=(values.shape[1],)
    )
    return [
        np.nanmean(values[np.ix_(rows, columns)])
        for rows, columns in zip(picks_seed, picks_case, strict=True)
    ]


def test_equals_the_plain_loop_also_with_missing_cells():
    values = Keyed(1, "v").normal(np.arange(3), shape=(40,))
    values[0, :10] = np.nan
    boot = CrossedBootstrap(axes(3, 40), 50, 7, "test")
    assert boot.means(values[None])[0] == pytest.approx(loop_reference(boot, values))


def test_chunks_and_kept_counts_do_not_change_results(monkeypatch):
    values = Keyed(1, "v").normal(np.arange(2), shape=(30,))[None]
    whole = CrossedBootstrap(axes(2, 30), 64, 7, "test")
    first, again = whole.sums(values), whole.sums(values)
    monkeypatch.setattr(module, "_CHUNK", 70)
    monkeypatch.setattr(module, "_KEEP", 0)
    cut = CrossedBootstrap(axes(2, 30), 64, 7, "test").sums(values)
    assert np.array_equal(first, again)
    assert first == pytest.approx(cut, rel=1e-13)


def test_all_grids_share_resamples():
    values = (Keyed(1, "v").uniform(np.arange(3), shape=(50,)) < 0.7).astype(float)
    boot = CrossedBootstrap(axes(3, 50), 100, 7, "test")
    draws = boot.means(np.stack([values, values, 1 - values]))
    assert np.array_equal(draws[0], draws[1])
    assert draws[0] + draws[2] == pytest.approx(np.ones(100))


def test_one_seed_resamples_cases_only_and_says_so():
    values = (Keyed(1, "v").uniform(np.arange(1), shape=(400,)) < 0.7).astype(float)
    [found] = CrossedBootstrap(axes(1, 400), 2000, 7, "test").estimates(values[None])
    assert found.reason == ONE_SEED
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / 400)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_grid_places_by_key_not_by_order():
    a = Axes.of([2, 1, 2], [30, 10, 10])
    grid = a.grid([2, 1, 2], [30, 10, 10], [3.0, 1.0, 2.0])
    assert np.array_equal(grid, [[1.0, np.nan], [2.0, 3.0]], equal_nan=True)


def test_no_data_is_said():
    [found] = CrossedBootstrap(axes(2, 3), 10, 7, "t").estimates(np.full((1, 2, 3), np.nan), "none")
    assert found.value is None and found.reason == "none"


def test_a_perfect_score_is_not_certain():
    [found] = CrossedBootstrap(axes(3, 50), 100, 7, "t").proportions(np.ones((1, 3, 50)))
    assert found.value == 1.0 and found.high == 1.0 and 0.9 < found.low < 0.95
    assert found.reason == ALL_EQUAL


@pytest.mark.parametrize("seeds,lowest", [(3, 0.90), (5, 0.93)])
def test_interval_of_an_arm_covers(seeds, lowest):
    """Answers share the luck of the case; seeds differ a little, as trained students do."""
    worlds, cases, true = 400, 150, 0.0
    case = Keyed(2, "case").normal(np.arange(worlds), shape=(1, cases))
    seed = Keyed(2, "seed").normal(np.arange(worlds), shape=(seeds, 1))
    rest = Keyed(2, "rest").normal(np.arange(worlds), shape=(seeds, cases))
    values = 1.0 * case + 0.05 * seed + 1.0 * rest
    found = CrossedBootstrap(axes(seeds, cases), 400, 7, "test").estimates(values)
    covered = np.mean([e.low <= true <= e.high for e in found])
    assert lowest <= covered <= 0.995
