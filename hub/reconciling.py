"""What a recogniser with a gallery of its own holds, compared with consent: nobody stays there without it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hub.db import consent
from hub.db.engine import Database
from hub.plugin import Clock, Identifier


@dataclass(frozen=True, slots=True)
class Drift:
    """`forgotten` were held without standing consent and are deleted; `missing` consented, and are to be enrolled
    there again."""

    forgotten: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


async def reconcile(database: Database, identifier: Identifier, expected: Collection[str], clock: Clock) -> Drift:
    """Deletes from the remote gallery whoever may not be in it; `expected` are those whom the hub enrolled there.

    Broken off, it can simply be repeated. Raises PluginError and DatabaseError.
    """
    held = await identifier.people()
    # Asked afterwards: whoever consents and is enrolled meanwhile is not in `held`.
    async with database.read() as connection:
        granted = await consent.granted(connection, {*held, *expected}, clock.now())
        allowed = granted - await consent.invented(connection)
    surplus = sorted(set(held) - allowed)
    for person in surplus:
        await identifier.forget(person)
    return Drift(tuple(surplus), tuple(sorted(set(expected) & allowed - set(held))))
