"""What can go wrong between the hub and its database, in words for the person who can mend it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout

from hub.failure import Failure


class DatabaseError(Failure):
    """The database cannot be used as it is."""


class DatabaseTooNew(DatabaseError):
    """A newer FRAS has written this database; this one would damage it."""


class DatabaseBehind(DatabaseError):
    """An older FRAS has written this database, or none yet; the hub brings it up to date when it starts."""


class DatabaseInUse(DatabaseError):
    """Another hub runs on it."""


class DatabaseFull(DatabaseError):
    """No room to write; nothing of the transaction was kept, and it may be tried again."""


_AGAIN = "try again; frames that cameras bring come again by themselves"

_SAYINGS: tuple[tuple[str, type[DatabaseError], str, str], ...] = (
    ("SQLITE_FULL", DatabaseFull, "has no room left on its disk", f"free some space, then {_AGAIN}"),
    (
        "SQLITE_BUSY",
        DatabaseError,
        "is being written by another program",
        "wait for the other fras command to finish, then try again",
    ),
    (
        "SQLITE_NOTADB",
        DatabaseError,
        "is not a database, or it is damaged",
        "restore a backup of it, or move the file away to begin anew",
    ),
    (
        "SQLITE_CORRUPT",
        DatabaseError,
        "is damaged",
        "stop the hub and restore a backup of it (fras restore)",
    ),
    (
        "SQLITE_READONLY",
        DatabaseError,
        "may not be written",
        "give the user that runs fras write access to the file and its folder",
    ),
    (
        "SQLITE_CANTOPEN",
        DatabaseError,
        "cannot be opened",
        "check that its folder exists and that the user that runs fras may read and write there",
    ),
    (
        "SQLITE_IOERR",
        DatabaseError,
        "cannot be read or written: the disk reports an error",
        "check the disk and its free space",
    ),
)


_STATES: tuple[tuple[str, type[DatabaseError], str, str], ...] = (
    ("28P01", DatabaseError, "refuses this user or password", "correct the URL at hub: database:"),
    (
        "28",
        DatabaseError,
        "does not let this user in from this machine",
        "check the user at hub: database:, and that pg_hba.conf on its server has a line for this machine",
    ),
    ("3D000", DatabaseError, "does not exist on its server", "create it: createdb -O USER NAME"),
    ("42501", DatabaseError, "does not let this user do what FRAS needs", "make the user the database's owner"),
    ("40", DatabaseError, "was being changed by another program at the same time", _AGAIN),
    (
        "55P03",
        DatabaseError,
        "is being written by another program",
        "wait for the other fras command to finish, then try again",
    ),
    ("53100", DatabaseFull, "has no room left on its disk", f"free some space, then {_AGAIN}"),
    ("53300", DatabaseError, "has no connection left for FRAS", "raise max_connections on its server"),
    ("25006", DatabaseError, "may only be read: its server is a standby", "name the primary at hub: database:"),
    ("57P0", DatabaseError, "is being stopped or started by its server", _AGAIN),
    ("08", DatabaseError, "has lost its connection", f"see whether its server runs, then {_AGAIN}"),
)
"""By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), or how it begins."""


_CERTIFICATES = dict.fromkeys(
    (62, 64), "write the host at hub: database: as its certificate has it, or give it a certificate for that name"
) | {10: "give it a new certificate", 9: "set the clock of this machine, or wait until its certificate begins"}
"""What to do about a certificate, by OpenSSL's code (X509_V_ERR_* in x509_vfy.h)."""
_AUTHORITY = (
    "put the certificate of the authority that signed its own into ~/.postgresql/root.crt of the hub's user, "
    "or into the file that PGSSLROOTCERT names"
)


def unreachable(error: Exception, name: str) -> DatabaseError:
    """A server that cannot be talked to: it does not answer, is not to be trusted, or has no connection to give."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return DatabaseError(
            f"the server of the database {name} is not to be trusted: {error.verify_message.rstrip('.')}",
            hint=_CERTIFICATES.get(error.verify_code, _AUTHORITY),
        )
    if isinstance(error, FileNotFoundError) and (file := os.environ.get("PGSSLROOTCERT")) and not Path(file).exists():
        return DatabaseError(
            f"there is no certificate {file}, as the environment's PGSSLROOTCERT says, for the database {name}",
            hint="put the certificate of the authority there that signed the server's, or correct PGSSLROOTCERT",
        )
    if "rejected SSL upgrade" in str(error):  # asyncpg's words
        return DatabaseError(
            f"the server of the database {name} does not speak TLS",
            hint="give it a certificate and ssl = on in its postgresql.conf, or correct ?ssl= at hub: database:",
        )
    if isinstance(error, SQLAlchemyTimeout):
        return DatabaseError(
            f"the database {name} is overburdened: no connection to it was free in time",
            hint=f"look at what else its server does, then {_AGAIN}",
        )
    said = getattr(error, "strerror", None) or ("no answer in time" if isinstance(error, TimeoutError) else str(error))
    if isinstance(error, ConnectionError) and error.errno:
        said = os.strerror(error.errno)  # asyncio's own words are those of a programmer
    return DatabaseError(
        f"the database {name} cannot be reached: {said}",
        hint="check the host and port at hub: database:, and that the server runs and lets this machine in",
    )


def explain(error: DBAPIError, name: str) -> DatabaseError:
    """The failure to show for `error` of the database called `name`; holds no SQL and no values."""
    cause = getattr(error.orig, "sqlite_errorname", "")
    for prefix, kind, fact, hint in _SAYINGS:
        if cause.startswith(prefix):
            return kind(f"the database {name} {fact}", hint=hint)
    state = getattr(error.orig, "sqlstate", None) or ""
    for prefix, kind, fact, hint in _STATES:
        if state.startswith(prefix):
            return kind(f"the database {name} {fact}", hint=hint)
    said = error.orig.__cause__ if error.orig else None
    if type(said).__name__ == "ClientConfigurationError":  # asyncpg's, about its own options
        return DatabaseError(
            f"the database {name} cannot be reached as its URL says: {str(said).splitlines()[0]}",
            hint=_AUTHORITY if "root certificate" in f"{said}" else "correct what follows the ? at hub: database:",
        )
    return DatabaseError(
        f"the database {name} refused: {type(error.orig).__name__} {cause or state}".rstrip(),
        hint="see whether it is running and reachable, then try again",
    )
