"""Why the inbox does not take something, in words for the camera's side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hub.db.errors import DatabaseError, DatabaseFull
from hub.failure import Failure
from hub.plugin import NotReady
from hub.spool import NO_ROOM


class InboxFull(NotReady):
    """No room for the frame; nothing of it was kept, and the camera should deliver it again later."""


class InboxUnavailable(NotReady):
    """The frame could not be kept for another reason; the camera should deliver it again later."""


@contextmanager
def refusing() -> Iterator[None]:
    """Failures of the database as those of the inbox, which say that it may be tried again."""
    try:
        yield
    except DatabaseError as error:
        raise refusal(error) from error


def refusal(fault: Exception) -> Exception:
    """What the camera's side is told."""
    if isinstance(fault, DatabaseFull):
        return InboxFull(fault.message, hint=fault.hint)
    if isinstance(fault, Failure):
        return InboxUnavailable(fault.message, hint=fault.hint)
    if isinstance(fault, OSError):
        if fault.errno in NO_ROOM:
            return InboxFull("the inbox has no room left on its disk", hint="free some space; it is tried again")
        return InboxUnavailable(
            f"the inbox cannot be written: {fault.strerror}", hint="check the disk and the rights on the data folder"
        )
    return fault
