"""Optional packages: imported when they are needed, and named where they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from environments.core.errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Its dotted name.
        extra: The extra of ours that brings it.

    Raises:
        MissingExtraError: Saying which extra to install, if it is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise MissingExtraError(module, extra) from None
