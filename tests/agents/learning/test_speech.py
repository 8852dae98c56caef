"""Language models that practise: exact log-probabilities, and rewards that are obeyed."""

import numpy as np
import pytest
import torch

from agents.language_model.backbone import Backbone
from agents.language_model.scoring import encode_case, score
from agents.learning.practice import DPO, GRPO, REINFORCE, PracticeConfig
from agents.learning.speech import Trainee, speech_log_probs
from environments.core.errors import DataError
from tests.agents.language_model.toy import WORDS, config, world

PROMPTS = [[1, 2, 3], [4, 5], [1, 2, 3], [4, 5]]
SPEECHES = [[6, 7], [8], [9, 10, 11], [10, 2]]
GROUP = np.array([0, 1, 0, 1])
REWARD = np.array([1.0, 0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def backbone():
    return Backbone(config(), WORDS)


def bound(backbone, weights):
    backbone.bind(backbone.frozen_parameters(weights))
    return backbone


def test_speeches_have_the_probabilities_that_the_model_alone_gives(backbone):
    bound(backbone, backbone.initial_weights(3))
    with torch.no_grad():
        found, mask = speech_log_probs(backbone, PROMPTS, SPEECHES)
        for row, (prompt, speech) in enumerate(zip(PROMPTS, SPEECHES, strict=True)):
            logits = backbone.model(input_ids=torch.tensor([[*prompt, *speech]])).logits[0]
            logs = logits.log_softmax(-1)
            for step, token in enumerate(speech):
                alone = float(logs[len(prompt) + step - 1, token])
                assert float(found[row, step]) == pytest.approx(alone, abs=1e-5)  # float32
    assert mask.sum(1).tolist() == [2, 1, 3, 2]
    assert not found[mask == 0].any()


@pytest.mark.parametrize("objective", [REINFORCE, GRPO, DPO])
def test_what_the_judge_rewarded_becomes_likelier_than_what_it_did_not(backbone, objective):
    start = backbone.initial_weights(3)
    trainee = Trainee(backbone, start, PracticeConfig(objective=objective, learning_rate=3e-3))

    def margins(weights):
        with torch.no_grad():
            logs, _ = speech_log_probs(bound(backbone, weights), PROMPTS, SPEECHES)
        total = logs.sum(1).numpy()
        return np.array([total[0] - total[2], total[3] - total[1]])

    before = margins(start)
    for _ in range(4):
        trainee.speeches(PROMPTS, SPEECHES, REWARD, GROUP)
    # Untrained matrices are small, so a token's log-probability moves by about its step: 0.1 is
    # far above float32 error and far below what 4 practices do.
    assert (margins(trainee.weights()) - before > 0.1).all()


def test_equal_rewards_teach_nothing(backbone):
    start = backbone.initial_weights(3)
    for objective in (REINFORCE, GRPO, DPO):
        trainee = Trainee(backbone, start, PracticeConfig(objective=objective))
        trainee.speeches(PROMPTS, SPEECHES, np.full(4, 0.5), GROUP)
        for name, value in trainee.weights().items():
            np.testing.assert_array_equal(value, start[name])


def test_a_judge_learns_from_its_principals_reward(backbone):
    case_id, contexts, options, right = world(8, 0)
    cases = [
        encode_case(backbone, context, tuple(found), (0, 1))
        for context, found in zip(contexts, options, strict=True)
    ]
    start = backbone.initial_weights(3)
    trainee = Trainee(backbone, start, PracticeConfig(objective=GRPO, learning_rate=3e-3))
    choice, group = np.tile([0, 1], 8), np.repeat(np.arange(8), 2)
    reward = (choice == np.repeat(right, 2)).astype(np.float64)
    twice = [case for case in cases for _ in range(2)]

    def sure_of_right(weights):
        from agents.language_model.scoring import collate

        with torch.no_grad():
            scores = score(bound(backbone, weights), collate(backbone, cases, 2)).log_softmax(-1)
        return float(scores.numpy()[np.arange(8), right].mean())

    before = sure_of_right(start)
    for _ in range(6):
        trainee.rulings(twice, choice, reward, group)
    assert sure_of_right(trainee.weights()) > before + 0.05


def test_a_speech_that_does_not_fit_is_refused(backbone):
    trainee = Trainee(backbone, backbone.initial_weights(3), PracticeConfig())
    with pytest.raises(DataError, match="a prompt of 0"):
        trainee.speeches([[]], [[5]], np.zeros(1), np.zeros(1, dtype=np.int64))
