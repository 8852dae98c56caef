"""Nets from files: what is read, and one line that names file and line for what is not."""

import json
from importlib import resources

import numpy as np
import pytest

from environments.core.errors import ConfigError, DataError
from environments.diagnosis.bif import read_bif
from environments.diagnosis.files import load_net, read_json

ASIA = (resources.files("environments.diagnosis") / "asia.bif").read_text()

SMALL = """network small { property author = nobody; }
variable rain { type discrete [ 2 ] { yes, no }; }
variable grass {
  type discrete [ 3 ] { wet, damp, dry };
  property label = the grass;
}
probability ( rain ) { table 0.2, 0.8; }
probability ( grass | rain ) {
  (yes) 0.7, 0.2, 0.1;
  (no) 0.1, 0.2, 0.7;
}
"""

SMALL_JSON = {
    "name": "small",
    "variables": [
        {"name": "rain", "states": ["yes", "no"], "table": [0.2, 0.8]},
        {
            "name": "grass",
            "states": ["wet", "damp", "dry"],
            "parents": ["rain"],
            "label": "the grass",
            "table": [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]],
        },
    ],
}


def _same(a, b):
    assert list(a.variables) == list(b.variables)
    for one, two in zip(a.variables.values(), b.variables.values(), strict=True):
        assert (one.states, one.parents, one.label) == (two.states, two.parents, two.label)
        assert np.array_equal(one.table, two.table)


def test_bif_and_json_give_the_same_net(tmp_path):
    for name, text in (("net.bif", SMALL), ("net.json", json.dumps(SMALL_JSON, indent=1))):
        (tmp_path / name).write_text(text)
    bif, from_json = load_net(str(tmp_path / "net.bif")), load_net(str(tmp_path / "net.json"))
    _same(bif, from_json)
    assert bif.variables["grass"].label == "the grass" and bif.variables["rain"].label == "rain"
    assert bif.posterior("rain", {"grass": "wet"})[0] == pytest.approx(0.14 / 0.22, abs=1e-12)
    assert not bif.variables["grass"].table.flags.writeable


def test_a_whole_table_runs_over_own_states_slowest():
    """The format's dog problem: P(on | out) = .6, P(on | not out) = .05."""
    text = SMALL.replace(
        "  (yes) 0.7, 0.2, 0.1;\n  (no) 0.1, 0.2, 0.7;", "table 0.7 0.1 0.2 0.2 0.1 0.7;"
    )
    _same(read_bif(text), read_bif(SMALL))


def test_default_rows_and_comments():
    text = SMALL.replace(
        "  (no) 0.1, 0.2, 0.7;", "  default 0.1, 0.2, 0.7; // all\n /* the\nrest */"
    )
    _same(read_bif(text), read_bif(SMALL))


def _line(text, mark):
    return [i for i, line in enumerate(text.split("\n"), start=1) if mark in line][-1]


@pytest.mark.parametrize(
    ("old", "new", "mark", "message"),
    [
        ("(yes) 0.7, 0.2, 0.1", "(yes) 0.7, 0.2, 0.2", "(yes)", "sums to 1.1, not 1"),
        ("(yes) 0.7, 0.2, 0.1", "(yes) 0.7, 0.3", "(yes)", "2 numbers given rain=yes"),
        ("(yes) 0.7, 0.2, 0.1", "(yes) 1.7, -0.8, 0.1", "(yes)", "1.7 is not in 0 … 1"),
        ("(yes) 0.7, 0.2, 0.1", "(yes) 0.7, nan, 0.1", "(yes)", "nan is not in 0 … 1"),
        ("(yes) 0.7, 0.2", "(yes) 0.7, many", "(yes)", "expected a number, got 'many'"),
        ("(yes)", "(often)", "(often)", "unknown state of 'rain' 'often'"),
        ("(yes)", "(yes, no)", "(yes, no)", "2 states for 1 parents"),
        ("(no) 0.1", "(yes) 0.1", "(yes) 0.1", "a second row given rain=yes"),
        ("  (no) 0.1, 0.2, 0.7;\n", "", "grass | rain", "no row given rain=no"),
        ("grass | rain", "grass | rainn", "rainn", "unknown variable 'rainn'; did you mean rain"),
        ("( rain ) { table", "( train ) { table", "train", "unknown variable 'train'"),
        ("table 0.2, 0.8", "table 0.2, 0.7, 0.1", "table 0.2", "3 numbers, needs 2"),
        ("probability ( rain ) { table 0.2, 0.8; }\n", "", "variable rain", "has no table"),
        ("[ 3 ]", "[ 2 ]", "[ 2 ]", "but 3 states are listed"),
        ("{ yes, no }", "{ yes, yes }", "variable rain", "two states of one name"),
        ("variable grass {", "variable rain {", "variable rain", "already on line 2"),
        ("( rain ) { table 0.2, 0.8;", "( rain | rain ) { table 1 0 0 1;", "( rain |", "cycle"),
        ("variable rain", "varable rain", "varable", "got 'varable'"),
    ],
)  # fmt: skip
def test_a_malformed_bif_is_named_by_file_and_line(tmp_path, old, new, mark, message):
    assert old in SMALL
    text = SMALL.replace(old, new, 1)
    (tmp_path / "bad.bif").write_text(text)
    with pytest.raises(DataError) as caught:
        load_net(str(tmp_path / "bad.bif"))
    said = str(caught.value)
    assert message in said and "\n" not in said
    assert f"bad.bif:{_line(text, mark)}: " in said


