"""A file says data and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.core.errors import ConfigError
from experiments.config.yaml_text import parse, parse_mapping


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("0x1F", 31),
        ("-0o17", -15),
        ("007", 7),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("null", None),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("'3'", "3"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
        ("", None),
    ],
)
def test_plain_words_mean_what_they_look_like(text, value):
    result = parse(text, "x")
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch /tmp/owned']",
        "a: !!python/name:os.system",
        "a: !mine 3",
        "a: ! 3",
        "!!str 3",
        "a: [!!binary aGk=]",
    ],
)
def test_every_tag_is_refused(text):
    with pytest.raises(ConfigError, match=r"^file:1: the tag .* is not allowed"):
        parse(text, "file")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "file:3: duplicate key 'a'"),
        ("1: a", "file:1: a key must be text, given 1"),
        ("true: a", "a key must be text"),
        ("[x]: a", "a key must be text"),
        ("a: ${oc.env:HOME}", "file:1: .*only"),
        ("a: '${a${b:c}}'", "only"),
        ("a: x${oc.decode:'${b}'}", "only"),
        ("a: 1\n b: 2", "file:2: not valid YAML"),
        ("a: [1", "not valid YAML"),
        ("a: 1\n---\nb: 1", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("a: &x [*x]", "an anchor contains itself"),
        ("a: *nowhere", "not valid YAML"),
        ("<<: 3", "<< must name"),
        ("a: " + "9" * 5000, "an integer of 5000 digits"),
    ],
)
def test_what_is_wrong_and_where(text, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        parse(text, "file")
    assert "\n" not in str(caught.value)


def test_anchors_save_repetition_but_cannot_explode():
    text = "base: &b {x: 1, y: 2}\nfirst: {<<: *b, y: 3}\nboth: *b"
    assert parse(text, "x") == {
        "base": {"x": 1, "y": 2},
        "first": {"x": 1, "y": 3},
        "both": {"x": 1, "y": 2},
    }
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(ConfigError, match="more than 100000 values"):
        parse("\n".join(lines), "bomb")


def test_nesting_is_bounded_also_through_anchors():
    assert parse("[" * 60 + "]" * 60, "fine")
    with pytest.raises(ConfigError, match="deep:1: nested too deeply"):
        parse("[" * 5000 + "]" * 5000, "deep")
    lines = ["a0: &a0 x"]
    lines += [f"a{i}: &a{i} {'[' * 40}*a{i - 1}{']' * 40}" for i in range(1, 60)]
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse("\n".join(lines), "deep")


def test_a_scenario_is_a_mapping():
    with pytest.raises(ConfigError, match="file: expected a mapping of keys to values, found list"):
        parse_mapping("[1]", "file")
    with pytest.raises(ConfigError, match="found nothing"):
        parse_mapping("# empty", "file")


@given(st.text(max_size=60))
def test_any_text_is_data_or_one_line(text):
    try:
        parse(text, "file")
    except ConfigError as error:
        assert "\n" not in str(error)
