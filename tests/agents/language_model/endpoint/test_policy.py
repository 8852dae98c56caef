"""The endpoint cohort against a real server on loopback with a tiny model."""

import subprocess
import sys
import time

import numpy as np
import pytest

from agents.conformance import check_policy, example_asks
from agents.language_model.endpoint.choices import from_logprobs
from agents.language_model.endpoint.config import EndpointConfig
from agents.language_model.endpoint.policy import Endpoint
from agents.language_model.endpoint.replies import Replies, read_lines
from coordination.messages import FREE, Fault, MessageKind
from environments.core.columns import Columns
from environments.core.errors import ConfigError
from tests.agents.language_model.toy import asks


def made(server, replies=None, seed=0, **changes):
    settings = {"max_new_tokens": 4, "choice_tokens": 2, "backoff_s": 0.0, "top_logprobs": 320}
    settings |= {"url": server.url, "model": "tiny", **changes}
    return Endpoint(EndpointConfig(**settings), seed, replies)


def ask(model, question):
    return model.answer(question, Columns({"agent_id": question.agent_id}))


def test_importing_needs_no_http_library():
    code = (
        "import sys, agents; agents.POLICIES.describe('endpoint');"
        "assert not {'httpx2', 'torch', 'transformers', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_probabilities_are_those_of_the_models_letters(server, api):
    """The same numbers as from the model at hand: softmax over the letters' log-probabilities."""
    order = np.tile([1, 0, 2], (3, 1))  # A shows option 1, B option 0
    question = asks(3, n_options=3, option_order=order)
    answers = ask(made(server, api=api), question)
    assert (answers.fault == Fault.NONE).all()
    for body in server.requests:
        prompt = body["prompt"] if api == "completions" else body["messages"][0]["content"]
        row = next(i for i, text in enumerate(question.text.context) if f"Case: {text}\n" in prompt)
        logp = server.next_logprobs(server.prompt_ids(body)).exp().tolist()
        by_letter = dict.fromkeys("ABC", 0.0)
        for token, p in enumerate(logp):
            name = server.tokenizer.decode([token]).strip(" .")
            if name in by_letter:
                by_letter[name] += p
        letters = np.array(list(by_letter.values()))
        expected = np.empty(3)
        expected[order[row]] = letters / letters.sum()
        # 1e-6: the server's float32 forward passes repeat to rounding only.
        np.testing.assert_allclose(answers.probs[row], expected, atol=1e-6)
        assert f"A. {question.text.options[row][1]}" in prompt
        assert answers.choice[row] == expected.argmax()
    assert len(server.requests) == 3
    assert (answers.tokens > 0).all()


def test_without_logprobs_frequencies_of_samples_are_used(server):
    server.gives_logprobs = False
    question = asks(2)
    model = made(server, samples=40, choice_tokens=1)
    answers = ask(model, question)
    assert len(server.requests) == 80
    seeds = [body["seed"] for body in server.requests]
    assert len(set(seeds)) == 80
    assert {body["temperature"] for body in server.requests} == {1.0}
    for row in range(2):
        if answers.fault[row] == Fault.UNPARSABLE:
            continue
        # (n_k + 1/2) / (n + 1) for some n and n_k of 40
        possible = {(k + 0.5) / (n + 1) for n in range(1, 41) for k in range(n + 1)}
        assert min(abs(answers.probs[row, 0] - p) for p in possible) < 1e-12
        np.testing.assert_allclose(answers.probs[row].sum(), 1.0)


def test_a_server_that_refuses_logprobs_is_asked_without_them(server):
    server.refuses_logprobs = True
    model = made(server, concurrency=1, samples=2)
    ask(model, asks(3))
    with_logprobs = [body for body in server.requests if "logprobs" in body]
    assert len(with_logprobs) == 1, "the refusal is remembered"
    assert len(server.requests) == 1 + 3 * 2
    server.requests.clear()
    answers = ask(made(server, method="logprobs"), asks(3))
    assert (answers.fault == Fault.ERROR).all()
    assert len(server.requests) == 3


def test_conforms_to_the_contract_of_policies(server):
    model = made(server)
    settings = {"n": 4, "text": True, "rounds": 1}
    todo = [
        example_asks(intent=MessageKind.RULING, **settings),
        example_asks(intent=MessageKind.ARGUMENT, seat="proponent", assigned=True, **settings),
        example_asks(intent=MessageKind.EXPLANATION, seat="proponent", **settings),
    ]
    findings = check_policy(model, asks=todo)
    assert findings and all(finding.ok for finding in findings)


def test_speech_is_the_models_and_keyed_by_ask(server):
    question = asks(4, intent=MessageKind.ARGUMENT, stance=np.array([0, 1, 0, 1]))
    said = ask(made(server), question)
    assert all(isinstance(text, str) and text for text in said.text)
    assert [len(text.split()) for text in said.text] == said.words.tolist()
    assert np.isnan(said.probs).all()
    assert list(ask(made(server), question).text) == list(said.text)
    other = asks(4, intent=MessageKind.ARGUMENT, stance=question.stance, ask_id=np.arange(4))
    assert list(ask(made(server), other).text) != list(said.text)
    assert list(ask(made(server, seed=1), question).text) != list(said.text)


def test_a_free_stance_argues_for_the_likeliest_option(server):
    free = asks(3, intent=MessageKind.ARGUMENT)
    assert (free.stance == FREE).all()
    said = ask(made(server), free)
    judged = ask(made(server), asks(3))
    np.testing.assert_array_equal(said.stance, judged.choice)


def test_equal_prompts_are_one_request(server):
    case = np.zeros(6, dtype=np.int64)
    question = asks(6)
    text = type(question.text)(case, question.text.context, question.text.options, [[]] * 6)
    answers = ask(made(server), asks(6, text=text, case_id=case))
    assert len(server.requests) == 1
    assert (answers.probs == answers.probs[0]).all()


# -- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "429", "malformed", "odd", "hang_up"])
def test_passing_faults_are_retried(server, fault):
    server.faults = [fault, fault]
    answers = ask(made(server, attempts=3), asks(1))
    assert answers.fault.tolist() == [Fault.NONE]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "code", "requests"),
    [("503", Fault.ERROR, 2), ("404", Fault.ERROR, 1), ("malformed", Fault.ERROR, 2)],
)
def test_lasting_faults_are_values_of_their_rows(server, tmp_path, fault, code, requests):
    server.always = fault
    model = made(server, Replies(tmp_path), attempts=2, method="logprobs")
    answers = ask(model, asks(2))
    assert answers.fault.tolist() == [code, code]
    assert (answers.choice == -1).all()
    assert np.isnan(answers.probs).all()
    assert len(server.requests) == 2 * requests
    assert all("text" not in line for line in read_lines(tmp_path))


