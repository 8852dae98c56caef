"""Replies of endpoints on disk: paid once, replayed by ask hash.

Each agent has a folder, in which every cohort host appends to a file of its own (JSON Lines). All
files are read when a cohort is built, so what one host paid for serves every other after a
restart. A line is either a reply or the note of a request that came to nothing; notes are counted,
never replayed. A line torn by a crash is skipped: its request is sent again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.language_model.endpoint.config import PriceConfig
from environments.core.errors import RunError

FOLDER = "replies"
"""Where a run keeps replies, one folder per agent."""


@dataclass(frozen=True)
class Reply:
    """What a server answered to one request."""

    text: str
    top: tuple[tuple[str, float], ...] = ()
    """Alternatives of the first token that is not blank, with their log-probabilities; empty if
    the server gave none."""
    read: int = 0
    """Tokens of the prompt, as the server counts."""
    written: int = 0
    """Tokens of the completion."""
    metered: bool = True
    """Whether the server counted tokens."""


def ask_hash(api: str, body: Mapping[str, Any], seed: int) -> str:
    """Return the SHA-256 of model, prompt, parameters and ask seed, 64 hexadecimal digits.

    The server's address is no part of it: a model may move between a run and its continuation.
    """
    text = json.dumps([api, dict(body), seed], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Replies:
    """The replies that a cohort knows.

    Args:
        folder: The agent's folder, created at the first write; None keeps replies in memory only.
        writer: Names this host's file; no two live hosts of a run share it.

    Raises:
        RunError: If the folder cannot be read.
    """

    def __init__(self, folder: Path | None = None, writer: str = "0") -> None:
        self._folder = folder
        self._file = None if folder is None else folder / f"{writer}.jsonl"
        self._lock = threading.Lock()
        self._known: dict[str, Reply] = {}
        if folder is not None:
            for line in read_lines(folder):
                if "text" in line:
                    self._known[line["ask"]] = _reply(line)

    def get(self, ask: str) -> Reply | None:
        """Return the reply to an ask hash, if known."""
        return self._known.get(ask)

    def put(self, ask: str, reply: Reply, attempts: int) -> None:
        """Keep a reply, durably before it is used if there is a folder.

        Raises:
            RunError: If it cannot be written.
        """
        line = {
            "ask": ask,
            "text": reply.text,
            "top": [list(pair) for pair in reply.top],
            "read": reply.read,
            "written": reply.written,
            "metered": reply.metered,
            "attempts": attempts,
        }
        with self._lock:
            self._append(line)
            self._known[ask] = reply

    def note(self, ask: str, failure: str, attempts: int) -> None:
        """Note that a request came to nothing, in our own words (never the server's)."""
        with self._lock:
            self._append({"ask": ask, "failure": failure, "attempts": attempts})

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        data = json.dumps(line).encode() + b"\n"
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+b") as file:
                file.seek(0, os.SEEK_END)
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # torn by a crash: keep it off our line
                        data = b"\n" + data
                file.write(data)
        except OSError as error:
            raise RunError(f"{self._file}: cannot write ({error.strerror})") from error


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a folder's files, in the order of file names.

    Raises:
        RunError: If a file cannot be read.
    """
    for path in sorted(folder.glob("*.jsonl")):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunError(f"{path}: cannot read ({error.strerror})") from error
        for raw in data.split(b"\n"):
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict) and "ask" in line and ("text" in line or "failure" in line):
                yield line


def spent(folder: Path, price: PriceConfig) -> dict[str, Any]:
    """Return what an agent's replies cost.

    Returns:
        ``calls`` (replies paid for), ``attempts`` (requests sent), ``tokens_read``,
        ``tokens_written``, ``unmetered`` (replies whose tokens the server did not count),
        ``price``, ``failures`` (reason to number). Tokens of requests that came to nothing are
        unknown and not in it.
    """
    lines = list(read_lines(folder))
    replies = [line for line in lines if "text" in line]
    read = sum(line["read"] for line in replies)
    written = sum(line["written"] for line in replies)
    return {
        "calls": len(replies),
        "attempts": sum(line["attempts"] for line in lines),
        "tokens_read": read,
        "tokens_written": written,
        "unmetered": sum(not line["metered"] for line in replies),
        "price": (read * price.read + written * price.written) / 1e6,
        "failures": dict(sorted(Counter(x["failure"] for x in lines if "failure" in x).items())),
    }


def _reply(line: Mapping[str, Any]) -> Reply:
    top = tuple((str(token), float(value)) for token, value in line["top"])
    return Reply(line["text"], top, line["read"], line["written"], line["metered"])
