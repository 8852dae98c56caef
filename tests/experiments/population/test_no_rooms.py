"""Shards, and whole ticks, in which no team meets: agents stay as they are, nothing breaks."""

import pytest

from environments.core.keyed import Keyed
from experiments.population.report import headline, render_population, summary_tables
from experiments.population.summary import summarize_population
from experiments.population.world import World
from tests.experiments.population.small import drive, small
from tests.experiments.population.test_language import tiny

FEW = (
    "population.size=40",
    "population.communities=2",
    "population.blocks=10",
    "population.exam=10",
    "population.kinds.strong.fraction=.1",
    "population.kinds.weak.fraction=.9",
)
RING = "population.topology=ring"
CASES = {
    "more shards than rooms": ("population.team.share=.3",),
    "ties": (RING, "population.team.share=.12"),
    "ties, every message": (RING, "population.team.share=.12", "population.ledger=full"),
    "audits": ("population.team.share=.3", "population.trust.feedback=audited"),
    "members only": (
        "population.protocol=deliberation",
        "population.team.draws.advisor=null",
        "population.team.share=.2",
    ),
}


def rooms(run):
    """Return the number of teams that met in each round."""
    return [sum(one["rooms"] for one in line["teams"].values()) for line in run.metrics()[1:-1]]


@pytest.mark.parametrize("case", CASES)
def test_shards_without_rooms_leave_the_result_as_it_is(case, tmp_path):
    one = drive(small(*FEW, *CASES[case]), tmp_path / "one")
    many = drive(small(*FEW, *CASES[case], "runtime.shards=10"), tmp_path / "many")
    assert max(rooms(one)) < 10
    assert many.ledger_digest == one.ledger_digest and many.metrics() == one.metrics()
    assert many.verify().equal


@pytest.mark.parametrize("ledger", ["aggregates", "full"])
def test_a_tick_in_which_nobody_calls_a_team(ledger, tmp_path):
    quiet = (RING, "population.team.share=.12", "schedule.ticks=12", "schedule.curve_every=3")
    config = small(*FEW, *quiet, f"population.ledger={ledger}")
    run = drive(config, tmp_path / "run")
    met = rooms(run)
    assert 0 in met and any(met)
    silent = 1 + met.index(0)
    before, after = (run.read("states", ticks=[silent - back]) for back in (1, 0))
    assert before["state"].tolist() == after["state"].tolist()
    assert not run.read("teams", ticks=[silent]).n
    assert "What the teams decided" in render_population(run, config, None)
    assert headline(run, config) and summary_tables(run, config, brief=False)
    assert summarize_population(run, config, 0.0)["metrics"]["teams.accuracy"]["n"] == sum(met)


def test_nobody_ever_meets(tmp_path):
    """Teams that are called by chance may all stay away; the report says what there is."""
    config = small(*FEW, RING, "population.team.share=.12", "schedule.ticks=1", "seed=1")
    run = drive(config, tmp_path / "run")
    assert rooms(run) == [0]
    assert "teams.accuracy" not in summarize_population(run, config, 0.0)["metrics"]
    assert "What the agents learned" in render_population(run, config, None)
    assert headline(run, config) and summary_tables(run, config, brief=False)


@pytest.mark.parametrize("rank", [0, 2])
def test_language_models_in_shards_without_rooms(rank, tmp_path):
    reader = "population.kinds.reader"
    few = ("population.size=24", "population.team.share=.3", f"{reader}.adapter.rank={rank}")
    runs = [
        drive(tiny(*few, "schedule.ticks=1", f"runtime.shards={shards}"), tmp_path / str(shards))
        for shards in (1, 3)
    ]
    assert rooms(runs[0]) == [1]
    assert runs[0].ledger_digest == runs[1].ledger_digest


def test_any_small_population_is_the_same_on_any_number_of_shards(tmp_path):
    draw = Keyed(11, "sweep")
    topologies = ("mixed", "ring", "random", "communities", "scale_free")
    for number in range(5):
        size, blocks, topology = (
            low + int(draw.integers(wide, number, part))
            for part, (low, wide) in enumerate(((10, 51), (2, 9), (0, len(topologies))))
        )
        config = small(
            *FEW,
            "schedule.ticks=2",
            f"population.size={size}",
            f"population.blocks={blocks}",
            f"population.topology={topologies[topology]}",
            f"population.team.share={1 if draw.uniform(number, 3) < 0.3 else 0.5}",
            "environment.n_options=2",
        )
        runs = []
        for shards in (1, 2 + int(draw.integers(World(config).n_blocks - 1, number, 4))):
            config.runtime.shards = shards
            runs.append(drive(config, tmp_path / f"{number} {shards}"))
        told = (size, blocks, topologies[topology], shards)
        assert runs[0].ledger_digest == runs[1].ledger_digest, told
        assert runs[0].metrics() == runs[1].metrics(), told
