"""Logging in by HTTP: digest wherever the camera offers it, basic only where it does not."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hub.plugin import NeedsHuman
from hub.plugin.live import Address

ALGORITHMS: Final = frozenset(
    name + session for name in ("MD5", "SHA", "SHA-256", "SHA256", "SHA-512", "SHA512") for session in ("", "-SESS")
)
"""Of digest, those that aiohttp computes."""

# what is not closed ends with the header, so that a hostile one costs no more time than a long one
_ITEM: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++')
_PARAMETER: Final = re.compile(r'(?<![\w-])([\w-]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^\s,"]*+))')


def fit(text: str) -> str:
    """What a server wrote, as it may be shown: no control characters, and short."""
    return re.sub("[^ -~]", "?", text)[:60]


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in that a server offers: RFC 9110, section 11.3. `scheme` is in small letters."""

    scheme: str
    parameters: str

    @property
    def why_not(self) -> str:
        """What of a digest cannot be done; empty when it can."""
        told: dict[str, str] = {
            name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(self.parameters)
        }
        algorithm, qop = told.get("algorithm", "MD5"), told.get("qop", "auth")
        if algorithm.upper() not in ALGORITHMS:
            return algorithm
        if not {"auth", "auth-int"} & {one.strip() for one in qop.split(",")}:
            return f"qop {qop}"
        return "" if "realm" in told and told.get("nonce") else "incomplete"


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Those of all `WWW-Authenticate` headers; one header may hold several."""
    found: list[tuple[str, list[str]]] = []
    for header in headers:
        for item in map(str.strip, _ITEM.findall(header)):
            scheme, _, rest = item.partition(" ")
            if "=" not in scheme and not rest.lstrip().startswith("="):
                found.append((scheme.lower(), [rest.strip()]))
            elif found:
                found[-1][1].append(item)
    return [Challenge(scheme, ", ".join(filter(None, parts))) for scheme, parts in found if scheme]


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """What aiohttp's digest looks at of an answer. It knows the first header only, and of that the first challenge."""

    status: int
    url: URL
    headers: CIMultiDict[str]


class Login:
    """Middleware of aiohttp's client. Raises NeedsHuman where the camera asks for a login that FRAS does not know."""

    def __init__(self, where: Address) -> None:
        self._where = where
        self._digest = aiohttp.DigestAuthMiddleware(where.user, where.password)
        self._basic = "Basic " + b64encode(f"{where.user}:{where.password}".encode()).decode()
        self._basic_asked = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._basic_asked:
            request.headers["Authorization"] = self._basic
            answer = await handler(request)
            if answer.status != 401:
                return answer
            answer.release()
            self._basic_asked = False
            del request.headers["Authorization"]
        answer, offered = await self._by_digest(request, handler)
        schemes = {one.scheme for one in offered}
        if answer.status == 401 and "basic" in schemes and "digest" not in schemes:
            answer.release()
            self._basic_asked = True
            request.headers["Authorization"] = self._basic
            answer = await handler(request)
        return answer

    async def _by_digest(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> tuple[aiohttp.ClientResponse, list[Challenge]]:
        """The answer, and what it offers."""
        answers: list[aiohttp.ClientResponse] = []
        offered: list[Challenge] = []

        async def ask(request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
            nonlocal offered
            for before in answers:
                before.release()
            answers.append(answer := await handler(request))
            offered = challenges(answer.headers.getall("WWW-Authenticate", ())) if answer.status == 401 else []
            try:
                chosen = CIMultiDict({"WWW-Authenticate": self._chosen(offered)})
            except NeedsHuman:
                answer.close()
                raise
            return cast(aiohttp.ClientResponse, _Narrowed(answer.status, answer.url, chosen))

        await self._digest(request, ask)
        return answers[-1], offered

    def _chosen(self, offered: Sequence[Challenge]) -> str:
        """The first digest that can be done; empty where none is offered. Raises NeedsHuman where that is no help."""
        digests = [one for one in offered if one.scheme == "digest"]
        for one in digests:
            if not one.why_not:
                return f"Digest {one.parameters}"
        if digests:
            kinds = fit(", ".join(one.why_not for one in digests))
            raise NeedsHuman(
                f"{self._where.shown} asks for a kind of digest that FRAS does not know ({kinds})",
                hint="choose digest with MD5 or SHA-256 in the camera's settings; the password was not sent",
            )
        if offered and not any(one.scheme == "basic" for one in offered):
            schemes = fit(", ".join(one.scheme for one in offered))
            raise NeedsHuman(
                f"{self._where.shown} asks for a login that FRAS does not know ({schemes})",
                hint="choose digest in the camera's settings; the password was not sent",
            )
        return ""