def test_one_bad_row_leaves_the_others_alone(server):
    server.faults = ["404"]
    answers = ask(made(server, concurrency=1, method="logprobs"), asks(4))
    assert sorted(answers.fault.tolist()) == [0, 0, 0, Fault.ERROR]


def test_a_dripping_server_is_a_time_out(server):
    server.always = "drip"
    started = time.monotonic()
    answers = ask(made(server, timeout_s=0.1, attempts=2, method="logprobs"), asks(2))
    assert answers.fault.tolist() == [Fault.TIMEOUT] * 2
    assert time.monotonic() - started < 60, "bounded, whatever the machine's load"
    assert len(server.requests) == 4


def test_patience_bounds_a_whole_call(server):
    server.always = "drip"
    model = made(server, timeout_s=60.0, patience_s=0.2, attempts=9, samples=3)
    answers = ask(model, asks(3))
    assert answers.fault.tolist() == [Fault.TIMEOUT] * 3
    assert len(server.requests) <= 3


def test_no_server_is_a_fault_too(server):
    model = made(server, attempts=1)
    model.config.url = "http://127.0.0.1:9/v1"
    assert ask(model, asks(1)).fault.tolist() == [Fault.ERROR]


def test_an_empty_speech_is_missing(server):
    server.always = "empty"
    question = asks(2, intent=MessageKind.ARGUMENT, stance=np.zeros(2, dtype=np.int64))
    assert ask(made(server), question).fault.tolist() == [Fault.MISSING] * 2


def test_a_prompt_that_cannot_be_shortened_is_a_fault(server):
    heard = [(0, "go " * 200), (1, "go")]
    short = ask(made(server, max_prompt_chars=300), asks(2, heard=heard))
    assert short.fault.tolist() == [Fault.NONE] * 2
    assert max(len(b["messages"][0]["content"]) for b in server.requests) <= 300
    none = ask(made(server, max_prompt_chars=20), asks(2))
    assert none.fault.tolist() == [Fault.ERROR] * 2


def test_requests_in_flight_are_bounded(server):
    server.always = "slow"
    ask(made(server, concurrency=2), asks(8))
    assert server.busiest <= 2


# -- replies -----------------------------------------------------------------------------------


