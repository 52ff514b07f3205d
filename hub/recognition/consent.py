"""Consent: append-only events per signer, and what they amount to at a moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import zip_longest


class Consent(StrEnum):
    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


OBJECTIONS = (Consent.REFUSED, Consent.WITHDRAWN)


INVENTED = "demo"
"""Signs for people who exist only in pictures that were drawn for the demo; nobody else may."""


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """Somebody signed something. `at` and `expires_at` are UTC; `order` breaks ties by arrival."""

    person: str
    signer: str
    state: Consent
    at: datetime
    order: int
    notice_version: str = ""
    expires_at: datetime | None = None


def standing(events: Iterable[ConsentEvent], now: datetime) -> Consent:
    """What one person's events amount to at `now`.

    Each signer's latest word counts; one objection vetoes (UK Protection of Freedoms Act 2012, s26); a grant
    past its expiry is as if it had never been given. An objection ends every grant that arrived before it, even
    one dated later: by a clock that ran ahead, say.
    """
    latest: dict[str, ConsentEvent] = {}
    for event in sorted(events, key=lambda event: (event.at, event.order)):
        if event.at > now:
            break
        before = latest.get(event.signer)
        if before and before.state in OBJECTIONS and event.state not in OBJECTIONS and event.order < before.order:
            continue
        latest[event.signer] = event
    states = {event.state for event in latest.values()}
    for objection in OBJECTIONS:
        if objection in states:
            return objection
    granted = any(
        event.state is Consent.GRANTED and (event.expires_at is None or now < event.expires_at)
        for event in latest.values()
    )
    return Consent.GRANTED if granted else Consent.PENDING


def stood(events: Iterable[ConsentEvent], since: datetime, until: datetime) -> bool:
    """Whether consent was granted all through [since, until], as the events say now."""
    said = list(events)
    changes = {moment for event in said for moment in (event.at, event.expires_at) if moment and since < moment < until}
    return all(standing(said, moment) is Consent.GRANTED for moment in (since, *changes, until))


def spans(events: Iterable[ConsentEvent]) -> list[tuple[datetime, datetime | None]]:
    """When `standing` is granted, as the events say now: from a moment until before another, or for good (None).

    Ascending; one may end where the next begins.
    """
    said = list(events)
    changes = sorted({moment for event in said for moment in (event.at, event.expires_at) if moment})
    return [
        (since, until) for since, until in zip_longest(changes, changes[1:]) if standing(said, since) is Consent.GRANTED
    ]


def invented(events: Iterable[ConsentEvent]) -> bool:
    """Whether these are the events of somebody invented: recognised on demo cameras, and on no other."""
    return any(event.signer == INVENTED for event in events)


def next_change(events: Iterable[ConsentEvent], now: datetime) -> datetime | None:
    """When `standing` may next say something else without a new event: an expiry, or an event dated ahead."""
    moments = [moment for event in events for moment in (event.at, event.expires_at) if moment and moment > now]
    return min(moments, default=None)
