"""Which modules a person has named on the command line: only their functions may be called.

A scenario or a run directory can hold the text ``module:function``, but it cannot make us import
or call anything: the module must have been named by a person (``--import module``) or, in Python,
with `allow`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from environments.core.errors import ConfigError

_allowed: list[str] = []


def allow(module: str) -> None:
    """Let configurations name functions of a module that has been imported."""
    if module not in _allowed:
        _allowed.append(module)


def allowed_modules() -> tuple[str, ...]:
    """Return the modules allowed so far, so that hosts in other processes can do the same."""
    return tuple(_allowed)


def allowed_function(name: str, where: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names.

    Args:
        name: What a configuration says.
        where: The key that says it, for messages.

    Raises:
        ConfigError: If it has another form, or the module was not named by a person, or it has no
            such function.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ConfigError(f"{where}={name!r}; expected module:function")
    if module not in _allowed or module not in sys.modules:
        raise ConfigError(f"{where}={name!r}: import its module explicitly, with --import {module}")
    found = vars(sys.modules[module]).get(attribute)
    if not callable(found):
        raise ConfigError(f"{where}={name!r}: module {module} has no function {attribute!r}")
    return found
