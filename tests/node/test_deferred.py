"""Imports put off, of a library and a module that imports it, both written here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.deferred import deferred


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that imports `large_library` at its top."""
    (tmp_path / "large_library.py").write_text("size = 45\n")
    (tmp_path / "its_user.py").write_text("import large_library\n\ndef size():\n    return large_library.size\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "its_user"
    for name in ("its_user", "large_library"):
        sys.modules.pop(name, None)


def test_loaded_by_the_first_use_and_not_before(user: str) -> None:
    with deferred("large_library"):
        module = importlib.import_module(user)
    assert "large_library" not in sys.modules
    assert module.size() == 45
    assert module.size() == 45
    assert sys.modules["large_library"].size == 45


def test_what_is_used_while_it_is_put_off_is_loaded_at_once(user: str) -> None:
    with deferred("large_library"):
        assert importlib.import_module(user).size() == 45
    assert sys.modules["large_library"].size == 45


def test_what_is_loaded_stays(user: str) -> None:
    loaded = importlib.import_module("large_library")
    with deferred("large_library"):
        assert importlib.import_module(user).large_library is loaded
    assert sys.modules["large_library"] is loaded


def test_a_library_that_is_not_there_is_missed_when_it_is_used(user: str, tmp_path: Path) -> None:
    (tmp_path / "large_library.py").unlink()
    with deferred("large_library"):
        module = importlib.import_module(user)
    with pytest.raises(ModuleNotFoundError):
        module.size()
