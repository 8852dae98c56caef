"""The ledger's digest: a hash chain over canonical logical rows.

::

    rows of one block of one table  --block_digest-->  hex
    {(block, table): hex} of a tick --tick_digest--->  hex
    previous chain + tick digest    --chain--------->  the ledger's digest after that tick

What is hashed are logical rows, sorted by their keys, with dictionary codes resolved. How blocks
were spread over hosts and parts, in which order they came and how files are laid out cannot be seen
in it; nor can wall time or host names, which the ledger does not hold. `ACCIDENTS` are columns
that say how the work went rather than what was said; they are recorded, not hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from coordination.ledger.rows import conform, sort_rows
from environments.core.columns import Columns
from environments.core.errors import DataError

GENESIS = hashlib.blake2b(b"facilitate ledger 1", digest_size=32).hexdigest()
"""The digest of a ledger without ticks."""

ACCIDENTS = frozenset({"attempt"})
"""Columns left out of digests: a host that died and was asked again gives the same ledger."""


def block_digest(table_name: str, rows: Columns) -> str:
    """Return the digest of the rows of one block of one table.

    Args:
        table_name: Table of the ledger.
        rows: All rows of that block, in any order.

    Returns:
        64 hexadecimal digits (BLAKE2b-256).

    Raises:
        DataError: If rows break the schema, repeat keys, or belong to several blocks.
    """
    checked = conform(table_name, rows)
    found = np.unique(checked["block"])
    if len(found) > 1:
        raise DataError(f"table {table_name}: rows of {len(found)} blocks given, expected one")
    return _hash_rows(table_name, sort_rows(table_name, checked))


def block_digests(table_name: str, rows: Columns) -> dict[int, str]:
    """Return the digest of every block in conforming rows, by block, ascending."""
    ordered = sort_rows(table_name, rows)
    blocks, starts = np.unique(ordered["block"], return_index=True)
    ends = np.append(starts[1:], ordered.n)
    return {
        int(block): _hash_rows(table_name, ordered.rows(start, end))
        for block, start, end in zip(blocks, starts, ends, strict=True)
    }


def tick_digest(blocks: Mapping[tuple[int, str], str]) -> str:
    """Return the digest of a tick from its block digests, combined in (block, table) order.

    Args:
        blocks: (block, table) to digest; blocks without rows in a table are not in it.
    """
    state = hashlib.blake2b(digest_size=32)
    for block, table in sorted(blocks):
        state.update(f"{block}:{table}:{blocks[block, table]};".encode())
    return state.hexdigest()


def total_of(blocks: Mapping[tuple[int, str], str]) -> str:
    """Return one number for any set of blocks: the sum of their keyed digests modulo 2**256.

    Sums of parts add up to the sum of the whole in any order (`add_totals`), so that a host tells
    the driver as much about ten thousand blocks as about one. Blocks are hashed with their number
    and table, so that none can take another's place.

    Args:
        blocks: (block, table) to digest.

    Returns:
        64 hexadecimal digits.
    """
    return add_totals(
        hashlib.blake2b(f"{block}:{table}:{digest}".encode(), digest_size=32).hexdigest()
        for (block, table), digest in blocks.items()
    )


def add_totals(totals: Iterable[str]) -> str:
    """Return the sum of totals modulo 2**256, 64 hexadecimal digits."""
    return f"{sum(int(total, 16) for total in totals) % 2**256:064x}"


def chain(previous: str, tick: int, digest: str) -> str:
    """Return the ledger's digest after a tick.

    Args:
        previous: The ledger's digest before it (`GENESIS` at the start).
        tick: The tick.
        digest: The tick's own digest.
    """
    return hashlib.blake2b(f"{previous}:{tick}:{digest}".encode(), digest_size=32).hexdigest()


def _hash_rows(table_name: str, ordered: Columns) -> str:
    logical = ordered.select(name for name in ordered if name not in ACCIDENTS)
    return hashlib.blake2b(
        table_name.encode() + b":" + logical.digest(), digest_size=32
    ).hexdigest()
