"""Importing a user's own components, on explicit request only.

Nothing in a configuration or a run directory names a module to import; a person does, on the
command line (``--import my_components``). The current folder is put *last* on the import path, so
that a folder called ``agents`` in it cannot take the place of ours.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable

from environments.core.errors import ConfigError, FacilitateError, UnknownNameError
from environments.core.modules import allow, allowed_modules


def import_modules(names: Iterable[str]) -> None:
    """Import modules that register components, and let configurations name their functions.

    Args:
        names: Dotted module names; found on the import path or in the current folder.

    Raises:
        ConfigError: There is no such module, or importing it failed.
    """
    for name in names:
        if name in allowed_modules():
            continue
        here = os.getcwd()
        if here not in sys.path and "" not in sys.path:
            sys.path.append(here)
        try:
            importlib.import_module(name)
        except FacilitateError as error:
            raise ConfigError(f"--import {name}: {error}") from error
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                raise ConfigError(
                    f"--import {name}: no such module on the import path or in {here} "
                    "(give a dotted module name, without .py)"
                ) from error
            raise ConfigError(f"--import {name}: it needs the module {error.name!r}") from error
        except Exception as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"--import {name}: {line}") from error
        allow(name)


def imported_class(module: str, attribute: str) -> type:
    """Return a class of a module that `import_modules` has imported.

    Raises:
        UnknownNameError: The module has no class of this name.
    """
    contents = vars(sys.modules[module])
    found = contents.get(attribute)
    if not isinstance(found, type):
        own = [name for name, value in contents.items() if isinstance(value, type)]
        raise UnknownNameError("class", attribute, own, f"module {module}")
    return found


def imported_modules() -> tuple[str, ...]:
    """Return the modules imported so far, so that hosts in other processes can do the same."""
    return allowed_modules()
