"""Adapters that leave memory come back bit for bit, and no result can tell that they left."""

import numpy as np
import pytest
import torch

from agents.adapters.bank import AdapterBank
from agents.adapters.store import AdapterStore
from environments.core.errors import ConfigError, DataError
from tests.agents.adapters.models import bank, fill, losses, sample

AGENTS = range(64)


def train(made, base, rounds=2, together=8):
    for turn in range(rounds):
        for start in range(0, len(AGENTS), together):
            # Another order in each round, so that agents leave and come back.
            owner = (np.arange(start, start + together) * (2 * turn + 1)) % len(AGENTS)
            ids = sample(together, seed=start + 1000 * turn)
            made.train(owner, lambda ids=ids: losses(base(input_ids=ids).logits, ids).sum())


def states(made: AdapterBank):
    return {
        (agent, group, name): value
        for agent in AGENTS
        for group, parts in made.state(agent).items()
        for name, value in parts.items()
    }


@pytest.mark.parametrize("resident", [8, 13])
def test_eight_in_memory_are_as_good_as_all(resident, tmp_path):
    base, every = bank(dtype=torch.float32)
    fill(every, AGENTS)
    train(every, base)
    small_base, few = bank(dtype=torch.float32, resident=resident, folder=str(tmp_path / "kept"))
    fill(few, AGENTS)
    train(few, small_base)
    assert few.store.in_memory == resident
    assert len(few.store) == 64
    assert few.store.loads >= 100  # they did leave
    want, got = states(every), states(few)
    assert want.keys() == got.keys()
    for key, value in want.items():
        np.testing.assert_array_equal(value, got[key], err_msg=str(key))
    assert not list(tmp_path.rglob("*.tmp"))


def store(**changes) -> AdapterStore:
    settings = {"resident": 2, **changes}
    return AdapterStore(4, ("weights", "m"), torch.float32, torch.device("cpu"), **settings)


def test_the_least_recently_used_leaves_and_clean_ones_are_not_written_again(tmp_path):
    made = store(folder=str(tmp_path))
    for agent in (1, 2, 3):
        made.put(agent, {"weights": np.full(4, agent)}, agent, 0.5)
    files = {path.name for path in tmp_path.rglob("*.safetensors")}
    assert files == {"1.safetensors"}
    made.rows([2])
    made.rows([1])  # 3 leaves: 2 was used after it
    files = {path.name for path in tmp_path.rglob("*.safetensors")}
    assert files == {"1.safetensors", "3.safetensors"}
    (one,) = tmp_path.rglob("1.safetensors")
    one.unlink()
    made.rows([2, 3])  # 1 did not change since it was read: nothing to write
    assert not one.exists()
    with pytest.raises(DataError, match="agent 1 is missing or damaged"):
        made.rows([1])
    vectors, step, rate = made.get(3)
    assert (vectors["weights"] == 3).all()
    assert (vectors["m"] == 0).all()
    assert (step, rate) == (3, 0.5)


def test_more_than_fit_at_once_is_one_line():
    made = store()
    for agent in (1, 2, 3):
        made.put(agent, {}, 0, 0.0)
    with pytest.raises(ConfigError, match="3 asked for at once, allowed: 2"):
        made.rows([1, 2, 3])


def test_a_damaged_file_is_named(tmp_path):
    made = store(folder=str(tmp_path))
    for agent in (1, 2, 3):
        made.put(agent, {}, 0, 0.0)
    (path,) = tmp_path.rglob("1.safetensors")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"1\.safetensors"):
        made.rows([1])
    made.rows([2, 3])  # the others are as they were


def test_dropped_agents_are_gone(tmp_path):
    made = store(folder=str(tmp_path))
    for agent in (1, 2, 3):
        made.put(agent, {}, 0, 0.0)
    made.drop([1, 3])
    assert list(made) == [2]
    assert not list(tmp_path.rglob("*.safetensors"))
    with pytest.raises(ConfigError, match="agent 1 has no adapter"):
        made.get(1)


def test_a_bank_grows_without_a_limit():
    made = store(resident=0)
    for agent in range(50):
        made.put(agent, {"weights": np.full(4, agent)}, 0, 0.0)
    assert made.in_memory == 50
    rows = made.rows(list(range(50)))
    np.testing.assert_array_equal(made.columns["weights"][rows, 0].numpy(), np.arange(50))
