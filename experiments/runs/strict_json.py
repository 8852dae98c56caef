"""JSON as runs write it: sorted keys, no NaN, one clear line when a value does not fit."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from environments.core.errors import RunError


def to_plain(value: Any, where: str = "") -> Any:
    """Return a value made of JSON's own types.

    Numpy scalars and arrays, enumerations and paths are converted.

    Args:
        value: Anything.
        where: Name of the value, for the error.

    Raises:
        RunError: If a number is not finite (write null and the reason beside it) or a type has no
            JSON form; names the key.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RunError(f"{where}: {value} cannot be written as JSON; give null and a reason")
        return value
    if isinstance(value, Mapping):
        return {str(k): to_plain(v, f"{where}.{k}" if where else str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    raise RunError(f"{where}: a {type(value).__name__} cannot be written as JSON")


def encode(value: Any, where: str, indent: int | None = None) -> bytes:
    """Return a value as UTF-8 JSON with sorted keys and a final newline; see `to_plain`."""
    plain = to_plain(value, where)
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(plain, sort_keys=True, allow_nan=False, indent=indent, separators=separators)
    return text.encode() + b"\n"
