"""What of a plugin's section of hub.yaml must never be shown."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote

import pytest

SHORTEST = 4
"""Characters; anything shorter turns up by chance."""

_PRIVATE = re.compile("pass|pwd|secret|token|key|credential", re.IGNORECASE)
_LOGIN = re.compile(r"//[^/@:]*:([^/@]+)@")
_LOCAL = re.compile(r"(?<![\w.])(127\.0\.0\.1|localhost|\[::1\]):\d+")


def secrets_of(config: Mapping[str, Any]) -> frozenset[str]:
    """Values whose key speaks of a password, a secret, a token or a key, and passwords in URLs; as they are written,
    decoded and percent-encoded."""
    found = {text for text in _private(config) if len(text) >= SHORTEST}
    return frozenset(form for text in found for form in (text, unquote(text), quote(text, safe="")))


def shown(secrets: frozenset[str], *texts: str) -> bool:
    """Whether any of `texts` holds a secret."""
    return any(secret in text for secret in secrets for text in texts)


@contextmanager
def no_secret_is_logged(secrets: frozenset[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails when a log line, of any level and library, shows one of `secrets`; with a traceback where it has one."""
    begin = len(caplog.records)
    with caplog.at_level(logging.DEBUG):
        yield
    for record in caplog.records[begin:]:
        assert not shown(secrets, logging.Formatter().format(record)), f"{record.name} logged a secret"


def where_nobody_is(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """`config` with the ports of this machine that it names replaced by one where nobody listens; None without any."""
    moved: dict[str, Any] = {
        key: _LOCAL.sub(r"\1:1", value) if isinstance(value, str) else value for key, value in config.items()
    }
    return moved if moved != dict(config) else None


def _private(value: object, private: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _private(inner, private or bool(_PRIVATE.search(str(key))))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _private(inner, private)
    elif isinstance(value, str):
        yield from [value] if private else _LOGIN.findall(value)
