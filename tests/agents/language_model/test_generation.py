"""Sampled speech: keyed, exact in distribution, greedy at temperature 0."""

import numpy as np
import pytest
import torch

from agents.language_model.backbone import Backbone
from agents.language_model.generation import _draw, generate
from environments.core.keyed import Keyed

from .toy import WORDS, config, save_pretrained


@pytest.fixture(scope="module")
def backbone():
    return Backbone(config(max_new_tokens=7, micro_batch=8), WORDS)


PROMPTS = [(1, 2, 3), (4,), (5, 6, 7, 8, 1, 2), (2, 2), (3, 1), (7,), (8, 8, 8, 1), (1, 5), (6,)]
ASKS = np.arange(20, 29)


def test_speech_depends_on_the_ask_and_on_nothing_else(backbone):
    state = torch.random.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    whole = generate(backbone, PROMPTS, ASKS, 3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])
    order = np.array([4, 0, 8, 2, 1, 3, 5, 7, 6])
    other = generate(backbone, [PROMPTS[i] for i in order], ASKS[order], 3)
    assert [whole[i] for i in order] == other
    assert [generate(backbone, [p], ASKS[i : i + 1], 3)[0] for i, p in enumerate(PROMPTS)] == whole
    assert generate(backbone, PROMPTS, ASKS + 100, 3) != whole
    assert generate(backbone, PROMPTS, ASKS, 4) != whole


def test_tokens_are_counted_and_bounded(backbone):
    for prompt, speech in zip(PROMPTS, generate(backbone, PROMPTS, ASKS, 3), strict=True):
        written = speech.tokens - len(prompt)
        assert 1 <= written <= 7
        assert len(speech.text.split()) <= written
        assert "<" not in speech.text.replace("<unk>", "")


def test_draws_follow_the_softmax():
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0]])
    n = 20_000
    asks = np.arange(n)
    drawn = _draw(logits.expand(n, 4), 0.5, asks, 0, Keyed(1, "t"))
    want = (logits[0] / 0.5).softmax(-1).numpy()
    got = np.bincount(drawn, minlength=4) / n
    assert np.abs(got - want).max() < 4 * np.sqrt(0.25 / n)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_greedy_equals_transformers_own_generation(tmp_path, architecture):
    """Left padding, positions, cache and end tokens as in ``model.generate``."""
    path = str(save_pretrained(tmp_path, architecture=architecture))
    backbone = Backbone(config(model={"path": path}, temperature=0.0, max_new_tokens=12))
    tokenizer = backbone.tokenizer
    tokenizer.padding_side = "left"
    prompts = [tokenizer(t)["input_ids"] for t in ("sun rain go", "Case", "stay stay stay stay no")]
    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
    with torch.inference_mode():
        want = backbone.model.generate(**padded, do_sample=False, max_new_tokens=12)
    start = padded["input_ids"].shape[1]
    texts = [t.strip() for t in tokenizer.batch_decode(want[:, start:], skip_special_tokens=True)]
    assert [s.text for s in generate(backbone, prompts, np.arange(3), 0)] == texts


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_full_sequence_stops_while_its_neighbour_goes_on(architecture):
    made = config(max_new_tokens=30, model={"max_length": 16, "architecture": architecture})
    backbone = Backbone(made, WORDS)
    speeches = generate(backbone, [(1,) * 15, (1,)], np.arange(2), 0)
    assert speeches[0].tokens == 16
    assert 2 <= speeches[1].tokens <= 16


def test_speech_stops_at_the_end_token(backbone):
    end = backbone.tokenizer.eos_token_id
    weights = dict(backbone.initial_weights(0))
    weights = {k: np.array(v) for k, v in weights.items()}
    weights["model.embed_tokens.weight"][:] = 1.0
    weights["lm_head.weight"][:] = 0.0
    weights["lm_head.weight"][end] = 50.0
    made = Backbone(config(max_new_tokens=7), WORDS)
    made.bind(
        {k: torch.nn.Parameter(v, requires_grad=False) for k, v in made.tensors(weights).items()}
    )
    assert [s.tokens for s in generate(made, [(1, 2)], np.array([1]), 0)] == [3]
    assert generate(made, [(1, 2)], np.array([1]), 0)[0].text == ""
