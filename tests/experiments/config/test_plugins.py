"""Modules of users: imported by name, from the current folder, and forgotten between test files."""

import sys

import pytest

from environments.core.errors import ConfigError
from environments.core.modules import allowed_modules
from experiments.config.plugins import import_modules
from tests.conftest import users_modules_forgotten


def test_a_module_is_found_in_the_current_folder_and_forgotten_with_its_file(tmp_path, monkeypatch):
    (tmp_path / "users_own.py").write_text("number = 5\n")
    monkeypatch.chdir(tmp_path)
    before, path = allowed_modules(), [*sys.path]
    with users_modules_forgotten():
        import_modules(["users_own"])
        assert allowed_modules() == (*before, "users_own")
        assert sys.modules["users_own"].number == 5 and sys.path == [*path, str(tmp_path)]
    assert allowed_modules() == before and "users_own" not in sys.modules and sys.path == path
    monkeypatch.chdir("/")
    with pytest.raises(ConfigError, match="--import users_own: no such module on the import path"):
        import_modules(["users_own"])
