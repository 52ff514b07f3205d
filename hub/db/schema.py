"""Which schema a database has, and bringing it to the one this FRAS knows. Alembic is imported only to migrate."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from .errors import DatabaseBehind, DatabaseError, DatabaseTooNew
from .servers import refuse_unfit

HEAD = "0009"
"""The newest revision in `migrations/versions`; a test holds the two together."""

MIGRATIONS = Path(__file__).parent / "migrations"


def revision(connection: Connection, name: str) -> str | None:
    """The revision of the schema, None for an empty database. Raises DatabaseError for somebody else's."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return str(found) if found is not None else None
    if tables:
        raise DatabaseError(
            f"the database {name} was not made by FRAS", hint="name another file in hub.yaml, at hub: database:"
        )
    return None


def refuse_occupied(connection: Connection, name: str) -> None:
    """Raises DatabaseError unless the database has no tables."""
    if inspect(connection).get_table_names():
        raise DatabaseError(
            f"the database {name} is not empty",
            hint="nothing was changed; name a new file, or a database that was just created",
        )


def verify(connection: Connection, name: str) -> None:
    """Raises DatabaseError unless the schema is the one this FRAS knows."""
    found = revision(connection, name)
    if found == HEAD:
        return
    if found is None:
        refuse_unfit(connection, name)
        raise DatabaseBehind(f"the database {name} holds no school yet", hint="start the hub once with fras run")
    refuse_unknown(connection, found, name)
    raise DatabaseBehind(
        f"the database {name} is at schema {found}, this FRAS needs {HEAD}",
        hint="run fras run once, which brings it up to date",
    )


def known(found: str) -> bool:
    """Whether this FRAS has heard of the revision."""
    return found.isalnum() and (MIGRATIONS / "versions" / f"r{found}.py").exists()


def refuse_unknown(connection: Connection, found: str | None, name: str) -> None:
    """Raises DatabaseTooNew for a revision that this FRAS has never heard of."""
    if found is None or known(found):
        return
    raise DatabaseTooNew(
        f"the database {name} is at schema {found}, newer than the {HEAD} this FRAS knows",
        hint="install the newer FRAS again, or restore a backup made before the upgrade",
    )


def upgrade(connection: Connection, to: str = "head") -> None:
    """Runs the missing migrations inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def forget_copies(file: Path, before: datetime) -> None:
    """Removes copies that were made before that moment: what is erased must not stay in them."""
    for copy in file.parent.glob(f"{file.name}.before-*"):
        with suppress(FileNotFoundError):
            if copy.stat().st_mtime < before.timestamp():
                copy.unlink()


def copy_file(file: Path) -> Path:
    """Copies a SQLite database, consistently even while it is in use; earlier copies go, so that only one is kept."""
    copy = file.with_name(f"{file.name}.before-{HEAD}")
    for earlier in file.parent.glob(f"{file.name}.before-*"):
        earlier.unlink()
    copy.touch(mode=0o600)
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy
