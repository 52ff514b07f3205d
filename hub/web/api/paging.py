"""Pages of a list: each says where the next one begins, so that what is added meanwhile shifts nothing."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from hub.db.people import is_text
from hub.web.problems import Problem

from .shapes import Between, Text, plain

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Paged:
    """What every list takes."""

    limit: Annotated[int, Between(1, 500), "How many items at most."] = 100
    after: Annotated[str | None, Text(600, r"[A-Za-z0-9_-]+"), "`next` of the page before."] = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, in a stable order."""

    items: tuple[T, ...]
    next: Annotated[str | None, "Where the next page begins, for `after`; null on the last."]


def page(rows: Sequence[R], limit: int, key: Callable[[R], tuple[Any, ...]], item: Callable[[R], T]) -> Page[T]:
    """The page made of up to `limit` rows; asking the database for one more says whether there is a next."""
    shown = rows[:limit]
    return Page(tuple(item(row) for row in shown), _cursor(key(shown[-1])) if len(rows) > limit else None)


def _cursor(key: tuple[Any, ...]) -> str:
    return urlsafe_b64encode(json.dumps(plain(key), separators=(",", ":")).encode()).decode().rstrip("=")


def position(after: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The key that `after` stands for, of these kinds (str, datetime). Raises Problem for anything else."""
    if after is None:
        return None
    try:
        parts = json.loads(urlsafe_b64decode(after.encode("ascii") + b"=" * (-len(after) % 4)))
        return tuple(_part(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, TypeError, RecursionError, OverflowError, binascii.Error):
        raise Problem(400, "after is not a page's `next`", hint="leave it out to begin at the first page") from None


def _part(part: Any, kind: type) -> Any:
    if not isinstance(part, str) or not is_text(part):
        raise ValueError
    if kind is not datetime:
        return part
    moment = datetime.fromisoformat(part)
    if moment.utcoffset() is None:
        raise ValueError
    return moment.astimezone(UTC)
