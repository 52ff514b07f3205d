"""What an exception of a plugin means to the hub, and how it is said in one line."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from config.secret import MASK
from hub.plugin import NeedsHuman, NotReady, Permanent, PluginError

LONGEST_SUMMARY = 200
"""Characters: a library may put a whole response into its message."""

_URL = re.compile(r"(\W*(?:\w[\w+.-]*:)?//)?(\S+)")
_DELIMITERS = re.compile("[/?#=]")
_BEHIND = re.compile("(?<=[?#=]).+")
PRIVATE = re.compile("pass|pwd|secret|token|key|credential|signature", re.IGNORECASE)
"""In the name of what holds a secret."""


class PluginFault(NotReady):
    """The plugin broke its promises: raised something undeclared, returned garbage or hung.

    Retried like any NotReady; told apart so that a caller may stop offering the input that provokes it.
    """


def summary(error: BaseException) -> str:
    """One line for people: type, message and place; nothing secret of a URL, and no path an OSError carries."""
    text = error.strerror or "" if isinstance(error, OSError) else str(error)
    text = masked(text.strip().partition("\n")[0])[:LONGEST_SUMMARY]
    line = type(error).__name__ + (f": {text}" if text else "")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{line} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else line


def masked(text: str) -> str:
    """`text` without what may be a password: logins of URLs, and whatever follows a `?`, `#` or `=` in one.

    Where an `@` may belong to the login or to what follows the host, nothing but the scheme is left.
    """
    return re.sub(r"\S+", _masked_word, text)


def _masked_word(word: re.Match[str]) -> str:
    found = _URL.fullmatch(word[0])
    if found is None:
        return word[0]
    scheme, rest = found[1] or "", found[2]
    login, at, place = rest.rpartition("@")
    if at and (scheme or ":" in login):
        return scheme + (MASK if _DELIMITERS.search(login) else f"{MASK}@{_BEHIND.sub(MASK, place)}")
    if scheme or "?" in rest or PRIVATE.search(rest.partition("=")[0]):
        return scheme + _BEHIND.sub(MASK, rest)
    return word[0]


def meaning(error: BaseException) -> PluginError:
    """`error` itself where it is one of ours, of a group the gravest part, anything else as a PluginFault."""
    if isinstance(error, BaseExceptionGroup):
        return max((meaning(part) for part in error.exceptions), key=_gravity)
    if isinstance(error, PluginError):
        return error
    return PluginFault(
        f"fault of the plugin: {summary(error)}", hint="the hub tries again; report it to the plugin's author"
    )


def _gravity(error: PluginError) -> int:
    return 2 if isinstance(error, Permanent) else 1 if isinstance(error, NeedsHuman) else 0
