"""The in-process runtime: hosts are plain objects, calls run at once. Imports no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.runtime.interface import HostSpec, Parted, Shares, Stamp, Ticket


@dataclass(frozen=True)
class DoneTicket:
    """A call that has already run."""

    host: str
    result: Any
    payload: Any


class InProcessRuntime:
    """Runs every host in this process, one call after another.

    Example:
        >>> runtime = InProcessRuntime()
        >>> spec = HostSpec("echo", "cohort", lambda client: Echo(), {})  # doctest: +SKIP
        >>> runtime.start([spec])                                         # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._hosts: dict[str, Any] = {}

    def start(self, specs: Sequence[HostSpec]) -> list[dict[str, Any]]:
        """Build the hosts here; see `experiments.runtime.interface.Runtime.start`."""
        for spec in specs:
            self._hosts[spec.name] = spec.build(self, **spec.arguments)
        return [{"host": spec.name} for spec in specs]

    def call(self, host: str, method: str, stamp: Stamp, *arguments: Any) -> Ticket:
        """Run the call now."""
        result = getattr(self._hosts[host], method)(stamp, *arguments)
        if isinstance(result, Parted):
            payload = result.payload
            kept = payload.items if isinstance(payload, Shares) else payload
            return DoneTicket(host, result.summary, kept)
        return DoneTicket(host, result, None)

    def gather(self, tickets: Sequence[Any], deadline_s: float) -> list[Any]:
        """Return the results; nothing is left to wait for."""
        return [ticket.result for ticket in tickets]

    def stop_hosts(self) -> None:
        """Forget all hosts."""
        self._hosts.clear()

    def close(self) -> None:
        """Forget all hosts."""
        self.stop_hosts()

    @property
    def driver_bytes(self) -> int:
        """Zero: nothing is moved."""
        return 0
