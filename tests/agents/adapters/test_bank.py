"""The bank against PEFT: the same agents, one after another, through another implementation."""

import numpy as np
import pytest
import torch

from agents.adapters.layers import MOST_RUNS, route
from agents.adapters.optimizer import AdamW
from environments.core.errors import ConfigError
from tests.agents.adapters.models import (
    OPTIMIZER,
    bank,
    fill,
    lora_parameters,
    losses,
    model,
    peft_model,
    sample,
)

RAGGED = np.repeat([4, 9, 2, 7], [1, 1, 3, 2])
"""Owners of the rows of a batch: ragged, ids in no order."""


def train_both(kind, dtype, owner, steps=10, rate=1e-2, **settings):
    """Train the bank at once and PEFT's models one after another on the same rows."""
    base, made = bank(kind, dtype, **settings)
    agents = list(dict.fromkeys(owner.tolist()))
    fill(made, agents, rate)
    alone = {a: peft_model(model(kind, dtype), made.weights(a), made.config) for a in agents}
    rates = {a: made.store.get(a)[2] for a in agents}
    for step in range(steps):
        ids = sample(len(owner), seed=step)
        shares = torch.from_numpy(1.0 / np.array([(owner == o).sum() for o in owner]))

        def loss(ids=ids, shares=shares):
            return (losses(base(input_ids=ids).logits, ids) * shares.to(dtype)).sum()

        made.train(owner, loss)
    for agent, other in alone.items():
        mine = np.flatnonzero(owner == agent)
        parameters = list(lora_parameters(other).values())
        optimizer = torch.optim.AdamW(parameters, lr=rates[agent], weight_decay=0.05)
        norms = []
        for step in range(steps):
            ids = sample(len(owner), seed=step)[mine]
            optimizer.zero_grad()
            losses(other(input_ids=ids).logits, ids).mean().backward()
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, OPTIMIZER.clip_norm))
            optimizer.step()
        assert max(norms) > OPTIMIZER.clip_norm  # the clip bites
    return base, made, alone


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("rslora", [False, True])
def test_ten_steps_at_once_are_ten_steps_one_after_another(kind, rslora):
    _, made, alone = train_both(kind, torch.float64, RAGGED, rslora=rslora)
    for agent, other in alone.items():
        own = made.weights(agent)
        start = made.layout.initial(1, agent)
        assert set(own) == set(lora_parameters(other))
        for name, value in lora_parameters(other).items():
            # float64: ten steps of about 1e-2 leave rounding of 1e-12 at most.
            np.testing.assert_allclose(own[name], value.detach().numpy(), rtol=0, atol=1e-9)
        moved = [np.abs(own[n] - start[n]).max() for n in own if "lora_A" in n]
        assert min(moved) > 1e-3
        assert made.store.get(agent)[1] == 10


def test_float32_stays_near_peft():
    base, made, alone = train_both("llama", torch.float32, RAGGED, rate=1e-3)
    gaps = []
    for agent, other in alone.items():
        own = made.weights(agent)
        gaps += [
            np.abs(own[name] - value.detach().numpy()).ravel()
            for name, value in lora_parameters(other).items()
        ]
        ids = sample(3, seed=50)
        with torch.no_grad(), made.using([agent] * 3):
            mine = base(input_ids=ids).logits
        theirs = other(input_ids=ids).logits.detach()
        # float32 sums in another order; Adam makes steps of the learning rate even of rounding.
        assert (mine - theirs).abs().max() <= 1e-4 * theirs.abs().max()
    assert np.quantile(np.concatenate(gaps), 0.9999) < 1e-4


def test_agents_step_only_when_they_have_rows():
    base, made = bank()
    fill(made, [1, 2, 3])
    before = made.state(2)
    ids = sample(3)
    made.train([1, 3, 3], lambda: losses(base(input_ids=ids).logits, ids).sum())
    after = made.state(2)
    for group in before:
        for name, value in before[group].items():
            np.testing.assert_array_equal(value, after[group][name])
    assert [made.store.get(a)[1] for a in (1, 2, 3)] == [1, 0, 1]


def test_a_batch_gives_each_agent_what_it_gets_alone():
    """The gradient of one never reaches another, whatever the clipping of either."""
    together, alone = bank(), bank()
    fill(together[1], [1, 2])
    fill(alone[1], [1, 2])
    ids = sample(4)
    weight = torch.tensor([1.0, 1.0, 500.0, 500.0], dtype=torch.float64)

    def step(pair, owner, rows):
        base, made = pair
        made.train(
            owner,
            lambda: (losses(base(input_ids=ids[rows]).logits, ids[rows]) * weight[rows]).sum(),
        )

    step(together, [1, 1, 2, 2], [0, 1, 2, 3])
    step(alone, [1, 1], [0, 1])
    step(alone, [2, 2], [2, 3])
    for agent in (1, 2):
        for name, value in alone[1].weights(agent).items():
            np.testing.assert_allclose(together[1].weights(agent)[name], value, rtol=0, atol=1e-12)


