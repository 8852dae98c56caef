import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from environments.core.columns import Columns
from environments.core.errors import DataError
from experiments.runs.snapshots import (
    SNAPSHOT_POINTS,
    SnapshotInfo,
    read_minds,
    read_snapshot_file,
    write_minds,
    write_snapshot_file,
)

names = st.text("abc./_", min_size=1, max_size=4)
arrays = hnp.arrays(
    st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u2", "u1", "?"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


@given(groups=st.dictionaries(names, st.dictionaries(names, arrays, max_size=3), max_size=3))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_arrays_come_back_bit_for_bit_in_their_order(tmp_path_factory, groups):
    folder = tmp_path_factory.getbasetemp() / "snapshot"
    written = write_snapshot_file(folder, "state", groups)
    back = read_snapshot_file(folder, "state", written)
    assert list(back) == list(groups)
    for group, members in groups.items():
        assert list(back[group]) == list(members)
        for key, value in members.items():
            assert back[group][key].dtype == value.dtype and back[group][key].shape == value.shape
            assert back[group][key].tobytes() == value.tobytes()
    assert written.size == (folder / written.name).stat().st_size


def test_minds_come_back_as_columns(tmp_path):
    minds = {
        "human": Columns({"trust": np.array([0.1, np.nan]), "agent_id": np.arange(2)}),
        "numeric": Columns({"agent_id": np.arange(3), "belief": np.arange(6.0).reshape(3, 2)}),
    }
    file = write_minds(tmp_path, "minds", minds)
    back = read_minds(tmp_path, "minds", file)
    assert {c: (list(m), m.n) for c, m in back.items()} == {
        "human": (["trust", "agent_id"], 2),
        "numeric": (["agent_id", "belief"], 3),
    }
    assert all(back[cohort].digest() == minds[cohort].digest() for cohort in minds)
    with pytest.raises(DataError, match="human.name must be numeric, got object"):
        write_minds(tmp_path, "m", {"human": Columns({"name": np.array(["x"], dtype=object)})})
    with pytest.raises(DataError, match="contains '::'"):
        write_minds(tmp_path, "m", {"a::b": Columns({})})


def test_the_digest_sees_values_and_not_layout(tmp_path):
    a = np.arange(6.0).reshape(2, 3)
    one = write_snapshot_file(tmp_path, "one", {"g": {"a": a, "b": a[0]}})
    two = write_snapshot_file(tmp_path, "two", {"g": {"b": a[0], "a": np.asfortranarray(a)}})
    assert one.digest == two.digest
    for other in (a.T, a.astype("f4"), a.reshape(3, 2), a + np.eye(2, 3) * 1e-15):
        assert (
            write_snapshot_file(tmp_path, "o", {"g": {"a": other, "b": a[0]}}).digest != one.digest
        )
    infos = [SnapshotInfo.of(3, "f", files) for files in ([one, two], [two, one])]
    assert infos[0] == infos[1] and infos[0].digest == infos[1].digest
    assert SnapshotInfo.of(3, "f", [one]).digest != infos[0].digest
    assert SnapshotInfo.from_json(json.loads(json.dumps(infos[0].to_json()))) == infos[0]


def test_missing_damaged_and_exchanged_files_are_named(tmp_path):
    file = write_snapshot_file(tmp_path, "state", {"g": {"a": np.arange(50.0)}})
    path = tmp_path / file.name
    whole = path.read_bytes()
    for data in (whole[:-8], whole[: len(whole) // 2], b"", b"\xff" * 64, b"\x80\x04K\x01."):
        path.write_bytes(data)
        with pytest.raises(DataError, match="state.safetensors: snapshot file is truncated or"):
            read_snapshot_file(tmp_path, "state")
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(DataError, match="not the one that the run's manifest names"):
        read_snapshot_file(tmp_path, "state", file)
    path.unlink()
    with pytest.raises(DataError, match="state.safetensors: snapshot file is missing"):
        read_snapshot_file(tmp_path, "state")
    with pytest.raises(DataError, match="has no file 'b.safetensors' .it has state.safetensors"):
        SnapshotInfo.of(0, "f", [file]).file("b")


@pytest.mark.parametrize(
    "change", [{"folder": "../x"}, {"folder": ""}, {"files": {"/etc/x": {"size": 1, "digest": ""}}}]
)
def test_an_entry_that_points_elsewhere_is_refused(change):
    plain = SnapshotInfo.of(0, "f", []).to_json()
    with pytest.raises(DataError, match="malformed entry of a snapshot"):
        SnapshotInfo.from_json({**plain, **change})


@pytest.mark.parametrize("point", SNAPSHOT_POINTS)
def test_a_snapshot_file_is_whole_or_not_there(tmp_path, point):
    def die(name):
        if name == point:
            raise RuntimeError(point)

    with pytest.raises(RuntimeError, match=point):
        write_snapshot_file(tmp_path, "state", {"g": {"a": np.ones(40)}}, die)
    there = (tmp_path / "state.safetensors").exists()
    assert there == (point == "after_snapshot_replace")
    if there:
        assert read_snapshot_file(tmp_path, "state")["g"]["a"].sum() == 40
