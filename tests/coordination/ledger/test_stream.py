"""Streams of parts: what is written piece by piece is what is written at once."""

import numpy as np
import pytest

from coordination.ledger.digest import add_totals, block_digests, total_of
from coordination.ledger.store import read_blocks, read_table, write_part
from coordination.ledger.stream import PartStream
from environments.core.errors import DataError
from tests.coordination.ledger.tables import make_tick


def pieces(tables):
    """Cut a tick's tables into two pieces of whole blocks, the later blocks first."""
    for odd in (1, 0):
        yield {name: rows.take(rows["block"] % 2 == odd) for name, rows in tables.items()}


def test_a_streamed_part_holds_what_a_part_holds(tmp_path):
    tables = make_tick(3)
    whole = write_part(tmp_path / "whole", 3, 1, 0, 0, tables)
    stream = PartStream(tmp_path / "stream", 3, 1, 0, 0)
    for piece in pieces(tables):
        stream.append(piece)
    part = stream.close()
    assert part.rows == whole.rows and part.digests == {}
    listed = {(b, t): d for b, by in whole.digests.items() for t, d in by.items()}
    assert part.total == total_of(listed) == total_of(read_blocks(tmp_path / "stream", part))
    for table in tables:
        ours = read_table(tmp_path / "stream", [part], table)
        assert ours.digest() == read_table(tmp_path / "whole", [whole], table).digest()


def test_totals_add_up_in_any_order_and_tell_blocks_apart():
    blocks = {(b, t): f"{b}{t}" for b in range(4) for t in ("rooms", "messages")}
    parts = [{k: v for k, v in blocks.items() if k[0] % 2 == odd} for odd in (0, 1)]
    sums = [total_of(part) for part in parts]
    assert add_totals(sums) == add_totals(sums[::-1]) == total_of(blocks)
    swapped = {**blocks, (0, "rooms"): blocks[1, "rooms"], (1, "rooms"): blocks[0, "rooms"]}
    assert total_of(swapped) != total_of(blocks)
    assert len(total_of({})) == 64


def test_a_block_comes_once_and_nothing_is_left_of_an_abandoned_stream(tmp_path):
    tables = make_tick(3)
    stream = PartStream(tmp_path, 3, 1, 0, 0)
    stream.append(tables)
    with pytest.raises(DataError, match="comes twice"):
        stream.append(tables)
    stream.abandon()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(DataError, match="another tick"):
        PartStream(tmp_path, 4, 1, 0, 0).append(tables)


def test_sorted_rows_are_not_sorted_again_and_give_the_same_digests():
    rows = make_tick(1)["messages"]
    order = np.random.default_rng(0).permutation(rows.n)
    assert block_digests("messages", rows.take(order)) == block_digests("messages", rows)
