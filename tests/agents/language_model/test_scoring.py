"""Scores equal those of a loop over single sequences, however they are packed and padded."""

import numpy as np
import pytest
import torch

from agents.language_model.backbone import Backbone
from agents.language_model.scoring import (
    HIDDEN,
    Encoded,
    collate,
    encode_case,
    micro_batches,
    score,
)

from .toy import WORDS, config, save_pretrained

RAGGED = [
    ("sun rain fog", ("go", "stay")),
    ("fog", ("go stay wait", "lake", "sun sun")),
    ("hill lake wind rain sun sun", ("wait", "go go", "rain", "stay stay stay stay")),
]


def looped(backbone, case: Encoded) -> list[float]:
    """One sequence at a time, all logits, straight from the definition."""
    scores = []
    for tail in case.tails:
        ids = torch.tensor([[*case.prefix, *tail]])
        with torch.inference_mode():
            logs = backbone.model(input_ids=ids).logits[0].log_softmax(-1)
        if backbone.config.scoring == "verdict":
            scores.append(float(logs[-1, backbone.yes] - logs[-1, backbone.no]))
            continue
        start = len(case.prefix)
        terms = [float(logs[start + t - 1, token]) for t, token in enumerate(tail)]
        scores.append(sum(terms) / (len(terms) if backbone.config.normalize_length else 1))
    return scores


def encoded(backbone):
    return [encode_case(backbone, c, o, tuple(range(len(o)))) for c, o in RAGGED]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen2"])
@pytest.mark.parametrize("scoring", ["verdict", "option", "normalized"])
@pytest.mark.parametrize("shared", [True, False])
def test_scores_equal_single_sequences(architecture, scoring, shared):
    name = "option" if scoring == "normalized" else scoring
    made = config(
        scoring=name,
        normalize_length=scoring == "normalized",
        model={"architecture": architecture, "layers": 2},
    )
    backbone = Backbone(made, WORDS)
    weights = {k: v * (8 if v.ndim > 1 else 1) for k, v in backbone.initial_weights(0).items()}
    backbone.bind(
        {
            k: torch.nn.Parameter(v, requires_grad=False)
            for k, v in backbone.tensors(weights).items()
        }
    )
    assert backbone.shares_context
    backbone.shares_context = shared
    cases = encoded(backbone)
    with torch.inference_mode():
        got = score(backbone, collate(backbone, cases, 4)).numpy()
    want = [looped(backbone, case) for case in cases]
    assert np.ptp(want[2]) > 0.01  # the options are told apart
    for row, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(row[: len(expected)], expected, atol=2e-5)
        assert (row[len(expected) :] <= HIDDEN / 4).all()


@pytest.mark.parametrize("scoring", ["verdict", "option"])
def test_pretrained_scores_equal_single_sequences(tmp_path, scoring):
    made = config(
        scoring=scoring, model={"path": str(save_pretrained(tmp_path)), "max_length": 400}
    )
    backbone = Backbone(made)
    cases = encoded(backbone)
    with torch.inference_mode():
        got = score(backbone, collate(backbone, cases, 4)).numpy()
    for row, case in zip(got, cases, strict=True):
        want = looped(backbone, case)
        np.testing.assert_allclose(row[: len(want)], want, atol=2e-5)


def test_instructions_show_options_in_presentation_order(tmp_path):
    backbone = Backbone(config(model={"path": str(save_pretrained(tmp_path))}))
    one = encode_case(backbone, "sun", ("go", "stay"), (0, 1))
    two = encode_case(backbone, "sun", ("go", "stay"), (1, 0))
    text = backbone.tokenizer.decode(list(two.prefix))
    assert text.index("1. stay") < text.index("2. go")
    assert one.prefix != two.prefix and one.tails == two.tails


def test_plain_prompt_is_context_and_option_and_nothing_else():
    backbone = Backbone(config(), WORDS)
    case = encode_case(backbone, "sun rain", ("go", "stay"), (1, 0))
    words = backbone.tokenizer.convert_ids_to_tokens([*case.prefix, *case.tails[1]])
    assert words == ["sun", "rain", "<sep>", "stay", "<ask>"]
    assert encode_case(backbone, "sun rain", ("go", "stay"), (0, 1)) is case


def test_batches_are_padded_to_multiples_of_eight_and_scores_are_differentiable():
    backbone = Backbone(config(), WORDS)
    batch = collate(backbone, encoded(backbone), 4)
    rows, length = batch.inputs["input_ids"].shape
    assert rows % 8 == 0 and length % 8 == 0
    leaves = {
        k: torch.nn.Parameter(v) for k, v in backbone.tensors(backbone.initial_weights(0)).items()
    }
    backbone.bind(leaves)
    score(backbone, batch)[batch.exists].sum().backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves.values())
    assert leaves["lm_head.weight"].grad.abs().sum() > 0


def test_membership_of_micro_batches_does_not_depend_on_the_order_of_asking():
    backbone = Backbone(config(micro_batch=8), WORDS)
    cases = [
        encode_case(backbone, f"sun {'fog ' * (i % 12)}", ("go", WORDS[i % 9]), (0, 1))
        for i in range(40)
    ]
    case_id = np.arange(40) // 2
    shuffle = np.random.default_rng(0).permutation(40)
    plain = list(micro_batches(backbone, cases, case_id, 2))
    other = list(micro_batches(backbone, [cases[i] for i in shuffle], case_id[shuffle], 2))
    assert [[cases[i] for i in cut] for cut, _ in plain] == [
        [cases[shuffle[i]] for i in cut] for cut, _ in other
    ]
    assert sorted(np.concatenate([cut for cut, _ in plain])) == list(range(40))
    assert max(len(cut) for cut, _ in plain) == 8
