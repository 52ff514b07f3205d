"""What a recogniser with a gallery of its own holds, compared with consent: nobody stays there without it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

from hub.db import consent
from hub.db.engine import Database
from hub.plugin import Clock, Identifier, NotReady

IN_A_ROW = 3
"""Failures after which it is not somebody, but the service, that is to blame."""


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
    await do_all(partial(identifier.forget, person) for person in surplus)
    return Drift(tuple(surplus), tuple(sorted(set(expected) & allowed - set(held))))


async def do_all(tasks: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Does all of them, in order: one that fails holds up no other.

    Raises PluginError: in the end what failed first, or at once where it goes on failing or a person has to help.
    """
    problem: NotReady | None = None
    in_a_row = 0
    for task in tasks:
        try:
            await task()
            in_a_row = 0
        except NotReady as error:
            problem = problem or error
            in_a_row += 1
            if in_a_row == IN_A_ROW:
                break
    if problem is not None:
        raise problem
