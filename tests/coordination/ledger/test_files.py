import os

import pytest

from coordination.ledger import files
from coordination.ledger.files import replace_file
from environments.core.errors import RunError


class Recorder:
    """The os module, noting the calls that matter for durability."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("write", "fsync", "replace"):
            return real

        def call(*arguments):
            self.calls.append(name)
            return real(*arguments)

        return call


def test_bytes_are_flushed_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(files, "os", recorder)
    replace_file(tmp_path / "f", b"ab")
    assert recorder.calls == ["write", "write", "fsync", "replace", "fsync"]
    assert (tmp_path / "f").read_bytes() == b"ab" and len(list(tmp_path.iterdir())) == 1


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path):
    path = tmp_path / "f"
    replace_file(path, b"old" * 1000)
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old" * 1000
    assert path.read_bytes() == b"new"


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: real(fd, bytes(data[:3])))
    replace_file(tmp_path / "f", bytes(range(100)))
    assert (tmp_path / "f").read_bytes() == bytes(range(100))


def test_a_missing_folder_is_one_clear_line(tmp_path):
    with pytest.raises(RunError, match="f: cannot write .No such file or directory"):
        replace_file(tmp_path / "gone" / "f", b"x")