def test_a_long_cycle_is_spelled_out():
    text = ASIA.replace(
        "probability ( asia ) {\n  table 0.01, 0.99;",
        "probability ( asia | xray ) {\n  (yes) 0.5, 0.5; (no) 0.5, 0.5;",
    )
    with pytest.raises(DataError) as caught:
        read_bif(text, "a.bif")
    loop = str(caught.value).split("cycle ")[1].split(" -> ")
    assert loop[0] == loop[-1] and set(loop) == {"asia", "tub", "either", "xray"}


@pytest.mark.parametrize("end", [10, 60, 100, 180, len(SMALL) - 3])
def test_a_cut_off_bif_is_an_error_not_a_crash(end):
    with pytest.raises(DataError):
        read_bif(SMALL[:end], "cut.bif")


def _variable(number, **changes):
    data = json.loads(json.dumps(SMALL_JSON))
    data["variables"][number].update(changes)
    return data


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (_variable(1, table=[[0.7, 0.2, 0.1]]), "grass", "no row given rain=no"),
        (_variable(1, table=[[0.7, 0.3], [0.5, 0.5]]), "grass", "2 numbers given rain=yes"),
        (_variable(1, table=[[1, 0, 0]] * 3), "grass", "wrong dimension"),
        (_variable(1, table=[0.7, 0.2, 0.1]), "grass", "nested one deep"),
        (_variable(1, table=[["a", 0, 0], [1, 0, 0]]), "grass", "lists of numbers"),
        (_variable(0, table=[0.2, 0.9]), "rain", "sums to 1.1"),
        (_variable(1, parents=["snow"]), "grass", "unknown variable 'snow'"),
        (_variable(1, name="rain"), "rain", "already"),
        (_variable(0, states=["yes"]), "rain", "at least 2 states"),
        (_variable(0, colour="red"), "rain", "unknown field 'colour'"),
        (_variable(0, parents=["grass"], table=[[1, 0]] * 3), None, "cycle"),
    ],
)
def test_a_malformed_json_net_is_named_by_file_and_line(tmp_path, data, name, message):
    text = json.dumps(data, indent=2)
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError) as caught:
        load_net(str(tmp_path / "bad.json"))
    assert message in str(caught.value)
    if name:
        lines = [i for i, row in enumerate(text.split("\n"), 1) if f'"name": "{name}"' in row]
        assert f"bad.json:{lines[-1]}: " in str(caught.value)


def test_a_missing_table_and_broken_json():
    data = json.loads(json.dumps(SMALL_JSON))
    del data["variables"][0]["table"]
    with pytest.raises(DataError, match="net.json:.*'rain' has no table"):
        read_json(json.dumps(data, indent=2), "net.json")
    with pytest.raises(DataError, match="net.json:2: not JSON"):
        read_json('{"variables": [\n oops]}', "net.json")
    with pytest.raises(DataError, match="net.json:1: expected an object"):
        read_json("[]", "net.json")


def test_names_that_are_no_net(tmp_path):
    with pytest.raises(ConfigError, match="neither packaged"):
        load_net("asja")
    with pytest.raises(DataError, match="cannot be read"):
        load_net(str(tmp_path / "gone.bif"))
    (tmp_path / "binary.bif").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        load_net(str(tmp_path / "binary.bif"))
