"""The tables as written and the tables as migrated are the same."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hub.db import schema
from hub.db.engine import Database
from hub.db.tables import metadata


@pytest.mark.memory
async def test_migrations_lead_to_the_metadata(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        found: list[Any] = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), metadata
        )
        return found

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


def test_the_newest_revision_is_the_one_expected() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [schema.HEAD]
    for revision in script.walk_revisions():
        assert (schema.MIGRATIONS / "versions" / f"r{revision.revision}.py").exists()
