"""Cost against agents: rows in order, a slope that is that of the rows, a figure."""

import pytest

from environments.core.errors import ConfigError
from experiments.bench.population_scale import _slope, run


def test_sizes_are_measured_and_drawn(tmp_path):
    figure = tmp_path / "cost.svg"
    found = run(sizes=(100, 200), rounds=1, figure=str(figure))
    assert [row["agents"] for row in found["rows"]] == [100, 200]
    assert all(row["round_cpu_s"] > 0 for row in found["rows"])
    assert found["slope"] is None and "</svg>" in figure.read_text("utf-8")


def test_the_slope_is_the_exponent():
    rows = [{"agents": n, "round_cpu_s": 3e-6 * n**1.25} for n in (1e6, 1e7, 1e8)]
    assert _slope(rows) == pytest.approx(1.25, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "told"), [({"sizes": (200, 100)}, "ascending"), ({"figure": "a.png"}, "in .svg")]
)
def test_what_cannot_be_measured_is_refused(given, told):
    with pytest.raises(ConfigError, match=told):
        run(**given)
