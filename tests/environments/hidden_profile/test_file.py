"""Hidden profiles from a user's file: every malformed row is named by line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pettingzoo.test import parallel_api_test

from environments.base import SplitPlan
from environments.cases import Split
from environments.conformance import assert_environment
from environments.core.errors import ConfigError, DataError
from environments.council import parallel_env
from environments.hidden_profile.discussion import Discussion, discuss
from environments.hidden_profile.file import HiddenProfileFile, HiddenProfileFileConfig


def _row(i, llr=False, **more):
    def fact(text, *numbers):
        return {"text": text, "llr": list(numbers)} if llr else text

    return {
        "question": f"Which route should convoy {i} take?",
        "options": [f"north {i}", f"south {i}", f"coast {i}"],
        "answer": f"south {i}",
        "shared": [
            fact(f"The north road {i} is short.", 1.0, 0, 0),
            fact(f"It rains {i}.", 0, 0, 0),
        ],
        "private": [
            [fact(f"The north bridge {i} is closed.", -2, 0, 0)],
            [fact(f"The south road {i} is dry.", 0, 0.5, 0), fact(f"Pirates {i} sail.", 0, 0, -1)],
            [],
        ],
        **more,
    }


def _open(path, rows, sizes=None, **config):
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return _load(path, sizes, **config)


def _load(path, sizes=None, **config):
    settings = HiddenProfileFileConfig(**({"path": str(path), "n_members": 3} | config))
    return HiddenProfileFile(settings, SplitPlan(sizes or {}))


@pytest.mark.parametrize("llr", [False, True])
def test_it_conforms(tmp_path, llr):
    sizes = {Split.TEACHING: 150, Split.TEST: 40}
    env = _open(tmp_path / "mine.jsonl", [_row(i, llr) for i in range(400)], sizes)
    assert_environment(env)
    assert env.numeric is llr and env.max_options == 3 and env.max_evidence == 5
    assert env.information == ("public", "member_1", "member_2", "member_3", "source")


def test_members_hold_the_shared_facts_and_their_own(tmp_path):
    env = _open(tmp_path / "mine.jsonl", [_row(i) for i in range(4)])
    cases = env.deal(np.arange(4))
    held = cases.evidence.held[2].T.astype(int).tolist()
    assert held == [
        [0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 1],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1],
    ]
    texts = env.render_evidence(cases)[2]
    assert texts[2] == "The north bridge 2 is closed." and texts[4] == "Pirates 2 sail."
    truth = env.seal().reveal(np.arange(4), "test")
    assert [o[t] for o, t in zip(env.render_options(cases), truth, strict=True)] == [
        f"south {i}" for i in range(4)
    ]


def test_numeric_files_make_councils_and_discussions(tmp_path):
    env = _open(
        tmp_path / "mine.jsonl", [_row(i, llr=True) for i in range(60)], {Split.TEACHING: 9}
    )
    ids = np.arange(60)
    truth = env.seal().reveal(ids, "test")
    pooled = discuss(env, env.deal(ids), Discussion(recall=1.0), 1)
    assert (pooled.choice == truth).all()
    values = env.reference_values()
    assert values["full_information"].value == 1.0
    assert values["no_communication"].value < 1.0 and not values["no_communication"].exact
    parallel_api_test(parallel_env(env.council(1)), num_cycles=20)


def test_files_without_likelihoods_have_texts_only(tmp_path):
    env = _open(tmp_path / "mine.jsonl", [_row(i) for i in range(4)])
    assert set(env.reference_values()) == {"chance"}
    with pytest.raises(ConfigError, match="needs evidence with likelihoods"):
        env.council()
    with pytest.raises(ConfigError, match="likelihoods"):
        discuss(env, env.deal(np.arange(4)), Discussion(), 1)


def test_parquet_is_read_alike(tmp_path):
    rows = [_row(i) for i in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "mine.parquet")
    one, other = _load(tmp_path / "mine.parquet"), _open(tmp_path / "mine.jsonl", rows)
    a, b = one.deal(np.arange(6)), other.deal(np.arange(6))
    assert np.array_equal(a.evidence.held, b.evidence.held)
    assert one.render_evidence(a) == other.render_evidence(b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"private": [["a fact"], ["b fact"]]}, "private has 2 lists; expected 3, one per member"),
        ({"private": [["a fact"], "b fact", []]}, r"private\[1\]='b fact'; expected a list of mem"),
        ({"private": "x"}, "private='x'; expected a list"),
        ({"shared": [], "private": [[], [], []]}, "shared and private hold no fact"),
        ({"shared": ["one", 7]}, r"shared\[1\]=7; expected non-empty text"),
        ({"private": [[], ["It rains 1."], []]}, r"private\[1\]\[0\] repeats shared\[1\]"),
        (
            {"private": [[], [{"text": "x", "llr": [1, 2]}], []]},
            r"private\[1\]\[0\].llr=\[1, 2\]; expected 3 finite numbers",
        ),
        ({"answer": "west"}, "answer='west'; expected an index 0 … 2 or an option's text"),
        ({"options": ["only"]}, "expected a list of at least 2 texts"),
        ({"passage": "Once."}, "unknown field 'passage'"),
        ({"split": "later"}, "split='later'"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path, change, message):
    path = tmp_path / "bad.jsonl"
    with pytest.raises(DataError, match=message) as error:
        _open(path, [_row(0), _row(1) | change])
    assert str(error.value).startswith(f"{path}:2: ") and "\n" not in str(error.value)


def test_missing_fields_other_rows_and_team_sizes(tmp_path):
    for field in ("shared", "private", "question", "answer"):
        row = _row(1)
        del row[field]
        with pytest.raises(DataError, match=f"bad.jsonl:1: .*{field}"):
            _open(tmp_path / "bad.jsonl", [row])
    with pytest.raises(DataError, match=r"bad.jsonl:1: is a list; expected an object"):
        _open(tmp_path / "bad.jsonl", ["[1]"])
    with pytest.raises(ConfigError, match="n_members=1 is not in 2 … 64"):
        _open(tmp_path / "ok.jsonl", [_row(0)], n_members=1)
    env = _open(tmp_path / "ok.jsonl", [_row(0, note="mine")], ignore_fields=["note"])
    assert env.max_evidence == 5
