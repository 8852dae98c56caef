import numpy as np
import pytest

from environments.core.errors import DataError
from experiments.fit.models import MODELS
from experiments.fit.table import read_table


def read(tmp_path, text, model="advice", encoding="utf-8"):
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode(encoding))
    return read_table(path, MODELS[model].fields)


def test_columns_in_any_order_persons_and_columns_that_are_not_used(tmp_path):
    text = "\ufefffinal,mood,person,advice,initial\n1.5, x,b, 2,1\n\n3,y,a,4,2\n5,z,b,6,4\n"
    table = read(tmp_path, text)
    assert {k: v.tolist() for k, v in table.columns.items()} == {
        "initial": [1, 2, 4], "advice": [2, 4, 6], "final": [1.5, 3, 5],
    }  # fmt: skip
    assert table.group.tolist() == [1, 0, 1] and table.named and table.ignored == ("mood",)
    plain = read(tmp_path, "initial,advice,final\n1,2,3\n1,2,3\n")
    assert plain.group.tolist() == [0, 1] and not plain.named


def test_numbered_columns_and_lists_in_a_cell(tmp_path):
    text = "choice,value_2,value_1,value_3\n2,1,0,\n1,1,0,-2.5\n"
    table = read(tmp_path, text, "noisy_rational")
    assert np.array_equal(table.columns["value"], [[0, 1, np.nan], [0, 1, -2.5]], equal_nan=True)
    table = read(tmp_path, "ages,recalled\n10;40,1\n5,0\n", "memory")
    assert np.array_equal(table.columns["ages"], [[10, 40], [5, np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    ("text", "model", "told"),
    [
        ("initial,advice\n1,2\n", "advice", r"data.csv:1: no column final \(needed: initial"),
        ("initial,advice,final\n1,2\n", "advice", "data.csv:2: 2 cells; the header has 3"),
        ("initial,advice,final\n1,2,3\n1,2,x\n", "advice", "data.csv:3: final: 'x'; give a number"),
        ("initial,advice,final\n1,2,inf\n", "advice", "data.csv:2: final: 'inf'"),
        ("initial,advice,final\n1,,3\n", "advice", "data.csv:2: advice: nothing; give a number"),
        ("a,a\n1,2\n", "advice", "data.csv:1: column 'a' appears twice"),
        ("initial,advice,final\n", "advice", "no rows below the header"),
        ("", "advice", "data.csv:1: empty"),
        ("initial,advice,final,person\n1,2,3,\n", "advice", "data.csv:2: person: nothing"),
        ("wrong_advice,wrong\n1,2\n", "automation",
         "data.csv:2: wrong: '2'; give a whole number from 0 to 1"),
        ("wrong_advice,wrong\n.5,1\n", "automation", "data.csv:2: wrong_advice: '.5'"),
        ("choice,value_1\n1,2\n", "noisy_rational", "no column value_1, value_2, …"),
        ("choice,value_1,value_3\n1,2,3\n", "noisy_rational", "no column value_1, value_2, …"),
        ("choice,value_1,value_2,value_3\n1,0,1,2\n\n9,0,1,2\n", "noisy_rational",
         r"data.csv:4: choice: 9 is no option of this row \(its options: 1, 2, 3\)"),
        ("choice,value_1,value_2,value_3\n3,0,1,\n", "noisy_rational",
         r"data.csv:2: choice: 3 is no option of this row \(its options: 1, 2\)"),
        ("ages,recalled\n10;0,1\n", "memory", "data.csv:2: ages: '0'"),
        ('initial,advice,final\n1,2,"3\n', "advice", "data.csv:2: not a CSV row"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line_with_file_and_line(tmp_path, text, model, told):
    with pytest.raises(DataError, match=told) as caught:
        read(tmp_path, text, model)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(DataError, match="not UTF-8 text"):
        read(tmp_path, "initial,advice,final\n1,2,é\n", encoding="latin-1")
    with pytest.raises(DataError, match="cannot read"):
        read_table(tmp_path / "none.csv", MODELS["advice"].fields)
