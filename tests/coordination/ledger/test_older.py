"""Ledgers of format 1 stay readable, and their digests stay what they were."""

import pyarrow.parquet as pq

from coordination.ledger.schema import TABLES
from coordination.ledger.store import read_blocks, read_table, write_part
from tests.coordination.ledger.tables import make_tick


def test_columns_added_since_are_filled_in(tmp_path):
    tables = make_tick(3)
    part = write_part(tmp_path, 3, 1, 0, 0, tables)
    before = read_blocks(tmp_path, part)
    for name in ("rooms", "decisions"):
        path = tmp_path / part.files[name]
        arrow = pq.read_table(path).drop_columns(list(TABLES[name].added))
        pq.write_table(arrow, path, write_page_checksum=True)
    rooms = read_table(tmp_path, [part], "rooms")
    assert set(rooms["outcome"].tolist()) == {"judge"}
    assert not rooms["memory"].any() and not rooms["anonymous"].any()
    assert list(rooms) == list(TABLES["rooms"].columns)
    decisions = read_table(tmp_path, [part], "decisions", ["condition", "turn"])
    assert set(decisions["condition"].tolist()) == {""}
    judged = read_table(tmp_path, [part], "rooms", ["room_id"], where={"outcome": "judge"})
    assert judged.n == rooms.n
    assert read_table(tmp_path, [part], "rooms", ["room_id"], where={"outcome": "team"}).n == 0
    after = read_blocks(tmp_path, part)
    changed = {table for (_, table), digest in after.items() if before[_, table] != digest}
    assert changed == {"rooms", "decisions"}, "digests cover what was written"
