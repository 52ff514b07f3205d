"""What a storage's keys look like, for those who write storages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

KEY_SEGMENT: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


def key_parts(key: str) -> Sequence[str]:
    """The segments of `key`. Raises ValueError for what is not a key."""
    parts = key.split("/")
    if not all(KEY_SEGMENT.fullmatch(part) and part not in (".", "..") for part in parts):
        raise ValueError(f"{key!r} is not a storage key")
    return parts


def is_key(text: str) -> bool:
    try:
        key_parts(text)
    except ValueError:
        return False
    return True
