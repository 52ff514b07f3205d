"""Texts are compared by their bytes in every database, as SQLite does, in whatever language a server's was made.

So lists begin and go on in the same order everywhere, and no update of the server's system changes an order that its
indices rest on. Names are put into order for people by `hub.overview.order`.

Only FRAS's own tables are touched. PostgreSQL changes no column that somebody's view needs; such a one keeps its order,
and queries stand in either, since the server's default gives way to "C" wherever the two meet. To make the view anew
here would take its owner, its rights and what rests on it in turn, which are not FRAS's.
"""

from __future__ import annotations

import logging
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, text

from .tables import metadata

logger = logging.getLogger("fras.database")

BYTES: Final = "C"
"""PostgreSQL's name of this order."""

_OURS: Final = (*metadata.tables, "alembic_version", "template_vectors")

_OTHERS: Final = text("""
    SELECT relname, attname, format_type(atttypid, atttypmod), ARRAY(
        SELECT DISTINCT pg_describe_object(
            CASE WHEN ev_class IS NULL THEN classid ELSE CAST('pg_class' AS regclass) END, coalesce(ev_class, objid), 0)
        FROM pg_depend LEFT JOIN pg_rewrite ON classid = CAST('pg_rewrite' AS regclass) AND pg_rewrite.oid = objid
        WHERE refclassid = CAST('pg_class' AS regclass) AND refobjid = attrelid AND refobjsubid = attnum
            AND classid NOT IN (CAST('pg_class' AS regclass), CAST('pg_constraint' AS regclass),
                CAST('pg_attrdef' AS regclass), CAST('pg_statistic_ext' AS regclass))
    )
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE nspname = current_schema() AND relkind = 'r' AND relname = ANY(CAST(:ours AS text[]))
        AND attnum > 0 AND NOT attisdropped
        AND atttypid IN (CAST('varchar' AS regtype), CAST('text' AS regtype)) AND collname <> 'C'
    ORDER BY relname, attnum
""")
"""Columns, and what keeps each from being changed: not its indices, constraints, defaults and statistics."""


def compare_bytes(connection: Connection) -> None:
    """Has every text of FRAS's in a server's database compared so, also those of tables a migration has just made.

    What somebody's view keeps as it is is logged.
    """
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    found = connection.execute(_OTHERS, {"ours": list(_OURS)}).all()
    for table, columns in groupby(found, lambda column: column[0]):
        changes, holding = [], set[str]()
        for _, name, kind, users in columns:
            holding.update(users)
            if not users:
                changes.append(f'ALTER {quote(name)} TYPE {kind} COLLATE "{BYTES}"')
        if changes:
            connection.exec_driver_sql(f"ALTER TABLE {quote(table)} {', '.join(changes)}")
        if holding:
            logger.warning(
                "texts of the database's table %s stay in the order of its server's language, so that lists may come "
                "in another than elsewhere, because of %s: drop that, start FRAS, make it again",
                table,
                ", ".join(sorted(holding)),
            )
