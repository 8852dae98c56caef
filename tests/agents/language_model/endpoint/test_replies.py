"""Replies on disk, choices from text, and what the server's JSON may look like."""

import json

import numpy as np
import pytest

from agents.language_model.endpoint.choices import from_counts, read_choice
from agents.language_model.endpoint.client import parse
from agents.language_model.endpoint.config import PriceConfig
from agents.language_model.endpoint.replies import Replies, Reply, ask_hash, spent


def test_a_torn_line_is_skipped_and_does_not_spoil_the_next(tmp_path):
    first = Replies(tmp_path)
    first.put("a", Reply("one", (("A", -0.5),), 7, 2), 1)
    file = tmp_path / "0.jsonl"
    file.write_bytes(file.read_bytes() + b'{"ask": "b", "text": "tor')
    second = Replies(tmp_path)
    assert second.get("b") is None
    second.put("c", Reply("three"), 1)
    third = Replies(tmp_path, "other")
    assert third.get("a") == Reply("one", (("A", -0.5),), 7, 2)
    assert third.get("c") == Reply("three")


def test_hosts_read_each_others_files(tmp_path):
    Replies(tmp_path, "cohort-0").put("a", Reply("x"), 1)
    Replies(tmp_path, "cohort-1").put("b", Reply("y"), 1)
    both = Replies(tmp_path, "cohort-0")
    assert (both.get("a"), both.get("b")) == (Reply("x"), Reply("y"))


def test_costs_are_summed_and_failures_counted(tmp_path):
    replies = Replies(tmp_path)
    replies.put("a", Reply("x", (), 1000, 10), 1)
    replies.put("b", Reply("y", (), 3000, 30), 3)
    replies.put("c", Reply("z", metered=False), 1)
    replies.note("d", "HTTP 503", 4)
    cost = spent(tmp_path, PriceConfig(read=2.5, written=10.0))
    assert cost == {
        "calls": 3,
        "attempts": 9,
        "tokens_read": 4000,
        "tokens_written": 40,
        "unmetered": 1,
        "price": (4000 * 2.5 + 40 * 10.0) / 1e6,
        "failures": {"HTTP 503": 1},
    }


def test_the_hash_sees_everything_that_matters():
    body = {"model": "m", "messages": [{"role": "user", "content": "é"}], "temperature": 1.0}
    base = ask_hash("chat", body, 5)
    assert base == ask_hash("chat", dict(reversed(body.items())), 5)
    others = [
        ask_hash("completions", body, 5),
        ask_hash("chat", body, 6),
        ask_hash("chat", {**body, "model": "n"}, 5),
        ask_hash("chat", {**body, "temperature": 0.5}, 5),
    ]
    assert len({base, *others}) == 5
    assert len(base) == 64


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("B", 1),
        (" A.", 0),
        ("(B) because it rains", 1),
        ("**C**", 2),
        ("The answer is B.", 1),
        ("A good choice is B", None),
        ("B\nSince it rains", 1),
        ("<think>A or B?</think>\n\nC", 2),
        ("D", None),
        ("We should STAY here", 1),
        ("I can't say", None),
        ("go or stay", None),
        ("", None),
    ],
)
def test_choices_are_read_only_where_they_are_clear(text, choice):
    assert read_choice(text, ["go", "stay", "wait"]) == choice


def test_smoothing_is_the_stated_formula():
    np.testing.assert_allclose(from_counts(np.array([3, 0, 1]), 0.5), np.array([7, 1, 3]) / 11)


@pytest.mark.parametrize(
    "data",
    [
        None, [], {}, {"choices": []}, {"choices": [None]}, {"choices": [{}]},
        {"choices": [{"message": {"content": 3}}]}, {"choices": {"0": 1}},
    ],
)  # fmt: skip
def test_a_reply_without_text_is_malformed(data):
    with pytest.raises(ValueError):
        parse(data)


@pytest.mark.parametrize(
    "logprobs",
    [
        None, 3, {"content": None}, {"content": [3]}, {"content": [{"token": "A"}]},
        {"content": [{"token": "A", "top_logprobs": [{"token": 1, "logprob": "x"}]}]},
        {"tokens": ["A"], "top_logprobs": [None]}, {"tokens": None, "top_logprobs": 4},
        {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": float("nan")}]}]},
    ],
)  # fmt: skip
def test_broken_logprobs_are_no_logprobs(logprobs):
    reply = parse({"choices": [{"text": "A", "logprobs": logprobs}], "usage": {"prompt_tokens": 1}})
    assert reply == Reply("A", (), 1, 0, metered=False)


def test_the_first_token_that_is_not_blank_counts():
    step = {"token": "\n", "top_logprobs": [{"token": "A", "logprob": -9.0}]}
    real = {"token": " B", "top_logprobs": [{"token": " B", "logprob": -0.1}]}
    said = parse(
        json.loads(
            json.dumps({"choices": [{"text": "\n B", "logprobs": {"content": [step, real]}}]})
        )
    )
    assert said.top == ((" B", -0.1),)
