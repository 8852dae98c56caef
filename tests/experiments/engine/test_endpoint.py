"""A run whose judge is a model behind a real server: costs, secrets, and going on after a crash."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from agents.language_model.endpoint.replies import read_lines
from environments.core.errors import ConfigError
from experiments.config.load import load_scenario
from experiments.config.preflight import preflight
from experiments.engine.run import resume_run, run_scenario
from experiments.progress import NullProgress
from experiments.report.tables import print_summary
from experiments.runs.directory import RunDirectory
from tests.agents.language_model.endpoint.server import serving
from tests.agents.language_model.toy import save_pretrained

KEY = "sk-never-written-anywhere-42"


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    return save_pretrained(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def server(tiny_model, monkeypatch):
    monkeypatch.setenv("TINY_KEY", KEY)
    with serving(tiny_model) as running:
        running.key = KEY
        yield running


def scenario(server, *more):
    judge = {"url": server.url, "model": "tiny", "key_env": "TINY_KEY", "choice_tokens": 1,
             "backoff_s": 0.0, "attempts": 2, "samples": 2}  # fmt: skip
    return load_scenario(
        "debate",
        [
            "agents.judge.policy=endpoint",
            *(f"agents.judge.policy.{key}={value}" for key, value in judge.items()),
            "agents.judge.policy.price={read: 2.0, written: 8.0}",
            "runtime=inprocess",
            "seeds=1",
            "splits.teaching=4",
            "schedule.block=2",
            "analysis.bootstrap=10",
            *more,
        ],
    )


class CrashError(RuntimeError):
    """The process dies."""


def test_a_continued_run_repeats_no_request_and_ends_alike(server, tmp_path, capsys):
    config = scenario(server)
    preflight(config)
    whole = run_scenario(config, tmp_path / "whole", NullProgress(), report=False)
    sent = Counter(json.dumps(body, sort_keys=True) for body in server.requests)
    assert max(sent.values()) == 1, "equal prompts are one request"

    server.requests.clear()
    ticks = []

    def die(point: str) -> None:
        ticks.append(point)
        if point == "before_parts_listed" and ticks.count(point) == 2:
            raise CrashError

    with pytest.raises(CrashError):
        run_scenario(config, tmp_path / "broken", NullProgress(), at=die, report=False)
    before = len(server.requests)
    assert 0 < before < sum(sent.values()), "the crash came half-way"
    resumed = resume_run(tmp_path / "broken", NullProgress(), [], report=False)
    assert Counter(json.dumps(b, sort_keys=True) for b in server.requests) == sent
    digests = [RunDirectory.open(r.path).ledger_digest for r in (whole, resumed)]
    assert digests[0] == digests[1]
    assert resumed.summary["endpoints"] == whole.summary["endpoints"]

    cost = resumed.summary["endpoints"]["judge"]
    lines = list(read_lines(resumed.path / "replies" / "judge"))
    assert cost["calls"] == cost["attempts"] == len(lines) == sum(sent.values())
    assert cost["tokens_read"] == sum(line["read"] for line in lines) > 0
    assert cost["price"] == pytest.approx(
        (2.0 * cost["tokens_read"] + 8.0 * cost["tokens_written"]) / 1e6, rel=1e-12
    )
    from rich.console import Console

    print_summary(resumed.path, Console())
    assert f"endpoint judge: {cost['calls']} calls, " in capsys.readouterr().out


def test_a_failing_server_leaves_faults_in_a_finished_run_and_no_key(server, tmp_path):
    server.always = "500"  # whose body repeats the key
    result = run_scenario(scenario(server), tmp_path / "run", NullProgress())
    metrics = result.summary["metrics"]
    assert metrics["conversation.debate.fault.verdict.error"]["value"] > 0
    assert result.summary["endpoints"]["judge"]["failures"].keys() == {"HTTP 500"}
    files = [path for path in result.path.rglob("*") if path.is_file()]
    assert {"config.yaml", "report.html", "summary.json"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert server.headers and set(server.headers) == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agents.judge.policy.key_env=NO_SUCH_KEY", "'NO_SUCH_KEY' is not set"),
        ("agents.judge.policy.url=http://127.0.0.1:9/v1", "no server answers there"),
        ("agents.judge.policy.patience_s=300", "less than runtime.deadline_s"),
    ],
)
def test_what_cannot_work_is_found_before_the_run(server, override, message):
    with pytest.raises(ConfigError, match=message):
        preflight(scenario(server, override))
