"""What holds for every committed file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pathspec import PathSpec

ROOT = Path(__file__).parents[1]
# Written so that this file passes its own test.
INDEX_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("files", "pythonhosted", "org"),
        ("pythonhosted", "org"),
        ("piwheels", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("conda", "anaconda", "org"),
        ("index", "crates", "io"),
        ("proxy", "golang", "org"),
    )
]


def ours() -> list[Path]:
    ignored = PathSpec.from_lines("gitignore", [".git", *(ROOT / ".gitignore").read_text().splitlines()])
    return [ROOT / path for path in ignored.match_tree_files(ROOT, negate=True)]


def test_no_file_names_a_package_registry() -> None:
    """Schools install from mirrors and caches; a host in a lock file would bypass them."""
    files = ours()
    assert ROOT / "requirements" / "run.txt" in files
    for path in files:
        content = path.read_bytes().lower()
        for host in INDEX_HOSTS:
            assert host.encode() not in content, f"{path.relative_to(ROOT)} names {host}"


def test_no_file_is_large() -> None:
    """Photographs, models and databases do not belong into the repository."""
    for path in ours():
        assert path.stat().st_size < 500_000, f"{path.relative_to(ROOT)} has {path.stat().st_size} bytes"


@pytest.mark.parametrize(
    "script", ["scripts/install", "scripts/find-python", "scripts/lock", "scripts/smoke", "scripts/services", ".ci/run"]
)
def test_scripts_are_executable_and_posix(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111 == 0o111
    assert path.read_text().startswith("#!/bin/sh\n")
