import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.core.columns import Columns, same_text

texts = st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=6), max_size=12)


def as_column(items: list[str | None]) -> Columns:
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return Columns({"t": column})


def by_definition(items: list[str | None]) -> bytes:
    """All lengths in bytes (-1 for None), then all UTF-8, item by item."""
    raw = [None if item is None else item.encode() for item in items]
    lengths = b"".join(
        (-1 if r is None else len(r)).to_bytes(8, "little", signed=True) for r in raw
    )
    body = f"t:():{len(items)};".encode() + b"t" + lengths + b"".join(r or b"" for r in raw)
    return hashlib.blake2b(body, digest_size=32).digest()


@given(texts)
@settings(max_examples=200, deadline=None)
def test_text_digest_follows_its_definition(items):
    assert as_column(items).digest() == by_definition(items)


@given(texts, texts)
@settings(max_examples=100, deadline=None)
def test_different_texts_have_different_digests(a, b):
    assert (as_column(a).digest() == as_column(b).digest()) == (a == b)


@given(texts, st.integers(0, 12))
@settings(max_examples=100, deadline=None)
def test_text_survives_arrow_in_any_coding_and_chunking(items, cut):
    columns = as_column(items)
    plain = pa.chunked_array(
        [pa.array(items[:cut], pa.string()), pa.array(items[cut:], pa.string())]
    )
    coded = pa.chunked_array([chunk.dictionary_encode() for chunk in plain.chunks])
    for array in (columns.to_arrow().column("t"), plain, coded, plain.cast(pa.large_string())):
        back = Columns.from_arrow(pa.table({"t": array}))
        assert back["t"].dtype == object and back["t"].tolist() == items
        assert back.digest() == columns.digest()


def test_a_slice_and_fixed_width_text_hash_as_their_rows():
    column = np.array(["a", "bb", None, "ccc"] * 5, dtype=object)
    assert Columns({"t": column[3::2]}).digest() == as_column(column[3::2].tolist()).digest()
    assert Columns({"t": np.array(["a", "bb"])}).digest() == as_column(["a", "bb"]).digest()


def test_lone_surrogates_are_an_error():
    with pytest.raises(UnicodeEncodeError):
        as_column(["\ud800"]).digest()


def test_empty_vectors_survive_arrow():
    columns = Columns({"q": np.zeros((3, 0), dtype=np.int64), "i": np.arange(3)})
    back = Columns.from_arrow(columns.to_arrow())
    assert back["q"].shape == (3, 0) and back["q"].dtype == np.int64
    assert back.digest() == columns.digest()


def test_a_constant_column_is_hashed_and_stored_like_any_other():
    """The short way of a column with one text throughout gives the bytes of the long way."""
    for text in ("judge", "", "é€", None):
        constant = np.full(5, text, dtype=object)
        mixed = np.append(constant, "other").astype(object)
        assert same_text(constant) and not same_text(mixed)
        short, long = Columns({"t": constant}), Columns({"t": mixed})
        assert short.to_arrow().column("t").to_pylist() == [text] * 5
        assert long.rows(0, 5).digest() == short.digest()
        pieces = hashlib.blake2b(digest_size=32)
        size = -1 if text is None else len(text.encode())
        pieces.update(b"t:():5;t" + np.full(5, size, dtype="<i8").tobytes())
        pieces.update((text or "").encode() * 5)
        assert short.digest() == pieces.digest()
    assert not same_text(np.empty(0, dtype=object))
