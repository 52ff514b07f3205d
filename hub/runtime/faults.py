"""What an exception of a plugin means to the hub, and how it is said in one line."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from hub.plugin import NeedsHuman, NotReady, Permanent, PluginError

LONGEST_SUMMARY = 200
"""Characters: a library may put a whole response into its message."""

_CREDENTIALS = re.compile(r"//[^/\s@]+@")


class PluginFault(NotReady):
    """The plugin broke its promises: raised something undeclared, returned garbage or hung.

    Retried like any NotReady; told apart so that a caller may stop offering the input that provokes it.
    """


def summary(error: BaseException) -> str:
    """One line for people: type, message and place; no URL credentials, and no path an OSError carries."""
    text = error.strerror or "" if isinstance(error, OSError) else str(error)
    text = _CREDENTIALS.sub("//***@", text.strip().partition("\n")[0])[:LONGEST_SUMMARY]
    line = type(error).__name__ + (f": {text}" if text else "")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{line} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else line


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
