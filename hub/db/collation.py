"""Texts are compared by their bytes in every database, as SQLite does, in whatever language a server's was made.

So lists begin and go on in the same order everywhere, two databases can be compared row by row, and no update of the
server's system changes an order that its indices rest on. Names are put into order for people by `hub.overview.order`.
"""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import Connection, text

_OTHERS = text("""
    SELECT relname, attname, format_type(atttypid, atttypmod)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE nspname = current_schema() AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        AND atttypid IN (CAST('varchar' AS regtype), CAST('text' AS regtype)) AND collname <> 'C'
    ORDER BY relname, attnum
""")


def compare_bytes(connection: Connection) -> None:
    """Has every text of a server's database compared so, also those of tables that a migration has just made."""
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    for table, columns in groupby(connection.execute(_OTHERS).all(), lambda found: found[0]):
        changes = ", ".join(f'ALTER {quote(name)} TYPE {kind} COLLATE "C"' for _, name, kind in columns)
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} {changes}")
