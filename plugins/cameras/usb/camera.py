"""A Video4Linux device, opened by FFmpeg; MJPEG where the camera offers it."""

from __future__ import annotations

import errno
import importlib
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hub.plugin import CameraEvent, Config, NeedsHuman, NotReady, PluginContext, PluginError
from hub.plugin.live import Explain, Proof, Shot, Video, watch

BY_ID = Path("/dev/v4l/by-id")
"""Names that stay the same wherever and in whatever order cameras are plugged in."""


@dataclass(frozen=True, slots=True)
class UsbCamera:
    config: Config
    context: PluginContext
    video: Video
    proof: Proof

    def events(self) -> AsyncIterator[CameraEvent]:
        every, still_every = self.config["every"], self.config["still_every"]
        return watch(self.context, self._take, every=every, still_every=still_every)

    async def _take(self) -> Shot:
        shot = await self.video.newest()
        await self.proof.note()
        return shot


class InUse(NotReady):
    """A program has the device: another one, or a hub that runs beside."""


@asynccontextmanager
async def opened(config: Config, context: PluginContext) -> AsyncIterator[UsbCamera]:
    """Raises as `explain`."""
    device = config["device"]
    proof = await Proof.look(context, device)
    async with _video(config, context, lambda error: explain(error, device, proof.worked)) as video:
        context.logger.info("%s: %s: %s", context.instance_id, device, video.opened)
        yield UsbCamera(config, context, video, proof)


async def probe(config: Config, context: PluginContext) -> str:
    """Raises as `explain`, but for a device that is in use."""
    device = config["device"]
    try:
        async with _video(config, context, partial(explain, device=device, worked=False)) as video:
            await video.newest()
            return f"{device}: {video.opened}"
    except InUse:
        return f"{device} is there and in use, perhaps by the running hub; stop that to try the camera itself"


def explain(error: Exception, device: str, worked: bool) -> PluginError:
    """What an error of opening or reading `device` means.

    What has `worked` may do so again: a device that was just plugged in belongs to nobody until udev has seen it, and
    a number may be another device's for a while.
    """
    perhaps = NotReady if worked else NeedsHuman
    if isinstance(error, PluginError):
        return error
    number = getattr(error, "errno", None)  # not every error of FFmpeg's is an OSError
    if number in (errno.EACCES, errno.EPERM):
        return perhaps(
            f"{device} may not be used by the hub's user",
            hint="as root: usermod -aG video USER, with the user that runs fras; then restart the hub",
        )
    if number == errno.EBUSY:
        return InUse(f"{device} is used by another program", hint="end that program; the hub tries again")
    if number in (errno.ENOENT, errno.ENXIO):
        return NotReady(f"{device} is not there", hint=f"plug the camera in; {_present()}")
    if number in (errno.ENODEV, errno.EIO):
        return NotReady(f"{device} went away", hint="was it unplugged? the hub tries again")
    if number in (errno.EINVAL, errno.ENOTTY):
        return perhaps(
            f"{device} is no camera, or does not offer the configured size and rate",
            hint=f"try without `size` and `rate`; {_present()}",
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return NotReady(f"{device} failed: {reason}", hint="the hub tries again")


def open_device(device: str, size: str | None, rate: int | None, seconds: float) -> Any:
    """What an `av` container can. Blocks. Raises OSError, of which av.FFmpegError is one."""
    import av

    handle = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # FFmpeg's errors are less clear
    try:
        if not stat.S_ISCHR(os.fstat(handle).st_mode):
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    finally:
        os.close(handle)
    wanted = {"video_size": size, "framerate": rate and str(rate)}
    options = {key: value for key, value in wanted.items() if value}  # FFmpeg's decoders take a size for true
    begin = partial(av.open, device, "r", format="v4l2", timeout=seconds)
    try:
        return _Lasting(begin(container_options={**options, "input_format": "mjpeg"}))
    except av.FFmpegError as error:
        if error.errno != errno.EINVAL:
            raise
    return _Lasting(begin(container_options=options))  # whatever it has instead


class _Lasting:
    """A container whose packets outlive it. FFmpeg's are the driver's own memory, which goes when the device is closed:

    a thread that still decodes one of them would take the whole process down.
    """

    def __init__(self, container: Any) -> None:
        self._container = container
        self.streams = container.streams

    def demux(self, stream: Any) -> Iterator[Any]:
        from av import Packet

        for packet in self._container.demux(stream):
            lasting = Packet(bytes(packet))
            lasting.is_keyframe = packet.is_keyframe
            yield lasting

    def __enter__(self) -> _Lasting:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()


@asynccontextmanager
async def _video(config: Config, context: PluginContext, explained: Explain) -> AsyncIterator[Video]:
    await context.run_blocking(importlib.import_module, "av")
    device, patience = config["device"], config["timeout"]
    async with Video.open(
        context,
        partial(open_device, device, config.get("size"), config.get("rate"), patience.total_seconds()),
        explained,
        every=config["every"],
        quality=config["quality"],
        patience=patience,
    ) as video:
        yield video


def _present() -> str:
    """The cameras there are, as a clause of a hint."""
    try:
        names = sorted(os.fspath(path) for path in BY_ID.iterdir() if path.name.endswith("-index0"))
    except OSError:
        names = []
    return f"there are {', '.join(names)}" if names else "no camera is plugged in now"
