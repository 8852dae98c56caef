import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.ledger.digest import GENESIS, block_digest, block_digests, chain, tick_digest
from coordination.ledger.rows import conform
from coordination.ledger.schema import TABLES
from environments.core.columns import Columns
from environments.core.errors import DataError
from tests.coordination.ledger.tables import make_rows, make_tick

ALL = sorted(TABLES)


def one_block(table: str, n: int = 9) -> Columns:
    return make_rows(table, np.arange(n, dtype=np.int64), 3, np.full(n, 5))


@pytest.mark.parametrize("table", ALL)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_cannot_be_seen(table, seed):
    rows = one_block(table)
    order = np.random.RandomState(seed).permutation(rows.n)
    assert block_digest(table, rows.take(order)) == block_digest(table, rows)


@pytest.mark.parametrize("table", ALL)
def test_every_logical_column_is_seen(table):
    rows = one_block(table)
    plain = block_digest(table, rows)
    for column, kind in TABLES[table].columns.items():
        if column == "block":
            changed = rows[column] + 1
        else:
            changed = rows[column].copy()
            row = changed[4]
            if kind == "text":
                changed[4] = "other"
            elif kind.startswith("bool"):
                changed[4] = ~row
            elif kind.startswith("float"):
                changed[4] = np.where(np.isnan(row), 0.25, row + 1e-12)
            else:
                changed[4] = row + 100_000
        same = block_digest(table, rows.with_(**{column: changed})) == plain
        assert same == (column == "attempt"), column


@given(
    rows_per_group=st.integers(1, 50),
    dictionary=st.booleans(),
    codec=st.sampled_from(["none", "zstd", "snappy"]),
    as_dictionary_type=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_the_layout_of_a_file_cannot_be_seen(rows_per_group, dictionary, codec, as_dictionary_type):
    rows = conform("messages", make_tick(2)["messages"])
    arrow = rows.take(np.random.RandomState(rows_per_group).permutation(rows.n)).to_arrow()
    if as_dictionary_type:
        for i, name in enumerate(arrow.column_names):
            if pa.types.is_string(arrow.schema.field(name).type):
                arrow = arrow.set_column(i, name, arrow.column(name).dictionary_encode())
    sink = pa.BufferOutputStream()
    pq.write_table(
        arrow, sink, row_group_size=rows_per_group, use_dictionary=dictionary, compression=codec
    )
    back = Columns.from_arrow(pq.read_table(pa.BufferReader(sink.getvalue())))
    assert block_digests("messages", conform("messages", back)) == block_digests("messages", rows)


def test_narrow_integers_negative_zero_and_nan_payloads_are_the_same_rows():
    rows = one_block("scores")
    value = rows["brier"].copy()
    value[:2] = [0.0, np.nan]
    other = value.copy()
    other[:1] = -0.0
    other[1:2] = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)
    narrow = rows.with_(turn=rows["turn"].astype(np.int16), brier=other)
    assert block_digest("scores", narrow) == block_digest("scores", rows.with_(brier=value))


def test_none_and_empty_text_differ():
    rows = one_block("rooms", 2)
    texts = [np.array(pair, dtype=object) for pair in ([None, ""], ["", None], ["", ""])]
    assert len({block_digest("rooms", rows.with_(split=text)) for text in texts}) == 3


def test_repeated_keys_and_mixed_blocks_are_errors():
    rows = one_block("rooms")
    with pytest.raises(DataError, match=r"table rooms: two rows have the same keys .*room_id=0"):
        block_digest("rooms", rows.with_(room_id=np.zeros(rows.n, dtype=np.int64)))
    with pytest.raises(DataError, match="rows of 9 blocks given, expected one"):
        block_digest("rooms", rows.with_(block=np.arange(9)))


def test_tick_digest_is_the_hash_of_blocks_then_tables():
    blocks = {(10, "rooms"): "c", (2, "scores"): "b", (2, "rooms"): "a"}
    expected = hashlib.blake2b(b"2:rooms:a;2:scores:b;10:rooms:c;", digest_size=32).hexdigest()
    assert tick_digest(blocks) == expected
    assert tick_digest(dict(reversed(blocks.items()))) == expected


def test_chain_depends_on_everything_before():
    first = chain(GENESIS, 0, "a")
    assert first == hashlib.blake2b(f"{GENESIS}:0:a".encode(), digest_size=32).hexdigest()
    ends = {
        chain(first, 1, "b"),
        chain(chain(GENESIS, 0, "x"), 1, "b"),
        chain(first, 2, "b"),
        chain(first, 1, "c"),
        chain(chain(GENESIS, 0, "b"), 1, "a"),
    }
    assert len(ends) == 5