def test_mixed_adapters_in_one_forward_pass():
    """Any order of rows, runs and gathered, padding at the end: each row by its own adapter."""
    base, made = bank("gpt2")
    agents = list(range(MOST_RUNS + 4))
    fill(made, agents)
    rng = np.random.default_rng(0)
    mixed = rng.permutation(np.repeat(agents, 2))
    for owner in (np.array([5, 5, 1, 0, 5]), mixed, np.append(mixed, [-1, -1]), np.array([3, -1])):
        ids = sample(len(owner), seed=2)
        with torch.no_grad():
            with made.using(owner):
                got = base(input_ids=ids).logits
            for row, agent in enumerate(owner):
                if agent < 0:
                    want = base(input_ids=ids[row : row + 1]).logits
                else:
                    with made.using([agent]):
                        want = base(input_ids=ids[row : row + 1]).logits
                torch.testing.assert_close(got[row : row + 1], want, rtol=0, atol=1e-12)


def test_without_adapters_in_force_the_model_is_the_base():
    plain = model("gpt2")
    ids = sample(2)
    want = plain(input_ids=ids).logits
    names = [name for name, _ in plain.named_parameters()]
    base, made = bank("gpt2")
    made.create([1], seed=0, key=0)
    assert [name for name, _ in base.named_parameters()] == names
    assert torch.equal(base(input_ids=ids).logits, want)
    with made.using([1, 1]):  # B is zero
        torch.testing.assert_close(base(input_ids=ids).logits, want, rtol=0, atol=1e-14)


def test_runs_and_gathering_agree_in_training():
    """More runs than are worth it are gathered; what is learned is the same."""
    owner = np.concatenate([[a] * (1 + a % 2) for a in range(MOST_RUNS + 3)])
    assert route(owner, torch.device("cpu")).index is not None
    left, right = bank(), bank()
    for _, made in (left, right):
        fill(made, range(MOST_RUNS + 3))
    ids = sample(len(owner))
    order = np.argsort(owner % 2, kind="stable")
    left[1].train(owner, lambda: losses(left[0](input_ids=ids).logits, ids).sum())
    turned = ids[torch.from_numpy(order)]
    right[1].train(owner[order], lambda: losses(right[0](input_ids=turned).logits, turned).sum())
    for agent in (0, 1, MOST_RUNS + 2):
        for name, value in left[1].weights(agent).items():
            np.testing.assert_allclose(right[1].weights(agent)[name], value, rtol=0, atol=1e-12)


def test_learning_rates_are_each_agents_own():
    base, made = bank(optimizer=AdamW(0.0, 0.0))
    for agent in (1, 2):
        made.create([agent], seed=0, key=0, learning_rate=1e-2)
    made.set_learning_rate(2, 0.0)
    start = made.weights(2)
    ids = sample(1).repeat(2, 1)
    made.train([1, 2], lambda: losses(base(input_ids=ids).logits, ids).sum())
    assert all((made.weights(2)[n] == start[n]).all() for n in start)
    assert any((made.weights(1)[n] != start[n]).any() for n in start)


def test_targets_are_named_as_in_peft():
    _, some = bank(targets=["q_proj", "mlp.down_proj"])
    assert [s.path.split(".", 3)[3] for s in some.layout.sites] == [
        "self_attn.q_proj",
        "mlp.down_proj",
    ] * 2
    _, pattern = bank(targets=[r".*layers\.1\.self_attn\.[qk]_proj"])
    assert [s.path for s in pattern.layout.sites] == [
        "model.layers.1.self_attn.q_proj",
        "model.layers.1.self_attn.k_proj",
    ]
    _, every = bank("gpt2")
    assert len(every.layout.sites) == 8  # the head is left out
    assert all(site.transposed for site in every.layout.sites)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (["proj"], "allowed: all-linear"),
        (
            ["nothing_here"],
            "down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj, up_proj, v_proj",
        ),
        (["embed_tokens"], "matches no linear module"),
        (["(unbalanced"], "is no regular expression"),
    ],
)
def test_a_target_that_matches_nothing_is_one_line(targets, said):
    with pytest.raises(ConfigError) as caught:
        bank(targets=targets)
    assert said in str(caught.value)
    assert repr(targets[0]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_computed_is_refused():
    base, made = bank(optimizer=None)
    fill(made, [1])
    with pytest.raises(ConfigError, match="agent 5 has no adapter"), made.using([5]):
        pass
    with pytest.raises(ConfigError, match="only computes"):
        made.train([1], lambda: losses(base(input_ids=sample(1)).logits, sample(1)).sum())
    with pytest.raises(ConfigError, match="after all others"), made.using([-1, 1]):
        pass
    with pytest.raises(ConfigError, match="3 rows where the batch has 2"), made.using([1, 1]):
        base(input_ids=sample(3))
    parts = dict(made.weights(1))
    parts.pop(next(iter(parts)))
    with pytest.raises(ConfigError, match="parts differ"):
        made.put(2, parts)
