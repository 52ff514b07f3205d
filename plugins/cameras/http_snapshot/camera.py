"""The camera itself: one request a picture, and nothing while the picture stays the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from hub.plugin import CameraEvent, Config, NotReady, PluginContext
from hub.plugin.live import Proof, Shot, jpeg_shot, watch
from hub.plugin.media import Unreadable

from .door import Door, door

DAMAGED: Final = 3
"""Pictures in a row that may arrive damaged."""
LONGEST_PAUSE: Final = 1.0
"""Seconds before a damaged one is fetched anew."""


class SnapshotCamera:
    def __init__(self, config: Config, context: PluginContext, at: Door, first: Shot) -> None:
        self._config = config
        self._context = context
        self._door = at
        self._last = first
        self._waiting: Shot | None = first

    def events(self) -> AsyncIterator[CameraEvent]:
        every, still_every = self._config["every"], self._config["still_every"]
        return watch(self._context, self._take, every=every, still_every=still_every)

    async def _take(self) -> Shot:
        if self._waiting is not None:
            shot, self._waiting = self._waiting, None
            return shot
        self._last = await newest(self._door, self._context, self._config, self._last)
        return self._last


async def opened(config: Config, context: PluginContext) -> SnapshotCamera:
    """Raises as `Door.fetch`."""
    at = door(config, context)
    proof = await Proof.look(context, at.where.url)
    at.worked = proof.worked
    first = await newest(at, context, config, None)
    await proof.note()
    return SnapshotCamera(config, context, at, first)


async def probe(config: Config, context: PluginContext) -> str:
    at = door(config, context)
    image = await at.fetch()
    assert image is not None, "nothing was fetched before that it could be the same as"
    try:
        await context.run_blocking(jpeg_shot, context.clock.now(), image)
    except Unreadable as problem:
        raise _damaged(at, problem.reason) from None
    return f"{at.where.shown}: JPEG of {len(image) / 1000:.0f} kB"


async def newest(at: Door, context: PluginContext, config: Config, last: Shot | None) -> Shot:
    """The picture as it is now; raises NotReady when several in a row are damaged."""
    pause = min(config["every"].total_seconds(), LONGEST_PAUSE)
    for attempt in range(DAMAGED):
        if attempt:
            if last is None:  # still opening, which takes no longer than five minutes without a sign of life
                context.progress(f"{at.where.shown} sent a damaged picture; another is fetched")
            await context.clock.sleep(pause)
        image = await at.fetch()
        now = context.clock.now()
        if image is None and last is not None:
            return Shot(now, last.glimpse, last.jpeg)
        try:
            return await context.run_blocking(jpeg_shot, now, image or b"")
        except Unreadable as problem:
            reason = problem.reason
            at.forget()
    raise _damaged(at, reason)


def _damaged(at: Door, reason: str) -> NotReady:
    return NotReady(f"{at.where.shown} sends a picture that {reason}", hint="look at this address in a browser")