def test_replies_are_replayed_without_a_call(server, tmp_path):
    questions = [asks(3), asks(3, intent=MessageKind.EXPLANATION)]
    first = made(server, Replies(tmp_path))
    said = [ask(first, q) for q in questions]
    paid = len(server.requests)
    server.always = "500"
    again = made(server, Replies(tmp_path, "1"))
    for before, question in zip(said, questions, strict=True):
        after = ask(again, question)
        for name in ("probs", "choice", "stance", "tokens", "words", "fault"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert list(after.text) == list(before.text)
    assert len(server.requests) == paid


@pytest.mark.parametrize("change", [{"model": "other"}, {"choice_tokens": 3}, {"system": "Hm."}])
def test_another_model_prompt_or_parameter_is_another_ask(server, tmp_path, change):
    ask(made(server, Replies(tmp_path)), asks(1))
    ask(made(server, Replies(tmp_path), **change), asks(1))
    assert len(server.requests) == 2


def test_parameters_can_be_added_and_taken_out(server):
    ask(made(server, extra={"seed": None, "top_p": 0.5}), asks(1))
    (body,) = server.requests
    assert body["top_p"] == 0.5
    assert "seed" not in body


def test_the_key_goes_to_the_server_and_nowhere_else(server, tmp_path, monkeypatch):
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("TINY_KEY", key)
    server.key = key
    server.faults = ["echo", "500", "echo"]
    model = made(server, Replies(tmp_path), key_env="TINY_KEY", concurrency=1)
    question = asks(3, intent=MessageKind.ARGUMENT, stance=np.zeros(3, dtype=np.int64))
    said = ask(model, question)
    assert server.headers.count(f"Bearer {key}") == len(server.headers) == 4
    assert any("my header was" in text for text in said.text)
    assert not any(key in text for text in said.text)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"my header was" in written
    assert key.encode() not in written


def test_a_wrong_key_shows_before_the_run_and_is_not_repeated(server, monkeypatch):
    server.key = "the-right-key"
    config = EndpointConfig(url=server.url, model="tiny", key_env="TINY_KEY")
    monkeypatch.delenv("TINY_KEY", raising=False)
    with pytest.raises(ConfigError, match="'TINY_KEY' is not set"):
        Endpoint.preflight(config, "agents.a.policy")
    monkeypatch.setenv("TINY_KEY", "the-wrong-key")
    with pytest.raises(ConfigError, match="refuses the key in 'TINY_KEY'") as refused:
        Endpoint.preflight(config, "agents.a.policy")
    assert "the-wrong-key" not in str(refused.value)
    monkeypatch.setenv("TINY_KEY", "the-right-key")
    Endpoint.preflight(config, "agents.a.policy")


def test_a_missing_server_shows_before_the_run():
    config = EndpointConfig(url="http://127.0.0.1:9/v1", model="tiny")
    with pytest.raises(ConfigError, match=r"agents.a.policy.url: .*no server answers"):
        Endpoint.preflight(config, "agents.a.policy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "localhost:80"}, "policy.url: got 'localhost:80'"),
        ({"model": ""}, "policy.model: got ''"),
        ({"api": "grpc"}, "policy.api: got 'grpc', allowed: chat, completions"),
        ({"method": "guess"}, "policy.method"),
        ({"samples": 0}, "policy.samples: got 0, allowed: 1 or more"),
        ({"smoothing": 0.0}, "policy.smoothing"),
    ],
)
def test_bad_values_are_one_line(changes, message):
    settings = {"url": "http://127.0.0.1:1/v1", "model": "m", **changes}
    with pytest.raises(ConfigError, match=message) as error:
        Endpoint(EndpointConfig(**settings), 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("secret", [{"key_env": "sk-1234"}, {"url": "http://me:sk-1234@host/v1"}])
def test_a_secret_in_the_configuration_is_refused_unseen(secret):
    with pytest.raises(ConfigError) as error:
        EndpointConfig(**secret)
    assert "sk-1234" not in str(error.value)


def test_unlisted_letters_get_at_most_what_the_list_leaves():
    top = [("A", np.log(0.6)), ("x", np.log(0.3)), (" B", np.log(0.04))]
    probs = from_logprobs(top, 3)
    np.testing.assert_allclose(probs, np.array([0.6, 0.04, 0.04]) / 0.68)
    full = from_logprobs([("A", np.log(0.9)), ("y", np.log(0.09))], 2)
    np.testing.assert_allclose(full, np.array([0.9, 0.01]) / 0.91)
    assert from_logprobs([("x", 0.0)], 2) is None
