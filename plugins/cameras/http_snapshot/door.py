"""Fetching the picture: login, certificates, sizes, and what every refusal means."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
from typing import Final

import aiohttp
from yarl import URL

from hub.plugin import Config, NeedsHuman, NotReady, PluginContext, PluginError
from hub.plugin.live import Address

from .login import Login, fit
from .options import destination

JPEG: Final = b"\xff\xd8\xff"
CHUNK: Final = 1 << 16


class Door:
    """Use `door`. Nothing of the login is sent before the camera asks for it."""

    def __init__(
        self,
        where: Address,
        http: aiohttp.ClientSession,
        trust: bool | aiohttp.Fingerprint,
        timeout: float,
        largest: int,
    ) -> None:
        self.where = where
        self._http = http
        self._trust = trust
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._largest = largest
        self._login = (Login(where),) if where.user else ()
        self._known: dict[str, str] = {}
        self.worked = False
        """Whether the address has given a picture before: what it refuses later it may only refuse for a while."""
        self._answered = False

    def forget(self) -> None:
        """The next picture is fetched whether it has changed or not."""
        self._known = {}

    async def fetch(self) -> bytes | None:
        """The picture, or None when the camera says it is the one fetched last.

        Raises NotReady, or NeedsHuman where only other settings will help.
        """
        self._answered = False
        try:
            return await self._fetch()
        except PluginError:
            raise
        except aiohttp.ServerFingerprintMismatch as error:
            raise NeedsHuman(
                f"{self.where.shown} shows another certificate (SHA-256 {_colons(error.got)})",
                hint="if the camera has a new one, change `pin`; else somebody is in between",
            ) from None
        except aiohttp.ClientConnectorCertificateError:
            raise await self._untrusted() from None
        except aiohttp.ClientSSLError:
            raise NotReady(f"{self.where.shown} does not speak TLS", hint="is it http:// or another port?") from None
        except aiohttp.ClientConnectorError as error:
            known = error.os_error.errno
            reason = os.strerror(known) if known and known > 0 else "no such host"
            raise NotReady(
                f"{self.where.shown} cannot be reached: {reason}", hint="check address and network"
            ) from None
        except TimeoutError:
            seconds = f"within {self._timeout.total:g} s"
            if self._answered:
                said = f"{self.where.shown} answers, and has not sent its picture {seconds}"
                raise NotReady(
                    said, hint="ask for a smaller picture, look at the network, or raise `timeout`"
                ) from None
            raise NotReady(
                f"{self.where.shown} does not answer {seconds}", hint="is it on, and not overloaded?"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotReady(
                f"{self.where.shown} breaks off or sends nonsense ({type(error).__name__})",
                hint="is this the port of its web pages, and http or https as they are?",
            ) from None

    async def _fetch(self) -> bytes | None:
        async with self._http.get(
            URL(self.where.url),
            middlewares=self._login,
            headers=self._known,
            ssl=self._trust,
            timeout=self._timeout,
            allow_redirects=False,
        ) as response:
            self._answered = True
            return await self._answer(response)

    async def _answer(self, response: aiohttp.ClientResponse) -> bytes | None:
        place, status = self.where.shown, response.status
        perhaps = NotReady if self.worked else NeedsHuman
        if status == 304 and self._known:
            return None
        if status == 401:
            given = "does not accept user and password" if self._login else "asks for a user and a password"
            raise NeedsHuman(f"{place} {given}", hint="set `user` and `password` as in the camera's own settings")
        if status == 403:
            hint = "has it too many viewers, or locked this address? may this user view?"
            raise perhaps(f"{place} forbids it", hint=hint if self._login else "set `user` and `password`")
        if status in (404, 410):
            raise perhaps(f"{place} is not there", hint="look up the camera's snapshot address")
        if status in (301, 302, 303, 307, 308):
            hint = "write that address into hub.yaml, unless the camera is only starting"
            raise perhaps(f"{place} points elsewhere: {self._target(response)}", hint=hint)
        if status != 200:
            raise NotReady(f"{place} answers with status {status}", hint="restart the camera if this lasts")
        image = await self._read(response)
        if not image.startswith(JPEG):
            given = "nothing" if not image else fit(response.content_type)
            raise NotReady(f"{place} answers with {given}, not with a JPEG", hint="open this address in a browser")
        tags = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        self.worked = True
        self._known = {ask: response.headers[said] for ask, said in tags if said in response.headers}
        return image

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts, count = [], response.content_length or 0
        if count <= self._largest:
            count = 0
            async for part in response.content.iter_chunked(CHUNK):
                parts.append(part)
                count += len(part)
                if count > self._largest:
                    break
        if count > self._largest:
            response.close()
            raise NotReady(
                f"{self.where.shown} sends more than {self._largest / 1e6:g} MB",
                hint="is it a stream? choose the address of a single picture, or set `largest`",
            )
        return b"".join(parts)

    def _target(self, response: aiohttp.ClientResponse) -> str:
        try:
            return Address(str(response.url.join(URL(response.headers["Location"])).with_user(None))).shown
        except (KeyError, ValueError):
            return "nowhere"

    async def _untrusted(self) -> NeedsHuman:
        """Says which certificate it is, so that a person can compare it with what the camera itself shows."""
        shown = ""
        with contextlib.suppress(OSError, TimeoutError):
            shown = _colons(hashlib.sha256(await self._certificate()).digest())
        pin = f'`pin: "{shown}"`' if shown else "its SHA-256 fingerprint as `pin`"
        return NeedsHuman(
            f"{self.where.shown} shows a certificate that nobody vouches for",
            hint=f"if it is the camera's own (compare it there), write {pin}",
        )

    async def _certificate(self) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        url = URL(self.where.url)
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        try:
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return found
        finally:
            writer.transport.abort()


def door(config: Config, context: PluginContext) -> Door:
    """Raises as `destination`."""
    trust = aiohttp.Fingerprint(config["pin"]) if "pin" in config else bool(config["verify"])
    return Door(destination(config), context.http, trust, config["timeout"].total_seconds(), config["largest"])


def _colons(digest: bytes) -> str:
    return digest.hex(":").upper()
