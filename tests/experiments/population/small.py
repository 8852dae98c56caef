"""A small population that runs in a moment."""

from experiments.config.load import load_scenario, resolved_yaml
from experiments.population.driver import PopulationDriver
from experiments.progress import NullProgress
from experiments.runs.directory import RunDirectory
from experiments.runtime.inprocess import InProcessRuntime

SMALL = (
    "population.size=330",
    "population.communities=3",
    "population.blocks=5",
    "population.exam=60",
    "population.room_block=9",
    "population.kinds.strong.fraction=.1",
    "population.kinds.weak.fraction=.9",
    "population.kinds.strong.dishonest=.3",
    "population.kinds.weak.values={law: normal, sd: .5, low: -3, high: 3}",
    "splits.teaching=500",
    "splits.curve=100",
    "splits.test=100",
    "schedule.ticks=2",
    "schedule.snapshot_every=2",
    "environment.n_options=3",
)


def small(*overrides):
    return load_scenario("population", [*SMALL, *overrides])


def drive(config, path, runtime=None, at=lambda point: None):
    """Run a population's driver to its end; return the run, still open for reading."""
    runtime = runtime or InProcessRuntime()
    with RunDirectory.create(path, resolved_yaml(config), {"scenario": config.name}) as run:
        PopulationDriver(config, run, runtime, NullProgress(), at).run()
    return RunDirectory.open(path)


def go_on(config, path, runtime=None, at=lambda point: None):
    """Resume a run's driver; return the run, open for reading."""
    with RunDirectory.open(path) as run:
        driver = PopulationDriver(config, run, runtime or InProcessRuntime(), NullProgress(), at)
        driver.run()
    return RunDirectory.open(path)
