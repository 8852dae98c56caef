"""Models from scratch depend on keys alone; loaded ones on their files; mistakes are one line."""

import numpy as np
import pytest
import torch

from agents.language_model.backbone import Backbone
from agents.learning.interface import weights_digest
from environments.core.errors import ConfigError

from .toy import WORDS, config, save_pretrained


def bound(backbone, weights):
    backbone.bind(
        {
            k: torch.nn.Parameter(v, requires_grad=False)
            for k, v in backbone.tensors(weights).items()
        }
    )


def test_initial_weights_are_keyed_and_leave_global_generators_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = Backbone(config(), WORDS).initial_weights(7, 0)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    again = Backbone(config(), tuple(reversed(WORDS))).initial_weights(7, 0)
    assert weights_digest(first) == weights_digest(again)
    digests = {
        weights_digest(Backbone(config(), WORDS).initial_weights(s, r))
        for s, r in ((7, 0), (7, 1), (8, 0))
    }
    assert len(digests) == 3


def test_initial_weights_have_the_declared_scale():
    weights = Backbone(config(model={"hidden_size": 64}), WORDS).initial_weights(0)
    matrix = weights["model.layers.0.self_attn.q_proj.weight"]
    assert abs(matrix.std() / 0.02 - 1) < 0.05 and abs(matrix.mean()) < 0.002
    assert np.all(weights["model.norm.weight"] == 1)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen2"])
def test_bind_changes_what_is_computed_and_nothing_else(architecture):
    backbone = Backbone(config(model={"architecture": architecture}), WORDS)
    ids = {"input_ids": torch.arange(5)[None]}
    rows, last = torch.tensor([0]), torch.tensor([4])
    one, two = backbone.initial_weights(1), backbone.initial_weights(2)
    with torch.inference_mode():
        bound(backbone, one)
        a = backbone.logits_at(ids, rows, last)
        bound(backbone, two)
        b = backbone.logits_at(ids, rows, last)
        bound(backbone, one)
        c = backbone.logits_at(ids, rows, last)
    assert torch.equal(a, c) and not torch.allclose(a, b)
    assert np.array_equal(one["lm_head.weight"], backbone.initial_weights(1)["lm_head.weight"])


def test_tied_weights_stay_tied(tmp_path):
    backbone = Backbone(config(model={"path": str(save_pretrained(tmp_path, architecture="gpt2"))}))
    weights = dict(backbone.initial_weights(0))
    assert "lm_head.weight" not in weights  # one parameter, in two places
    name = "transformer.wte.weight"
    weights[name] = weights[name] * 0.5
    bound(backbone, weights)
    assert backbone.model.get_output_embeddings().weight is backbone.model.transformer.wte.weight


@pytest.mark.parametrize("chat", [True, False])
def test_loaded_model_computes_what_transformers_computes(tmp_path, chat):
    from transformers import AutoModelForCausalLM

    path = str(save_pretrained(tmp_path, chat))
    backbone = Backbone(config(model={"path": path}))
    ids = torch.tensor([[5, 60, 7, 200]])
    rows, places = torch.tensor([0, 0]), torch.tensor([1, 3])
    with torch.inference_mode():
        want = AutoModelForCausalLM.from_pretrained(path)(ids).logits[rows, places]
        got = backbone.logits_at({"input_ids": ids}, rows, places)
        odds = backbone.log_odds_at({"input_ids": ids}, rows, places)
    torch.testing.assert_close(got, want)
    logs = want.log_softmax(-1)
    torch.testing.assert_close(odds, logs[:, backbone.yes] - logs[:, backbone.no])
    yes = backbone.tokenizer.decode([backbone.yes])
    assert yes.startswith("y" if chat else " ") and backbone.prompter.style == "instruct"
    assert backbone.max_length == 64  # the configuration's limit is below the model's


def test_models_that_change_their_logits_are_computed_in_full():
    """Gemma 2 caps its logits: the cheap head would be wrong there, and is not used."""
    small = config(model={"architecture": "gemma2", "hidden_size": 32})
    backbone = Backbone(small, WORDS)
    weights = {k: v * 30 for k, v in backbone.initial_weights(0).items()}
    bound(backbone, weights)
    backbone._linear_head = backbone._check_head()
    assert not backbone._linear_head
    ids = {"input_ids": torch.arange(5)[None]}
    rows, places = torch.tensor([0]), torch.tensor([4])
    with torch.inference_mode():
        full = backbone.model(**ids).logits[0, 4]
        odds = backbone.log_odds_at(ids, rows, places)[0]
    torch.testing.assert_close(odds, full[backbone.yes] - full[backbone.no])


def refused(match, words=WORDS, **changes):
    with pytest.raises(ConfigError, match=match) as caught:
        Backbone(config(**changes), words)
    assert "\n" not in str(caught.value)


def test_mistakes_are_one_line(tmp_path):
    refused("path: got '.*nowhere'", model={"path": str(tmp_path / "nowhere")})
    (tmp_path / "empty").mkdir()
    refused("path: got .*safetensors", model={"path": str(tmp_path / "empty")})
    refused("closed vocabulary", words=())
    refused("architecture: got 'lama'", model={"architecture": "lama"})
    refused("multiples of model.heads", model={"heads": 3})
    refused("scoring: got 'both', allowed: verdict, option", scoring="both")
    refused("micro_batch: got 12, allowed: multiples of 8", micro_batch=12)
    refused("dtype: got 'int8'", model={"dtype": "int8"})
    refused("allowed: auto, cpu, cuda", model={"device": "gpu"})
    refused("allowed: auto, cpu, cuda", model={"device": "cuda:x"})
    absent = f"cuda:{torch.cuda.device_count() if torch.cuda.is_available() else 0}"
    refused(f"got '{absent}', but this machine has", model={"device": absent})


def test_yes_and_no_must_differ(tmp_path):
    path = str(save_pretrained(tmp_path))
    refused("same token", model={"path": path}, yes="go", no="go")
    refused("plain", model={"path": path}, style="plain")


def test_pickled_weights_are_refused(tmp_path):
    path = save_pretrained(tmp_path)
    weights = path / "model.safetensors"
    torch.save({"x": torch.zeros(1)}, path / "pytorch_model.bin")
    weights.unlink()
    refused("path: got .*safetensors", model={"path": str(path)})


def test_foreign_weights_are_refused():
    backbone = Backbone(config(), WORDS)
    weights = dict(backbone.initial_weights(0))
    with pytest.raises(ConfigError, match="first 'odd'"):
        backbone.tensors({**weights, "odd": np.zeros(1)})
    with pytest.raises(ConfigError, match="has shape"):
        backbone.tensors({**weights, "lm_head.weight": np.zeros((2, 2))})
