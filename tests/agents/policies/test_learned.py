"""Debaters that learn what to quote: exact probabilities, and objectives that they obey."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.conformance import check_policy, example_asks
from agents.learning.numeric import choice_log_probs, improved, new_minds
from agents.learning.practice import DPO, GRPO, REINFORCE, PracticeConfig
from agents.policies.learned import FEATURES, LearnedDebater, LearnedDebaterConfig, choices
from coordination.messages import MessageKind
from environments.base import NO_QUOTE
from environments.core.columns import Columns
from environments.core.errors import ConfigError

RNG = np.random.default_rng(5)


def speaking(n=64, **more):
    return example_asks(n, intent=MessageKind.ARGUMENT, seat="proponent", assigned=True, **more)


def minds_of(asks, weights):
    minds = new_minds(asks.agent_id, len(FEATURES))
    return minds.with_(weights=np.tile(weights, (asks.n, 1)))


def by_hand(weights, features, allowed, chosen):
    left, logs = set(np.flatnonzero(allowed)), []
    for choice in chosen:
        if choice < 0:
            logs.append(0.0)
            continue
        total = sum(np.exp(features[a] @ weights) for a in left)
        logs.append(features[choice] @ weights - np.log(total))
        left.remove(choice)
    return logs


@pytest.mark.parametrize("quotes", [1, 3])
def test_it_conforms(quotes):
    policy = LearnedDebater(LearnedDebaterConfig(quotes_per_message=quotes), 0)
    assert [f for f in check_policy(policy) if not f.ok] == []


def test_log_probabilities_are_those_of_draws_without_replacement():
    n, actions, width = 20, 5, 3
    weights = RNG.normal(size=(n, 4))
    features = RNG.normal(size=(n, actions, 4))
    allowed = np.ones((n, actions), dtype=bool)
    allowed[::2, 1] = False
    chosen = np.stack([RNG.permutation([0, 2, 3])[:width] for _ in range(n)])
    chosen[::3, 2] = -1
    given = [torch.from_numpy(x) for x in (weights, features, allowed, chosen)]
    expected = [by_hand(*row) for row in zip(weights, features, allowed, chosen, strict=True)]
    np.testing.assert_allclose(choice_log_probs(*given).numpy(), expected, atol=1e-12)
    at = given[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda w: choice_log_probs(w, *given[1:]), (at,))


def test_it_draws_with_the_probabilities_that_it_learns_from():
    """What is practised is what was drawn: frequencies against exp(log-probabilities)."""
    one = speaking(1, n_options=2, n_items=3, rounds=0)
    n = 20_000
    asks = one.take(np.zeros(1, dtype=np.int64))
    asks = replace(
        asks,
        **{
            name: np.repeat(value, n, axis=0)
            for name, value in vars(asks).items()
            if isinstance(value, np.ndarray)
        },
    )
    asks = replace(asks, ask_id=np.arange(n))
    weights = np.array([0.3, 0.5, -0.2, 0.4, 0.1, 0.2])
    policy = LearnedDebater(LearnedDebaterConfig(quotes_per_message=2), 3)
    minds = minds_of(asks, weights)
    rows = policy.practised(asks, policy.answer(asks, minds))
    features = rows["features"].reshape(n, -1, len(FEATURES))
    given = [torch.tensor(x) for x in (minds["weights"], features, rows["allowed"], rows["chosen"])]
    probs = choice_log_probs(*given).sum(1).exp().numpy()
    kinds, place, count = np.unique(rows["chosen"], axis=0, return_inverse=True, return_counts=True)
    expected = np.array([probs[place.ravel() == k][0] for k in range(len(kinds))])
    assert expected.sum() == pytest.approx(1.0, abs=1e-9)  # every sequence of choices occurs
    # Standard error of a share of 20 000 is at most .0035; four of them, over some 15 shares.
    assert np.abs(count / n - expected).max() < 0.015
    assert len(kinds) > 8


def test_untrained_it_discloses_at_random_and_weights_move_what_it_says():
    asks = speaking(2000, n_options=2)
    policy = LearnedDebater(LearnedDebaterConfig(quotes_per_message=1), 3)
    features, allowed = choices(asks, asks.stance, np.zeros(asks.n, dtype=np.int64))

    def said(weights):
        quotes = policy.answer(asks, minds_of(asks, weights)).quotes[:, 0]
        helps = features[np.arange(asks.n), np.maximum(quotes, 0), 0]
        return quotes, helps[quotes >= 0].mean()

    quotes, aimless = said(np.zeros(6))
    share = 1 / allowed.sum(1)
    assert (quotes == NO_QUOTE).mean() == pytest.approx(share.mean(), abs=0.03)
    assert abs(aimless) < 0.15 < said(np.array([2.0, 0, 0, 0, 0, 0]))[1]
    assert (said(np.array([0, 0, 0, 50.0, 0, 0]))[0] == NO_QUOTE).all()
    assert (said(np.array([0, 0, 0, 0, 50.0, 0]))[0] < NO_QUOTE).all()


def practice(agents, seed, reward=None, situations=30, rollouts=4):
    """A bandit: three choices, reward is the chosen one's first feature."""
    rng = np.random.default_rng(seed)
    parts = []
    for agent in agents:
        n = situations * rollouts
        features = np.repeat(rng.normal(size=(situations, 3, 2)), rollouts, axis=0)
        chosen = rng.integers(3, size=(n, 1))
        earned = features[np.arange(n), chosen[:, 0], 0]
        parts.append(
            Columns(
                {
                    "agent_id": np.full(n, agent),
                    "room_id": np.arange(n),
                    "turn": np.zeros(n, dtype=np.int64),
                    "features": features.reshape(n, -1),
                    "allowed": np.ones((n, 3), dtype=bool),
                    "chosen": chosen,
                    "group": np.repeat(np.arange(situations), rollouts),
                    "reward": earned if reward is None else np.full(n, reward),
                }
            )
        )
    return Columns.concat(parts)


