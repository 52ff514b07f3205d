"""The stream of an IP camera, opened by FFmpeg over TCP."""

from __future__ import annotations

import errno
import importlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final

from hub.plugin import CameraEvent, Config, NeedsHuman, NotReady, PluginContext, PluginError
from hub.plugin.live import Address, Explain, Proof, Shot, Video, watch

from .options import destination

SYSTEM_CAS: Final = "/etc/ssl/certs/ca-certificates.crt"

OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "analyzeduration": "300000",  # of the stream's time; the codec is known from its description
    "fpsprobesize": "0",
    "protocol_whitelist": "tcp,tls,crypto",  # rtsp is left out: FFmpeg would follow redirects, password in hand
}
PROBING: Final = 8.0
"""Seconds beyond `timeout` that a probe waits for a key frame; `fras check --connect` gives it ten."""


class Redirected(Exception):
    """The camera says that it is elsewhere."""


class RtspCamera:
    def __init__(self, config: Config, context: PluginContext, video: Video, proof: Proof) -> None:
        self._config = config
        self._context = context
        self.video = video
        self._proof = proof

    def events(self) -> AsyncIterator[CameraEvent]:
        every, still_every = self._config["every"], self._config["still_every"]
        return watch(self._context, self._take, every=every, still_every=still_every)

    async def _take(self) -> Shot:
        shot = await self.video.newest()
        await self._proof.note()
        return shot


@asynccontextmanager
async def opened(config: Config, context: PluginContext) -> AsyncIterator[RtspCamera]:
    """Raises as `explain`."""
    where = destination(config)
    proof = await Proof.look(context, where.url)
    async with _video(config, context, where, lambda error: explain(error, where, proof.worked)) as video:
        context.logger.info("%s: connected to %s: %s", context.instance_id, where.shown, video.opened)
        yield RtspCamera(config, context, video, proof)


async def probe(config: Config, context: PluginContext) -> str:
    """Raises as `explain`, and NotReady where no key frame comes in time."""
    where = destination(config)
    patience: timedelta = config["timeout"]
    due = context.clock.monotonic() + patience.total_seconds() + PROBING
    async with _video(config, context, where, partial(explain, where=where, worked=False)) as video:
        found = f"{where.shown}: {video.opened}"
        context.progress(found)
        await video.newest(within=max(1.0, due - context.clock.monotonic()))
        return found


def explain(error: Exception, where: Address, worked: bool) -> PluginError:
    """What an error of FFmpeg means. Its own text is never used: it holds the address with the password.

    What an address that `worked` refuses now it may give again: the camera starts anew, has too many viewers, or a
    recorder's source is away. Not so a login: trying it again would lock the account.
    """
    import av

    place = where.shown
    perhaps = NotReady if worked else NeedsHuman
    if isinstance(error, PluginError):
        return error
    if isinstance(error, Redirected):
        hint = "look up the camera's own address; FRAS follows no redirect, which would be handed the password"
        return perhaps(f"{place} points elsewhere", hint=hint)
    if isinstance(error, av.error.HTTPUnauthorizedError):
        given = "does not accept user and password" if where.user else "asks for a user and a password"
        return NeedsHuman(f"{place} {given}", hint="set `user` and `password` as in the camera's own settings")
    if isinstance(error, av.error.HTTPForbiddenError):
        hint = "has it too many viewers, or locked this address? may this user view?"
        return perhaps(f"{place} forbids it", hint=hint if where.user else "set `user` and `password`")
    if isinstance(error, av.error.HTTPNotFoundError):
        return perhaps(f"{place} is not there: the camera knows no such path", hint="look up its RTSP address (path)")
    if isinstance(error, av.error.HTTPClientError):
        hint = "does it offer RTSP over TCP, to this many viewers, and more than sound?"
        return NotReady(f"{place} refuses the request", hint=hint)
    if isinstance(error, av.error.HTTPServerError):
        return NotReady(f"{place} reports a fault of its own", hint="restart the camera if this lasts")
    if isinstance(error, av.error.ExitError | TimeoutError):
        return NotReady(
            f"{place} gives no proper answer in time",
            hint="is it on, is this its RTSP port, and does the network let it through?",
        )
    if isinstance(error, ConnectionRefusedError):
        return NotReady(f"{place} refuses the connection", hint="is RTSP switched on there, and the port right?")
    if isinstance(error, av.error.InvalidDataError | av.error.ProtocolNotFoundError | ValueError):
        return NotReady(f"{place} sends something that is no video stream", hint="is this the RTSP port?")
    if isinstance(error, EOFError):
        return NotReady(f"{place} ended the connection", hint="it is opened again")
    if isinstance(error, OSError) and error.errno == errno.EIO and where.url.startswith("rtsps:"):
        return NotReady(
            f"{place} cannot be reached, or nobody vouches for its certificate",
            hint="check its address; if the certificate is the camera's own: `ca`, or `verify: false`",
        )
    if isinstance(error, OSError) and error.errno == errno.EIO:  # a name nobody knows, too
        return NotReady(f"{place} cannot be reached, or breaks off", hint="check its address and the network")
    if isinstance(error, OSError) and error.strerror and error.errno and error.errno > 0:
        return NotReady(f"{place} cannot be reached: {error.strerror}", hint="check its address and the network")
    return NotReady(f"{place} failed ({type(error).__name__})", hint="it is opened again")


@asynccontextmanager
async def _video(config: Config, context: PluginContext, where: Address, explained: Explain) -> AsyncIterator[Video]:
    await context.run_blocking(importlib.import_module, "av")
    timeout: timedelta = config["timeout"]
    async with Video.open(
        context,
        partial(connect, where, timeout.total_seconds(), _trust(config, context, where)),
        explained,
        every=config["every"],
        quality=config["quality"],
        patience=timeout,
    ) as video:
        yield video


def _trust(config: Config, context: PluginContext, where: Address) -> dict[str, str]:
    """FFmpeg's options for TLS; it checks no certificate unless told to, and knows no authorities."""
    if not where.url.startswith("rtsps:"):
        return {}
    if not config["verify"]:
        return {"tls_verify": "0"}
    file = config.get("ca")
    if file is not None and not (context.base_folder / file).is_file():
        raise NeedsHuman(f"the certificate file {file} is not there", hint="`ca` is a PEM file beside hub.yaml")
    trusted = context.base_folder / file if file else ssl.get_default_verify_paths().cafile or SYSTEM_CAS
    return {"tls_verify": "1", "ca_file": os.fspath(trusted)}


def connect(where: Address, timeout: float, trust: Mapping[str, str]) -> Any:
    """An open `av` container. Blocks. Raises what `explain` explains."""
    import av

    options = {**OPTIONS, **trust, "timeout": str(int(timeout * 1_000_000))}
    begun = time.monotonic()
    try:
        return av.open(where.full, "r", format="rtsp", options=options, timeout=timeout, metadata_errors="replace")
    except av.error.ArgumentError:  # what FFmpeg says where no protocol it may use leads on
        raise Redirected from None
    except av.FFmpegError:
        if time.monotonic() - begun >= timeout:  # FFmpeg takes an answer that never ends for nonsense
            raise TimeoutError from None
        raise
