"""The order of the suite, and its examples: the same in every run.

Files with slow tests come first, so that no process ends alone with them; hypothesis draws the same
examples every time, so that a run that fails fails again. What a file imports as a user's module is
forgotten after it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
import pytest

from environments.core import modules

hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.load_profile("fixed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that hold slow tests first; within a file, and among the others, nothing moves."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@contextmanager
def users_modules_forgotten() -> Iterator[None]:
    """Forget, at the end, which modules of users were imported inside.

    Hosts in other processes import what this one has imported: a module of another file of tests,
    whose folder is no longer on the path, would keep them from starting.
    """
    before = modules.allowed_modules()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modules, "_allowed", [*before])
        patch.setattr(sys, "path", [*sys.path])
        yield
        for name in set(modules.allowed_modules()) - set(before):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module", autouse=True)
def _users_modules() -> Iterator[None]:
    with users_modules_forgotten():
        yield
