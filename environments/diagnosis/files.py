"""Nets from files: the packaged "Asia", JSON, and the Bayesian Interchange Format (BIF).

JSON, one object (``label`` and ``name`` of the net are optional)::

    {"name": "rain", "variables": [
        {"name": "rain", "states": ["yes", "no"], "table": [0.2, 0.8]},
        {"name": "grass", "states": ["wet", "dry"], "parents": ["rain"], "label": "the grass",
         "table": [[0.9, 0.1], [0.2, 0.8]]}]}

``table`` is nested by parents in order, then by the variable's own states. BIF is read by
`environments.diagnosis.bif`. Either way a malformed net is a `DataError` that names file and line.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from environments.core.errors import ConfigError, DataError
from environments.diagnosis.bayes_net import BayesNet
from environments.diagnosis.bif import read_bif
from environments.diagnosis.draft import Draft, Row, finish

PACKAGED = ("asia",)
"""Nets that ship with the package."""


def load_net(name: str) -> BayesNet:
    """Return a packaged net, or the net of a ``.json`` or ``.bif`` file.

    Raises:
        ConfigError: If the name is neither.
        DataError: If the file is missing, not text, or malformed (with its line).
    """
    if name in PACKAGED:
        file = resources.files("environments.diagnosis") / f"{name}.bif"
        return read_bif(file.read_text(encoding="utf-8"), f"{name}.bif")
    path = Path(name)
    readers = {".bif": read_bif, ".json": read_json}
    if path.suffix.lower() not in readers:
        raise ConfigError(
            f"net {name!r} is neither packaged ({', '.join(PACKAGED)}) nor a .bif or .json file"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "not UTF-8 text"
        raise DataError(f"cannot be read: {reason}", path) from None
    return readers[path.suffix.lower()](text, path)


def read_json(text: str, file: str | Path = "") -> BayesNet:
    """Return the net described by a JSON text.

    Raises:
        DataError: If it is malformed (with its line).
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as problem:
        raise DataError(f"not JSON: {problem.msg}", file, problem.lineno) from None
    except RecursionError:
        raise DataError("not a net: nested too deeply", file, 1) from None
    if not isinstance(data, dict) or not isinstance(data.get("variables"), list):
        raise DataError("expected an object with a list 'variables'", file, 1)
    _no_unknown(data, {"name", "variables"}, file, 1)
    drafts = []
    lines = _Lines(text)
    if isinstance(data.get("name"), str):
        lines.of(data["name"])  # the net may be called like one of its variables
    for number, entry in enumerate(data["variables"], start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise DataError(f"variable {number} is not an object with a text 'name'", file, 1)
        drafts.append(_draft(entry, file, lines.of(entry["name"])))
    return finish(drafts, file, str(data.get("name", "")))


def _draft(entry: dict[str, Any], file: str | Path, line: int) -> Draft:
    name = entry["name"]
    _no_unknown(entry, {"name", "states", "parents", "table", "label"}, file, line)
    for key in ("states", "parents"):
        value = entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise DataError(f"{name!r}: {key!r} must be a list of texts", file, line)
    if not isinstance(entry.get("label", ""), str):
        raise DataError(f"{name!r}: 'label' must be a text", file, line)
    draft = Draft(name, entry.get("states", []), line, entry.get("label", ""))
    if "table" in entry:
        draft.parents, draft.table_line = list(entry.get("parents", [])), line
        draft.rows = [Row(line, where, values) for where, values in _rows(entry["table"], ())]
        for row in draft.rows:
            numbers = isinstance(row.values, list) and all(map(_is_number, row.values))
            if not numbers or len(row.position) != len(draft.parents):
                raise DataError(
                    f"{name!r}: the table must be lists of numbers, nested one deep for each of "
                    f"{len(draft.parents)} parents and once for the states",
                    file,
                    line,
                )
    return draft


def _rows(table: Any, position: tuple[int, ...]) -> list[tuple[tuple[int, ...], Any]]:
    """Return the innermost lists of a nested table with their positions."""
    if isinstance(table, list) and table and all(isinstance(item, list) for item in table):
        return [row for i, item in enumerate(table) for row in _rows(item, (*position, i))]
    return [(position, table)]


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def _no_unknown(entry: dict, allowed: set[str], file: str | Path, line: int) -> None:
    strange = sorted(set(entry) - allowed)
    if strange:
        raise DataError(f"unknown field {strange[0]!r} ({', '.join(sorted(allowed))})", file, line)


class _Lines:
    """Where each variable is named: JSON keeps no lines, so its ``"name": …`` pairs are found."""

    def __init__(self, text: str) -> None:
        self._at: dict[str, list[int]] = {}
        for match in re.finditer(r'"name"\s*:\s*("(?:[^"\\]|\\.)*")', text):
            name, line = json.loads(match.group(1)), text.count("\n", 0, match.start()) + 1
            self._at.setdefault(name, []).append(line)

    def of(self, name: str) -> int:
        """Return the line of the next mention of a name; the last one stays."""
        at = self._at.get(name, [1])
        return at.pop(0) if len(at) > 1 else at[0]
