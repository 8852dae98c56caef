"""A bound on how long a policy may think about one micro-batch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooLateError(BaseException):
    """A policy was still at it when its time was up.

    Not an `Exception`, so that a policy which catches whatever happens cannot swallow it.
    """


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Interrupt the body after some seconds of wall time.

    The interrupt is a signal to the main thread, where a Ray actor runs its methods and the command
    line its hosts. A call into compiled code is interrupted when it returns to Python; one that
    never returns is ended with its process, after ``runtime.deadline_s``. In another thread, and
    where the system has no interval timers, nothing is interrupted.

    Args:
        seconds: The bound; 0 for none.

    Raises:
        TooLateError: In the body, when time is up.
    """
    main = threading.current_thread() is threading.main_thread()
    if seconds <= 0 or not main or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLateError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
