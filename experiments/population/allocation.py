"""How this process's memory allocator treats large arrays."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of the settings in glibc's ``malloc.h``."""

_KEPT = 2**28
_MAPPED = 2**25
"""The most that glibc allows."""


def keep_freed_memory() -> None:
    """Let arrays of a round be allocated from what those of the last one left.

    By itself glibc gives arrays of some megabytes back to the system at once and asks for them
    anew in every round, and the system clears each page again: a seventh of the time in which the
    state of a million agents is read and written. Here up to 256 MiB stay with the process, and
    only arrays of 32 MiB or more are given back one by one. Elsewhere than on glibc, and where the
    environment has settings of its own (``MALLOC_…``), nothing is changed.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "gnu_get_libc_version"):
        allocator.mallopt(_TRIM_THRESHOLD, _KEPT)
        allocator.mallopt(_MMAP_THRESHOLD, _MAPPED)
