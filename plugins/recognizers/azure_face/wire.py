"""One HTTP exchange, bounded in time and size; whatever goes wrong with it is said in words."""

from __future__ import annotations

import ssl
from typing import Any, Final

import aiohttp

from hub.plugin import NotReady

from .errors import Answer

CONNECT: Final = 10.0
"""Seconds to reach the service."""
MOST_BYTES: Final = 32_000_000
"""Of an answer: a page of 1,000 people with 248 faces each has about 11 million."""


class Unreachable(NotReady):
    """Nothing answered as it should. `sent` is False when the request certainly did not arrive."""

    def __init__(self, message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


async def send(http: aiohttp.ClientSession, method: str, url: str, patience: float, **what: Any) -> Answer:
    """The answer, whatever its status; redirects are not followed. `patience` is for the whole exchange, in seconds.

    Raises Unreachable.
    """
    timeout = aiohttp.ClientTimeout(total=patience, sock_connect=min(CONNECT, patience))
    try:
        async with http.request(method, url, timeout=timeout, allow_redirects=False, **what) as response:
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > MOST_BYTES:
                    raise Unreachable(f"{_host(url)} sends more than anybody asked for", sent=True)
            return Answer(response.status, response.headers, bytes(body))
    except aiohttp.ClientConnectorCertificateError as error:
        raise Unreachable(
            f"the certificate of {_host(url)} is not trusted: {error.certificate_error}",
            sent=False,
            hint="is the machine's clock right? a proxy that opens TLS needs its own certificate in the system's store",
        ) from None
    except (aiohttp.ClientConnectorSSLError, ssl.SSLError):
        raise Unreachable(
            f"no TLS with {_host(url)}", sent=False, hint="something between here and Azure speaks another language"
        ) from None
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(
            f"{_host(url)} cannot be reached: {error.os_error.strerror or 'no such name'}",
            sent=False,
            hint="look at the network, the name in recognizer->endpoint, and the firewall",
        ) from None
    except TimeoutError:
        raise Unreachable(
            f"{_host(url)} did not answer within {patience:g} s", sent=True, hint="look at the network"
        ) from None
    except (aiohttp.ClientError, ConnectionError, ValueError) as error:
        raise Unreachable(
            f"{_host(url)} broke off its answer ({type(error).__name__})", sent=True, hint="look at the network"
        ) from None


def _host(url: str) -> str:
    return url.split("/")[2]
