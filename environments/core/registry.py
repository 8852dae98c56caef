"""Components by name: built-in ones are imported when first used, users register their own.

A registry maps a name to a class. Built-in names are listed as ``"module:Class"`` strings so that
listing or starting the command line imports nothing heavy.

Example:
    >>> from environments.core.registry import Registry
    >>> animals = Registry("animal", {})
    >>> @animals.register("cat")
    ... class Cat:
    ...     '''A small carnivore.'''
    >>> animals.get("cat").__name__
    'Cat'
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from environments.core.errors import ConfigError, UnknownNameError


class Registry:
    """Named classes of one kind.

    Args:
        kind: What the entries are, in the singular (``"environment"``); used in messages.
        builtin: Name to ``"module:Class"``.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._lazy = dict(builtin)
        self._loaded: dict[str, type] = {}

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted({*self._lazy, *self._loaded})

    def shipped(self) -> list[str]:
        """Return the names of the built-in entries, sorted."""
        return sorted(self._lazy)

    def get(self, name: str, where: str = "") -> type:
        """Return the class registered under ``name``.

        Raises:
            UnknownNameError: With the nearest names, if there is none.
        """
        if name not in self._loaded:
            if name not in self._lazy:
                raise UnknownNameError(self.kind, name, self.names(), where)
            module, _, attribute = self._lazy[name].partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]

    def register(self, name: str) -> Callable[[type], type]:
        """Return a class decorator that registers the class under ``name``.

        Raises:
            ConfigError: If the name is taken by another class.
        """

        def decorate(cls: type) -> type:
            taken = self._loaded.get(name)
            same = taken is not None and taken.__qualname__ == cls.__qualname__
            if (taken is not None and not same) or (name in self._lazy and taken is None):
                raise ConfigError(
                    f"{self.kind} {name!r} is already registered; choose another name"
                )
            self._loaded[name] = cls
            return cls

        return decorate

    def describe(self, name: str) -> tuple[str, str]:
        """Return (first line of the docstring, ``source`` citation) of the class."""
        cls = self.get(name)
        first = (cls.__doc__ or "").strip().splitlines()
        return (first[0] if first else "", getattr(cls, "source", ""))
