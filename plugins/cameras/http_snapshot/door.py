"""Fetching the picture: login, certificates, sizes, and what every refusal means."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
from base64 import b64encode
from typing import Final

import aiohttp
from yarl import URL

from hub.plugin import Config, NeedsHuman, NotReady, Permanent, PluginContext, PluginError
from hub.plugin.live import Address

JPEG: Final = b"\xff\xd8\xff"
CHUNK: Final = 1 << 16


class Door:
    """Use `door`. Basic credentials are sent only to a camera that asks for them, digest is preferred."""

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
        self._digest = aiohttp.DigestAuthMiddleware(where.user, where.password) if where.user else None
        self._basic: dict[str, str] = {}
        """The header of basic credentials, once the camera has asked for them."""
        self._known: dict[str, str] = {}
        self.worked = False
        """Whether the address has given a picture before."""

    def forget(self) -> None:
        """The next picture is fetched whether it has changed or not."""
        self._known = {}

    async def fetch(self) -> bytes | None:
        """The picture, or None when the camera says it is the one fetched last.

        Raises NotReady, or NeedsHuman where only other settings will help.
        """
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
            raise NotReady(
                f"{self.where.shown} does not answer in time", hint="is it on, and not overloaded?"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotReady(f"{self.where.shown} breaks off or sends nonsense ({type(error).__name__})") from None

    async def _fetch(self) -> bytes | None:
        for _ in range(2):
            async with self._http.get(
                URL(self.where.url),
                middlewares=() if self._digest is None or self._basic else (self._digest,),
                headers={**self._known, **self._basic},
                ssl=self._trust,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                challenge = response.headers.get("WWW-Authenticate", "").lower()
                if response.status == 401 and self._digest and not self._basic and challenge.startswith("basic"):
                    token = b64encode(f"{self.where.user}:{self.where.password}".encode()).decode()
                    self._basic = {"Authorization": f"Basic {token}"}
                    continue
                return await self._answer(response)
        raise AssertionError

    async def _answer(self, response: aiohttp.ClientResponse) -> bytes | None:
        place, status = self.where.shown, response.status
        if status == 304 and self._known:
            return None
        if status in (401, 403):
            given = "does not accept user and password" if self._digest else "asks for a user and a password"
            raise NeedsHuman(f"{place} {given}", hint="set `user` and `password` as in the camera's own settings")
        if status in (404, 410):
            kind = NotReady if self.worked else NeedsHuman
            raise kind(f"{place} is not there", hint="look up the camera's snapshot address")
        if status in (301, 302, 303, 307, 308):
            target = self._target(response)
            raise NeedsHuman(f"{place} points elsewhere: {target}", hint="write that address into hub.yaml")
        if status != 200:
            raise NotReady(f"{place} answers with status {status}", hint="restart the camera if this lasts")
        image = await self._read(response)
        if not image.startswith(JPEG):
            given = "nothing" if not image else response.content_type
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
    """Raises Permanent for settings that contradict each other."""
    where: Address = config["url"].with_login(config.get("user"), config.get("password"))
    pin: bytes | None = config.get("pin")
    if ":" in where.user:
        raise Permanent(f"the user of {where.shown} holds a colon", hint="HTTP allows none: choose another user")
    if pin and not config["verify"]:
        raise Permanent(f"{where.shown} has a `pin` that `verify: false` would ignore", hint="remove one of them")
    trust = aiohttp.Fingerprint(pin) if pin else bool(config["verify"])
    return Door(where, context.http, trust, config["timeout"].total_seconds(), config["largest"])


def _colons(digest: bytes) -> str:
    return digest.hex(":").upper()
