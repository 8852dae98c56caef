"""The entry point: checks that our packages are ours, then hands over to `commands.app`.

It imports nothing of ours but `experiments.names`, because where another distribution has
overwritten one of our packages every other import may fail.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from experiments.names import complaint

_CHECKED = ("run", "resume", "doctor")
"""Commands that check the names at every start; others only if an import fails."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: Words after ``facilitate``; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    problem = complaint() if words and words[0] in _CHECKED else ""
    if not problem:
        try:
            from experiments.commands.app import start

            return start(words)
        except ImportError:
            problem = complaint()
            if not problem:
                raise
    print("error:", problem, file=sys.stderr, flush=True)
    return 2
