"""Checkouts to install from: this one, and one that is a release further."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.fras import ROOT

PARTS = ("config", "deploy", "docs", "hub", "node", "plugins", "requirements", "scripts")
FILES = ("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "hub.yaml", "pyproject.toml")
FURTHER = "9001"
"""The schema of `next_release`."""

MIGRATION = """
from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = "{before}"


def upgrade():
    op.create_table("further", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("people", sa.Column("further", sa.String()))
"""


def checkout(target: Path) -> Path:
    """A copy of what `scripts/service` installs."""
    target.mkdir(parents=True)
    for name in PARTS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, target / name)
    return target


def next_release(target: Path, version: str = "9.1.0") -> Path:
    """One whose database has a schema that this one does not know."""
    checkout(target)
    _change(target / "pyproject.toml", r'^version = ".*"', f'version = "{version}"')
    schema = target / "hub/db/schema.py"
    found = re.search(r'^HEAD = "(\w+)"', schema.read_text(), re.MULTILINE)
    assert found
    _change(schema, r'^HEAD = "\w+"', f'HEAD = "{FURTHER}"')
    migration = MIGRATION.format(revision=FURTHER, before=found[1])
    (target / f"hub/db/migrations/versions/r{FURTHER}.py").write_text(migration)
    return target


def broken_release(target: Path, version: str = "9.2.0") -> Path:
    """A `next_release` whose hub never runs, though its configuration is fine."""
    next_release(target, version)
    works = target / "hub/works.py"
    works.write_text(
        works.read_text() + "\n\ndef open_works(*_, **__):\n    raise OSError(5, 'this release is broken')\n"
    )
    return target


def _change(file: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, file.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, file
    file.write_text(text)
