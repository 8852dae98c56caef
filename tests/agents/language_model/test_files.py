"""Models that are not where the configuration says show before anything starts, in one line."""

import os
import subprocess
import sys

import pytest

from agents.language_model.config import LanguageModelConfig, ModelConfig
from agents.language_model.files import Place, converted, locate
from agents.language_model.policy import LanguageModel
from environments.core.errors import ConfigError, MissingExtraError
from experiments import cli


def found(path, gguf_file=""):
    return locate(ModelConfig(path=str(path), gguf_file=gguf_file))


def folder(tmp_path, *names):
    for name in names:
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_folders_files_and_hub_names_are_told_apart(tmp_path):
    whole = folder(tmp_path, "config.json", "model.safetensors", "m.gguf")
    assert found(whole) == Place(str(whole))
    assert found(whole, "m.gguf") == found(whole / "m.gguf") == Place(str(whole), "m.gguf")
    assert found("gpt2") == Place("gpt2", local=False)
    assert found("org/model-1.5B", "q4.gguf") == Place("org/model-1.5B", "q4.gguf", local=False)


@pytest.mark.parametrize(
    ("names", "given", "gguf_file", "message"),
    [
        ((), "/no/such/model", "", "no such folder"),
        ((), "./nope/x", "", "no such folder"),
        ((), "a/b/c", "", "no such folder"),
        ((), "nope.gguf", "", "no such folder"),
        ((), "", "", "without config.json"),
        (("x.gguf",), "", "", "it has x.gguf"),
        (("config.json", "pytorch_model.bin"), "", "", "without .*safetensors"),
        (("x.gguf",), "", "y.gguf", "gguf_file: got 'y.gguf', .*; it has x.gguf"),
    ],
)
def test_what_is_no_model_is_one_clear_line(tmp_path, names, given, gguf_file, message):
    path = given or folder(tmp_path, *names)
    config = LanguageModelConfig(model=ModelConfig(path=str(path), gguf_file=gguf_file))
    with pytest.raises(ConfigError, match=message) as error:
        LanguageModel.preflight(config, "agents.judge.policy")
    assert str(error.value).startswith("agents.judge.policy.model.")
    assert "\n" not in str(error.value)


def test_the_command_line_says_so_before_hosts_start(tmp_path, capsys):
    out = tmp_path / "run"
    code = cli.main(
        ["run", "debate", "agents.judge.policy=language_model",
         "agents.judge.policy.model.path=/no/such/model", "runtime=inprocess", f"out={out}"]
    )  # fmt: skip
    said, err = capsys.readouterr()
    assert code == 2
    assert err.startswith("error: agents.judge.policy.model.path: got '/no/such/model'")
    assert err.count("\n") == 1
    assert "starting hosts" not in said + err
    assert not out.exists()


def test_a_gguf_file_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = LanguageModelConfig(model=ModelConfig(path=str(folder(tmp_path, "x.gguf") / "x.gguf")))
    with pytest.raises(MissingExtraError, match=r"facilitate\[gguf\]"):
        LanguageModel.preflight(config, "policy")


def test_a_converted_file_is_known_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "m.gguf").write_bytes(b"content")
    digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    kept = tmp_path / "cache" / "facilitate" / "gguf" / digest
    kept.mkdir(parents=True)
    assert converted(Place(str(tmp_path), "m.gguf")) == kept


REAL = os.environ.get("FACILITATE_TEST_GGUF", "")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="FACILITATE_TEST_GGUF names no GGUF file")
def test_a_real_checkpoint_prefers_the_right_answer(tmp_path, monkeypatch):
    """With FACILITATE_TEST_GGUF=…/model.gguf: converted, reloaded, and better than chance."""
    program = (
        "import sys, torch\n"
        "from agents.language_model.config import LanguageModelConfig, ModelConfig\n"
        "from agents.language_model.backbone import Backbone\n"
        f"b = Backbone(LanguageModelConfig(model=ModelConfig(path={REAL!r}, device='cpu')))\n"
        "ids = b.tokenizer('The capital of France is', return_tensors='pt')['input_ids']\n"
        "n = sum(p.numel() for p in b.model.parameters())\n"
        "with torch.inference_mode():\n"
        "    top = int(b.model(input_ids=ids).logits[0, -1].argmax())\n"
        "print(n, b.tokenizer.decode([top]).strip())\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert int(said[-2]) >= 100_000_000
    assert said[-1] == "Paris"
