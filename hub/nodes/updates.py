"""Whether a node's software is older than this hub's, and what to do about it. Nodes install nothing by themselves."""

from __future__ import annotations

import re
from typing import Final

from hub import __version__
from node.wire import Update

_RELEASE: Final = r"\d{1,9}(?:\.\d{1,9}){0,9}"
_OURS: Final = re.compile(f"fras-node ({_RELEASE})")
_NOTE: Final = (
    "make fras-node_{0}_all.deb with deploy/node/build-deb of FRAS {0}, and on the node: "
    "sudo apt install ./fras-node_{0}_all.deb"
)


def notice(software: str) -> Update | None:
    """What a node is told that says it runs `software`; nothing where that is no older, or not `fras-node`."""
    theirs, ours = _OURS.match(software), re.match(_RELEASE, __version__)
    if theirs is None or ours is None or _numbers(theirs[1]) >= _numbers(ours[0]):
        return None
    return Update(__version__, _NOTE.format(__version__))


def _numbers(release: str) -> list[int]:
    """Comparable: 1.2 and 1.2.0 are the same."""
    found = [int(number) for number in release.split(".")]
    while found and not found[-1]:
        found.pop()
    return found
