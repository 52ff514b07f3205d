"""How alembic runs a migration here: on the connection it is given, inside that connection's transaction."""

from alembic import context

from hub.db.collation import compare_bytes
from hub.db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
    compare_bytes(connection)
