import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordination.ledger.digest import tick_digest
from coordination.ledger.schema import TABLES
from coordination.ledger.store import PART_POINTS, PartInfo, read_blocks, read_table, write_part
from environments.core.columns import Columns
from environments.core.errors import DataError
from tests.coordination.ledger.tables import make_tick, of_blocks


def equal(a: Columns, b: Columns) -> bool:
    return list(a) == list(b) and a.digest() == b.digest()


@given(owner=st.lists(st.integers(0, 3), min_size=6, max_size=6), seed=st.integers(0, 999))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_partition_of_blocks_gives_one_digest_and_one_table(tmp_path_factory, owner, seed):
    root = tmp_path_factory.mktemp("ledger")
    tables = make_tick(7)
    parts = []
    for part in sorted(set(owner), key=lambda p: (p * seed) % 5):
        mine = of_blocks(tables, [block for block, o in enumerate(owner) if o == part])
        order = np.random.RandomState(seed).permutation(mine["rooms"].n)
        shuffled = {name: rows.take(order) for name, rows in mine.items()}
        parts.append(write_part(root, 7, 1, 0, part, shuffled))
    whole = write_part(root, 7, 2, 0, 0, tables)
    expected = {(b, t): digest for b, by in whole.digests.items() for t, digest in by.items()}
    found = {(b, t): d for p in parts for b, by in p.digests.items() for t, d in by.items()}
    assert found == expected and len(expected) == 6 * len(TABLES)
    read = {key: digest for part in parts for key, digest in read_blocks(root, part).items()}
    assert tick_digest(read) == tick_digest(expected)
    for table in TABLES:
        assert equal(read_table(root, parts, table), read_table(root, [whole], table))


def test_rows_come_back_exactly_sorted_by_tick_then_keys(tmp_path):
    parts = [write_part(tmp_path, t, 1, 0, 0, make_tick(t)) for t in (3, 1, 2)]
    for table, schema in TABLES.items():
        expected = Columns.concat([make_tick(t)[table] for t in (1, 2, 3)])
        back = read_table(tmp_path, parts, table)
        assert list(back) == list(schema.columns)
        assert equal(back, expected.select(back))
        assert [back[c].dtype for c in back] == [expected[c].dtype for c in back]


def test_columns_ticks_and_filters_select(tmp_path):
    parts = [write_part(tmp_path, t, 1, 0, 0, make_tick(t)) for t in range(3)]
    everything = read_table(tmp_path, parts, "messages")
    some = read_table(
        tmp_path, parts, "messages", ["text", "turn"], ticks=[0, 2], where={"seat": "judge"}
    )
    keep = (everything["seat"] == "judge") & (everything["tick"] != 1)
    assert 0 < some.n < 48
    assert equal(some, everything.take(keep).select(["text", "turn"]))
    absent = read_table(tmp_path, parts, "messages", ["seat"], where={"seat": None})
    assert absent.n == sum(text is None for text in everything["seat"]) > 0
    flag = read_table(tmp_path, parts, "decisions", ["probe"], where={"probe": True, "tick": 1})
    assert flag.n > 0 and flag["probe"].all()
    none = read_table(tmp_path, parts, "messages", ["seat", "stated"], where={"seat": "nobody"})
    assert none["seat"].shape == (0,) and none["stated"].shape == (0, 0)
    assert read_table(tmp_path, [], "rooms").n == 0


def test_vectors_of_width_zero_come_back(tmp_path):
    tick = make_tick(0)
    none = np.zeros((24, 0))
    narrow = tick["messages"].with_(quotes=none.astype(np.int64), verified=none.astype(bool))
    part = write_part(tmp_path, 0, 1, 0, 0, {"messages": narrow})
    back = read_table(tmp_path, [part], "messages")
    assert back["quotes"].shape == back["verified"].shape == (24, 0)
    assert equal(back, narrow.select(back))


def test_parts_are_named_by_epoch_tick_attempt_part_and_tiny(tmp_path):
    part = write_part(tmp_path, 12, 3, 1, 2, make_tick(12))
    assert part.files["rooms"] == "rooms/tick-000012-epoch-0003-attempt-01-part-0002.parquet"
    assert part.rows == dict.fromkeys(sorted(TABLES), 24)
    on_disk = {str(p.relative_to(tmp_path)): p.stat().st_size for p in tmp_path.glob("*/*")}
    assert on_disk == {part.files[t]: part.sizes[t] for t in TABLES}
    assert part.bytes == sum(on_disk.values())
    again = PartInfo.from_json(json.loads(json.dumps(part.to_json())))
    assert again == part
    assert len(json.dumps(part.to_json(with_digests=False))) < 120 * len(TABLES)
    bare = {k: v for k, v in part.to_json().items() if k != "digests"}
    assert part.to_json(with_digests=False) == bare


def test_text_is_dictionary_coded_and_compressed(tmp_path):
    part = write_part(tmp_path, 0, 1, 0, 0, make_tick(0))
    meta = pq.ParquetFile(tmp_path / part.files["messages"]).metadata.row_group(0)
    seat = [
        meta.column(i) for i in range(meta.num_columns) if meta.column(i).path_in_schema == "seat"
    ]
    assert seat[0].compression == "ZSTD" and seat[0].has_dictionary_page


def test_tables_without_rows_leave_no_file(tmp_path):
    tick = make_tick(0)
    part = write_part(tmp_path, 0, 1, 0, 0, {"rooms": tick["rooms"], "labels": Columns({})})
    assert list(part.files) == ["rooms"] and not (tmp_path / "labels").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.select([c for c in r if c != "seat"]), "missing column 'seat'"),
        (lambda r: r.with_(colour=r["turn"]), "unknown column 'colour'"),
        (lambda r: r.with_(turn=r["confidence"]), "'turn' must be int, got float64 with 1 axes"),
        (lambda r: r.with_(turn=r["turn"] > 3), "'turn' must be int, got bool"),
        (lambda r: r.with_(stated=r["confidence"]), "'stated' must be float_vector, got float64"),
        (lambda r: r.with_(seat=r["turn"]), "'seat' must be text, got int64"),
        (lambda r: r.with_(seat=r["turn"].astype(object)), "'seat' must be text"),
        (lambda r: r.with_(seat=np.array(["\ud800"] * r.n, dtype=object)), "'seat' must be text"),
        (lambda r: r.with_(tick=r["tick"] + 1), "rows of another tick in a part of tick 0"),
        (lambda r: r.with_(turn=r["turn"].astype(np.uint64) + np.uint64(2**63)), "63-bit"),
    ],
)
def test_rows_that_break_the_schema_are_refused_before_anything_is_written(
    tmp_path, change, message
):
    tick = make_tick(0)
    with pytest.raises(DataError, match=message) as error:
        write_part(
            tmp_path,
            0,
            1,
            0,
            0,
            {"deliveries": tick["deliveries"], "messages": change(tick["messages"])},
        )
    assert "\n" not in str(error.value) and "messages" in str(error.value)
    assert not list(tmp_path.rglob("*.*"))


def test_unknown_tables_columns_and_vector_filters_are_errors(tmp_path):
    with pytest.raises(DataError, match="unknown ledger table 'speeches'"):
        write_part(tmp_path, 0, 1, 0, 0, {"speeches": Columns({})})
    with pytest.raises(DataError, match="table rooms has no column 'colour'"):
        read_table(tmp_path, [], "rooms", ["colour"])
    with pytest.raises(DataError, match="table rooms has no column 'shape'"):
        read_table(tmp_path, [], "rooms", where={"shape": 1})
    with pytest.raises(DataError, match="cannot filter by 'quotes'"):
        read_table(tmp_path, [], "messages", where={"quotes": 1})


def test_missing_truncated_and_damaged_files_are_named(tmp_path):
    part = write_part(tmp_path, 0, 1, 0, 0, make_tick(0))
    path = tmp_path / part.files["messages"]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"{path.name}: ledger file is truncated or corrupt"):
        read_table(tmp_path, [part], "messages")
    path.write_bytes(whole)
    group = pq.ParquetFile(path).metadata.row_group(0)
    data_end = group.column(group.num_columns - 1).data_page_offset
    assert data_end > 2000
    for at in range(4, data_end, 499):  # any byte of the data pages
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=path.name):
            read_blocks(tmp_path, part)
            raise AssertionError(f"damage at byte {at} passed")
    path.unlink()
    with pytest.raises(DataError, match=f"{path.name}: ledger file is missing"):
        read_table(tmp_path, [part], "messages")
    other = write_part(tmp_path, 0, 2, 0, 0, of_blocks(make_tick(0), [0]))
    path.write_bytes((tmp_path / other.files["messages"]).read_bytes())
    with pytest.raises(DataError, match="has 4 rows, the run's manifest says 24"):
        read_table(tmp_path, [part], "messages")


def test_parts_whose_vectors_differ_in_width_are_an_error(tmp_path):
    tick = make_tick(0)
    wide = of_blocks(tick, [1])["messages"]
    wide = wide.with_(stated=np.repeat(wide["stated"], 2, axis=1))
    parts = [
        write_part(tmp_path, 0, 1, 0, 0, of_blocks(tick, [0])),
        write_part(tmp_path, 0, 1, 0, 1, {"messages": wide}),
    ]
    with pytest.raises(DataError, match="parts differ in the width of a vector column"):
        read_table(tmp_path, parts, "messages")


@pytest.mark.parametrize("point", PART_POINTS)
def test_a_part_that_dies_while_writing_leaves_a_whole_file_or_none(tmp_path, point):
    class DiedError(Exception):
        pass

    def die(name):
        if name == point:
            raise DiedError

    tick = {"rooms": make_tick(0)["rooms"]}
    with pytest.raises(DiedError):
        write_part(tmp_path, 0, 1, 0, 0, tick, die)
    there = list(tmp_path.glob("rooms/*.parquet"))
    assert len(there) == (point == "after_part_replace")
    for path in there:
        assert pq.read_table(path, partitioning=None).num_rows == 24
    again = write_part(tmp_path, 0, 1, 0, 0, tick)  # a retry is harmless
    assert read_table(tmp_path, [again], "rooms").n == 24


def test_an_entry_that_points_outside_the_ledger_is_refused(tmp_path):
    plain = write_part(tmp_path, 0, 1, 0, 0, make_tick(0)).to_json()
    for name in ("/etc/passwd", "../config.yaml"):
        with pytest.raises(DataError, match="outside the ledger"):
            PartInfo.from_json({**plain, "files": {**plain["files"], "rooms": name}})
    with pytest.raises(DataError, match="malformed entry"):
        PartInfo.from_json({"tick": 1})


def test_equal_texts_share_one_object(tmp_path):
    part = write_part(tmp_path, 0, 1, 0, 0, make_tick(0))
    seats = read_table(tmp_path, [part], "messages")["seat"]
    assert len({id(seat) for seat in seats}) <= 5
