"""A population that does not fit is refused by its size, and by the ties that a file brings."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coordination.population.edge_list import count_links
from environments.core.errors import ConfigError
from experiments.config.load import load_scenario
from experiments.config.preflight import preflight
from experiments.population import memory
from experiments.population.memory import (
    WORKING,
    bytes_available,
    bytes_needed,
    bytes_of_adapters,
    check_memory,
    n_adapters,
)
from experiments.population.state import State
from experiments.population.world import World
from tests.experiments.population.small import small


@pytest.mark.parametrize("overrides", [(), ("population.topology=ring",)])
def test_what_is_reckoned_is_what_the_state_takes_and_the_rounds_work(overrides):
    config = small(*overrides)
    world = World(config)
    state = State(world, 0, world.size, world.ties())
    building = 8 * state.ties.n if state.ties else 0
    last = 8 if state.ties else 0  # the rows' starts have one more
    reckoned = bytes_needed(config, world.environment)
    assert reckoned == state.bytes - last + building + WORKING * world.size
    half = small(*overrides, "population.team.share=.5")
    assert reckoned - bytes_needed(half, world.environment) == WORKING * world.size // 2


def edge_list(path, links, end="\n"):
    """Write a CSV, or a Parquet file, of links from agent 0 to others."""
    others = list(range(1, links + 1))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"source": [0] * links, "target": others}), path)
    else:
        rows = [f"0,{other}" for other in others]
        path.write_text("\n".join(["source,target", *rows]) + end, "utf-8")
    return f"population.topology={{name: edge_list, file: {path}}}"


@pytest.mark.parametrize(
    ("name", "end"), [("ties.csv", "\n"), ("ties.csv", ""), ("ties.parquet", "")]
)
def test_ties_of_a_file_are_counted(name, end, tmp_path):
    file = tmp_path / name
    config = small(edge_list(file, 21, end))
    world = World(config)
    assert count_links(str(file)) == 21
    state = State(world, 0, world.size, world.ties())
    assert state.ties.n == 42
    building = 8 * state.ties.n
    assert bytes_needed(config, world.environment) == (
        state.bytes - 8 + building + WORKING * world.size
    )


def test_too_many_ties_are_one_line(monkeypatch, tmp_path):
    file = tmp_path / "ties.parquet"
    config = small(edge_list(file, 300))
    environment = World(config).environment
    needed = bytes_needed(config, environment)
    monkeypatch.setattr(memory, "bytes_available", lambda: needed - 1)
    with pytest.raises(ConfigError, match=rf"topology.file: 330 agents and the 600 ties of {file}"):
        check_memory(config, environment)


READERS = (
    "population.size=60",
    "population.communities=1",
    "population.blocks=3",
    "population.kinds.reader.fraction=.2",
    "population.kinds.strong.fraction=.2",
    "population.kinds.weak.fraction=.6",
    "population.kinds.reader.policy.model={hidden_size: 8, intermediate_size: 8, heads: 1}",
)


@pytest.mark.parametrize(
    ("settings", "adapters", "rows"),
    [("rank: 2", 12, 16), ("rank: 2, agents: 0", 3, 8), ("rank: 3, targets: [q_proj]", 12, 16)],
)
def test_the_adapters_of_language_models_are_counted(settings, adapters, rows):
    """Of 12 readers in three blocks; a store grows by doubling, from eight rows."""
    plain = load_scenario("population_language", READERS)
    owning = [*READERS, f"population.kinds.reader.adapter={{{settings}}}"]
    config = load_scenario("population_language", owning)
    world = World(config)
    state = State(world, 0, world.size, None)
    [members] = state.adapters.members().values()
    assert (n_adapters(config, "reader"), len(members.bank.store)) == (adapters, adapters)
    assert members.nbytes == rows * 12 * members.bank.layout.width
    more = bytes_needed(config, world.environment) - bytes_needed(plain, world.environment)
    assert more == bytes_of_adapters(config, world.environment) == members.nbytes


def test_adapters_that_do_not_fit_are_named_with_what_lowers_them(monkeypatch):
    config = load_scenario(
        "population_language", [*READERS, "population.kinds.reader.adapter.rank=2"]
    )
    environment = World(config).environment
    needed = bytes_needed(config, environment)
    monkeypatch.setattr(memory, "bytes_available", lambda: needed - 1)
    told = (
        r"population.size: 60 agents with 0.0 GiB of adapters need .*, smaller or shared adapters "
        r"\(population.kinds.reader.adapter.rank and .agents\), or more nodes"
    )
    with pytest.raises(ConfigError, match=told):
        check_memory(config, environment)


def groups(root, limit, used, stat, value):
    root.mkdir(exist_ok=True)
    (root / limit).write_text(value)
    (root / used).write_text("700000\n")
    (root / "memory.stat").write_text(f"anon 5\n{stat} 200000\n")


def test_the_control_group_bounds_what_there_is(tmp_path):
    free = bytes_available(tmp_path)
    assert free > 10**7
    groups(tmp_path, "memory.max", "memory.current", "inactive_file", "max\n")
    assert bytes_available(tmp_path) > 10**7  # no limit
    groups(tmp_path, "memory.max", "memory.current", "inactive_file", "1000000\n")
    assert bytes_available(tmp_path) == 500_000  # caches are given back
    (tmp_path / "memory.max").unlink()
    first = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
    groups(tmp_path / "memory", *first, "900000\n")
    assert bytes_available(tmp_path) == 400_000
    groups(tmp_path / "memory", *first, "1\n")
    assert bytes_available(tmp_path) == 0


def test_one_byte_too_many_is_refused(monkeypatch):
    config = small()
    environment = World(config).environment
    needed = bytes_needed(config, environment)
    monkeypatch.setattr(memory, "bytes_available", lambda: needed)
    check_memory(config, environment)
    monkeypatch.setattr(memory, "bytes_available", lambda: needed - 1)
    with pytest.raises(ConfigError, match=r"330 agents need .*about 329 here"):
        check_memory(config, environment)


def test_on_a_cluster_the_memory_is_elsewhere(monkeypatch):
    monkeypatch.setattr(memory, "bytes_available", lambda: 0)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for overrides in ((), ("runtime=ray",)):
        with pytest.raises(ConfigError, match="population.size"):
            preflight(small(*overrides))
    preflight(small("runtime=ray", "runtime.ray.address=10.0.0.5:6379"))