@pytest.mark.parametrize("objective", [REINFORCE, GRPO, DPO])
def test_every_objective_finds_what_is_rewarded(objective):
    minds = new_minds(np.array([4]), 2)
    config = PracticeConfig(objective=objective)
    for tick in range(5):
        minds = improved(minds, practice([4], tick, situations=300), config)
    first, second = minds["weights"][0]
    assert first > 0.2 and first > 2 * abs(second)  # the second feature earns nothing
    assert not minds["reference"].any()
    assert minds["steps"].tolist() == [5 if objective == REINFORCE else 10]


@pytest.mark.parametrize("objective", [REINFORCE, GRPO, DPO])
def test_agents_learn_together_as_they_would_alone_and_nothing_from_equal_rewards(objective):
    config = PracticeConfig(objective=objective, kl=0.1)
    minds = new_minds(np.array([2, 5, 9]), 2)
    rows = [practice([2], 0), practice([9], 1, situations=7)]
    for _ in range(2):
        minds = improved(minds, Columns.concat(rows), config)
    for place, (agent, mine) in enumerate(zip([2, 9], rows, strict=True)):
        alone = new_minds(np.array([agent]), 2)
        for _ in range(2):
            alone = improved(alone, mine, config)
        np.testing.assert_allclose(minds["weights"][2 * place], alone["weights"][0], atol=1e-12)
    assert not minds["weights"][1].any() and minds["steps"][1] == 0
    still = improved(new_minds(np.array([2]), 2), practice([2], 0, reward=0.3), config)
    assert not still["weights"].any()


def test_a_sequence_is_all_turns_of_a_room():
    """Two turns of a room share one reward: gradient as of the sum of their log-probabilities."""
    rows = practice([1], 0, situations=6)
    room = np.repeat(np.arange(rows.n // 2), 2)
    paired = rows.with_(
        room_id=room,
        turn=np.tile([0, 1], rows.n // 2),
        group=room // 2,
        reward=np.repeat(RNG.normal(size=rows.n // 2), 2),
    )
    config = PracticeConfig(objective=REINFORCE, clip_norm=0.0, learning_rate=0.01)
    found = improved(new_minds(np.array([1]), 2), paired, config)
    weights = torch.zeros(rows.n, 2, dtype=torch.float64, requires_grad=True)
    features = torch.tensor(paired["features"]).view(rows.n, 3, 2)
    logs = choice_log_probs(weights, features, torch.ones(rows.n, 3).bool(), torch.tensor(
        paired["chosen"]))  # fmt: skip
    reward = paired["reward"][::2].reshape(-1, 2)
    gain = torch.tensor((reward - reward[:, ::-1]).ravel().copy())
    (-(gain * logs.view(-1, 2).sum(1)).mean()).backward()
    gradient = weights.grad.sum(0).numpy()
    np.testing.assert_allclose(found["exp_avg"][0], 0.1 * gradient, atol=1e-12)
    np.testing.assert_allclose(found["weights"][0], -0.01 * np.sign(gradient), atol=1e-6)


def test_bad_numbers_are_refused():
    with pytest.raises(ConfigError, match="quotes_per_message"):
        LearnedDebater(LearnedDebaterConfig(quotes_per_message=0), 0)
    bad = LearnedDebaterConfig(practice=PracticeConfig(beta=-1.0))
    with pytest.raises(ConfigError, match=r"learned_debater.practice.beta: given -1.0"):
        LearnedDebater(bad, 0)
