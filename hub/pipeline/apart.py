"""A picture on which the recogniser fails costs no other picture its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from hub.pipeline.members import GREY
from hub.plugin import Picture
from hub.runtime.faults import PluginFault

T = TypeVar("T")


async def apart(
    look: Callable[[Sequence[Picture]], Awaitable[Sequence[T]]], pictures: Sequence[Picture]
) -> list[T | str]:
    """What `look` gives for each picture, or the sentence that says why it fails on that one.

    Raises what `look` raises when it is to blame itself: when it fails on a grey picture, too.
    """
    if not pictures:
        return []
    try:
        return list(await look(pictures))
    except PluginFault as fault:
        if len(pictures) == 1:
            await look([GREY])
            return [f"the recogniser fails on it ({fault.message})"]
    return [result for picture in pictures for result in await apart(look, [picture])]
