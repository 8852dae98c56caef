"""One driver at a time: an advisory lock that dies with its holder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from pathlib import Path

from coordination.ledger.files import write_error
from environments.core.errors import RunError

LOCK_FILE = ".lock"
"""Name of the lock file inside a run directory; it says who holds the lock, or held it last."""


class RunLock:
    """An exclusive lock on a run directory, held until `release` or the death of the process.

    Args:
        run: The run directory.

    Raises:
        RunError: If another driver holds it (names its process), or the file system cannot lock.
    """

    def __init__(self, run: Path) -> None:
        self._fd: int | None = None
        path = run / LOCK_FILE
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise write_error(path, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(fd)
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise RunError(
                    f"{run}: another process writes this run ({holder}); wait for it or stop it"
                ) from error
            raise RunError(
                f"{run}: its file system cannot lock files ({os.strerror(error.errno or 0)})"
            ) from error
        self._fd = fd
        note = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, note, 0)
        except OSError as error:
            self.release()
            raise write_error(path, error) from error

    def release(self) -> None:
        """Let the next driver in. Releasing twice is harmless."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        self.release()


def _holder(fd: int) -> str:
    """Describe the holder of the lock behind an open lock file."""
    try:
        note = json.loads(os.pread(fd, 4096, 0))
        return f"pid {int(note['pid'])} on {note['host']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "pid unknown: it has just started"
