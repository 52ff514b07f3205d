"""scripts/find-python: which interpreter set-up takes, and what it says when none will do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find-python"


def interpreter(folder: Path, name: str, version: str, problem: str = "ok") -> str:
    """Puts a stand-in into `folder` that answers find-python's examination as such an interpreter would."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s\\t%s\\t%s\\n' '{version}' '{path}' '{problem}'\n")
    path.chmod(0o755)
    return str(path)


def find(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)} | environment
    return subprocess.run(["/bin/sh", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_fit_python3_is_taken_before_others(tmp_path: Path) -> None:
    chosen = interpreter(tmp_path / "bin", "python3", "3.11")
    interpreter(tmp_path / "bin", "python3.13", "3.13")
    assert find(tmp_path).stdout.strip() == chosen


def test_an_old_python3_gives_way_to_a_newer_one(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "python3", "3.9", "older than 3.11")
    chosen = interpreter(tmp_path / "bin", "python3.12", "3.12")
    assert find(tmp_path).stdout.strip() == chosen


def test_a_very_new_python3_is_taken_only_without_an_alternative(tmp_path: Path) -> None:
    newest = interpreter(tmp_path / "bin", "python3", "3.16")
    assert find(tmp_path).stdout.strip() == newest
    settled = interpreter(tmp_path / "bin", "python3.11", "3.11")
    assert find(tmp_path).stdout.strip() == settled


def test_pyenv_interpreters_outside_path_are_found(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "python3", "3.11")
    kept = interpreter(tmp_path / ".pyenv" / "versions" / "3.13.0" / "bin", "python3", "3.13")
    assert find(tmp_path, "3.13").stdout.strip() == kept


def test_an_exact_version_that_is_absent_is_silence_and_1(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "python3", "3.11")
    result = find(tmp_path, "3.13")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")


def test_a_shim_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    shim = Path(interpreter(tmp_path / "bin", "python3", "3.11"))
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    chosen = interpreter(tmp_path / "bin", "python3.11", "3.11")
    assert find(tmp_path).stdout.strip() == chosen


def test_without_any_each_refusal_and_the_next_step_are_named(tmp_path: Path) -> None:
    old = interpreter(tmp_path / "bin", "python3", "3.9", "older than 3.11")
    bare = interpreter(tmp_path / "bin", "python3.12", "3.12", "lacks its module sqlite3")
    result = find(tmp_path)
    assert result.returncode == 1
    assert f"{old} is Python 3.9: older than 3.11" in result.stderr
    assert f"{bare} is Python 3.12: lacks its module sqlite3" in result.stderr
    assert "make install PYTHON=" in result.stderr


@pytest.mark.smoke
def test_python_overrides_the_search(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "python3", "3.11")
    assert find(tmp_path, PYTHON=sys.executable).stdout.strip() == sys.executable


def test_an_unfit_override_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "python3", "3.11")
    result = find(tmp_path, PYTHON="/nowhere/python3")
    assert result.returncode == 1
    assert "PYTHON=/nowhere/python3 is not a Python that FRAS can use" in result.stderr
    assert "does not start" in result.stderr
