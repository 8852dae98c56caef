"""A host in a child process of this one: for hosts that work beside others. Imports no Ray.

Calls are answered in the order in which they were made. The child always reads what it is sent,
also while it works, so neither side can block the other with a large message; it ends when this
process does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from environments.core.errors import (
    ConfigError,
    FacilitateError,
    LostError,
    MissingExtraError,
    NoMemoryError,
    UnknownNameError,
)
from experiments.config.plugins import import_modules, imported_modules
from experiments.runtime.interface import Fence, HostSpec, Parted, Shares, Stamp

_STOP_S = 5.0


@dataclass
class ProcessTicket:
    """A call in flight; ``payload`` is set once the ticket has been gathered."""

    host: str
    number: int
    payload: Any = None


class HostProcess:
    """Starts a host in a process of its own.

    Args:
        spec: How to build it.
    """

    def __init__(self, spec: HostSpec) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = spec.name
        self._wire, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(spec, theirs, imported_modules()), name=spec.name, daemon=True
        )
        self._process.start()
        theirs.close()
        self._calls = 0
        self._replies: dict[int, tuple[bool, Any, Any]] = {}

    @property
    def pid(self) -> int:
        """Process id."""
        return int(self._process.pid or 0)

    def wait(self, limit_s: float) -> None:
        """Wait until the host is built.

        Raises:
            FacilitateError: What building it raised.
            LostError: If it died or takes longer.
        """
        self.result(ProcessTicket(self._name, 0), time.monotonic() + limit_s, limit_s)

    def call(self, method: str, stamp: Stamp, arguments: tuple[Any, ...]) -> ProcessTicket:
        """Start a call.

        Raises:
            LostError: If the process died.
        """
        self._calls += 1
        try:
            self._wire.send((self._calls, method, stamp, arguments))
        except OSError as error:
            raise LostError(f"{self._name} died (process {self.pid})") from error
        return ProcessTicket(self._name, self._calls)

    def ready(self, ticket: ProcessTicket) -> bool:
        """Say, without waiting, whether a call has ended or the process has."""
        with contextlib.suppress(LostError):
            while ticket.number not in self._replies and self._wire.poll():
                self._take()
        return ticket.number in self._replies or not self._process.is_alive()

    def result(self, ticket: ProcessTicket, end: float, deadline_s: float) -> Any:
        """Wait for a call until a moment of the monotonic clock; return its summary.

        Raises:
            LostError: If the process died or the moment passed.
        """
        while ticket.number not in self._replies:
            left = max(0.0, end - time.monotonic())
            if not wait([self._wire, self._process.sentinel], left):
                raise LostError(
                    f"{self._name} gave no answer within {deadline_s:g} s (runtime.deadline_s)"
                )
            if not self._wire.poll():
                raise LostError(f"{self._name} died (process {self.pid})")
            self._take()
        fine, result, payload = self._replies.pop(ticket.number)
        if not fine:
            raise result
        ticket.payload = payload
        return result

    def _take(self) -> None:
        try:
            number, *reply = self._wire.recv()
        except (EOFError, OSError) as error:
            raise LostError(f"{self._name} died (process {self.pid})") from error
        fine, result, payload = reply
        self._replies[number] = (fine, result, payload)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join(_STOP_S)
        self._wire.close()


def _serve(spec: HostSpec, wire: Connection, modules: tuple[str, ...]) -> None:
    """Build the host and answer calls until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when this ends
    commands: queue.SimpleQueue[tuple[int, str, Stamp, tuple[Any, ...]]] = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                commands.put(wire.recv())
        except (EOFError, OSError):
            os._exit(0)  # also out of a wait for another process

    fence = Fence(spec.name)
    try:
        import_modules(modules)
        host = spec.build(None, **spec.arguments)
    except Exception as error:
        wire.send((0, False, _portable(spec.name, error), None))
        return
    threading.Thread(target=read, daemon=True).start()
    wire.send((0, True, None, None))
    while True:
        number, method, stamp, arguments = commands.get()
        try:
            fence.check(stamp)
            result = getattr(host, method)(stamp, *arguments)
        except Exception as error:
            wire.send((number, False, _portable(spec.name, error), None))
            continue
        if isinstance(result, Parted):
            payload = result.payload
            kept = payload.items if isinstance(payload, Shares) else payload
            wire.send((number, True, result.summary, kept))
        else:
            wire.send((number, True, result, None))


def _portable(host: str, error: Exception) -> Exception:
    """Return an error as it may cross to another process."""
    if isinstance(error, MemoryError):
        return NoMemoryError(f"{host} ran out of memory: {error or 'no more can be had'}")
    if isinstance(error, UnknownNameError | MissingExtraError):
        return ConfigError(str(error))  # these are not rebuilt from their message alone
    if isinstance(error, FacilitateError):
        return error
    import traceback

    return RuntimeError(f"{host}: {''.join(traceback.format_exception(error))}")
