"""Durable files: written aside, flushed, then renamed into place.

A reader sees a file whole or not at all, whenever the writer dies. Every step is announced to a
callable, so that a test can stop the world there.

The life of a file::

    before_tmp -> (half written) mid_tmp -> (flushed) after_tmp -> before_replace
        -> (renamed, folder flushed) after_replace
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from environments.core.errors import RunError

Announce = Callable[[str], None]
"""Hears the name of each step just before or after it is taken."""

Points = tuple[str, str, str, str, str]
"""Names announced by `replace_file`, in the order of the module's drawing."""

TMP_SUFFIX = ".tmp"
"""Ends the names of files that are not yet in place; they are safe to delete."""


def silent(point: str) -> None:
    """Announce to nobody."""


def write_error(path: Path, error: OSError) -> RunError:
    """Return the one clear line for a write that the file system refused."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return RunError(f"{path}: cannot write ({reason}); what was committed before it is intact")


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte to a file descriptor, however many calls that takes."""
    view = memoryview(data)
    while len(view):
        view = view[os.write(fd, view) :]


def write_halves(fd: int, data: bytes, between: Callable[[], None]) -> None:
    """Write the first half, call ``between``, write the rest, flush to disk."""
    view = memoryview(data)
    half = len(view) // 2
    write_all(fd, view[:half])
    between()
    write_all(fd, view[half:])
    os.fsync(fd)


def flush_folder(folder: Path) -> None:
    """Make renames and deletions inside a folder durable."""
    fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems do not flush folders
            raise
    finally:
        os.close(fd)


def replace_file(
    path: Path, data: bytes, at: Announce = silent, points: Points | None = None
) -> None:
    """Put ``data`` at ``path`` durably and atomically, replacing what was there.

    The temporary name is unique, so two writers of one path never mix their bytes.

    Args:
        path: Where the file goes; its folder exists.
        data: The whole content.
        at: Hears ``points``.
        points: Five names, see the module; None announces nothing.

    Raises:
        RunError: If the file system refuses (full, read-only, gone). The old file is as it was.
    """
    before_tmp, mid_tmp, after_tmp, before_replace, after_replace = points or ("",) * 5
    hear = at if points else silent
    tmp = path.parent / f".{path.name}.{uuid.uuid4().hex}{TMP_SUFFIX}"
    hear(before_tmp)
    try:
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            write_halves(fd, data, lambda: hear(mid_tmp))
        finally:
            os.close(fd)
        hear(after_tmp)
        hear(before_replace)
        os.replace(tmp, path)
        flush_folder(path.parent)
    except OSError as error:
        tmp.unlink(missing_ok=True)  # a full disk needs the room
        raise write_error(path, error) from error
    hear(after_replace)


def make_folders(folder: Path) -> None:
    """Create a folder and its parents if they are not there.

    Raises:
        RunError: If the file system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
