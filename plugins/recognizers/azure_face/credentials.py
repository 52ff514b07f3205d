"""How the hub shows who it is: a key of the resource, or a token that Entra gives its application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiohttp

from hub.plugin import Clock, NeedsHuman, NotReady, PluginError

from .errors import Answer
from .wire import send

EARLY: Final = 300.0
"""Seconds before its end that a token is renewed."""


class Credentials(Protocol):
    @property
    def entra(self) -> bool: ...

    async def headers(self) -> Mapping[str, str]:
        """What to send along. Raises PluginError."""
        ...

    def refused(self) -> bool:
        """The service did not accept them; answers whether fresh ones may help."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    value: str = field(repr=False)
    entra: bool = False

    async def headers(self) -> Mapping[str, str]:
        return {"Ocp-Apim-Subscription-Key": self.value}

    def refused(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Application:
    """An Entra application (client credentials flow); `login` is the cloud's address for tokens."""

    login: str
    scope: str
    tenant: str
    client_id: str
    client_secret: str = field(repr=False)


class Token:
    """The application's token, asked for when it is first needed and before it ends."""

    entra = True

    def __init__(self, application: Application, http: aiohttp.ClientSession, clock: Clock, patience: float) -> None:
        self._application = application
        self._http = http
        self._clock = clock
        self._patience = patience
        self._turn = asyncio.Lock()
        self._token = ""
        self._until = 0.0
        self._got = 0.0
        self._tries = 0
        self._problem: PluginError | None = None

    async def headers(self) -> Mapping[str, str]:
        """Whoever waited while another got none is told the same, and asks no second time."""
        tries = self._tries
        async with self._turn:
            if not self._token or self._clock.monotonic() >= self._until:
                if self._problem is not None and self._tries != tries:
                    raise type(self._problem)(self._problem.message, hint=self._problem.hint)
                await self._try()
        return {"Authorization": f"Bearer {self._token}"}

    def refused(self) -> bool:
        """A token that was just given is not accepted because of something else."""
        old = self._clock.monotonic() - self._got > 1
        if old:
            self._token = ""
        return old

    async def _try(self) -> None:
        self._tries += 1
        try:
            await self._renew()
        except PluginError as problem:
            self._problem = problem
            raise
        self._problem = None

    async def _renew(self) -> None:
        asked = self._application
        form = {
            "grant_type": "client_credentials",
            "client_id": asked.client_id,
            "client_secret": asked.client_secret,
            "scope": asked.scope,
        }
        url = f"{asked.login}/{asked.tenant}/oauth2/v2.0/token"
        answer = await send(self._http, "POST", url, self._patience, data=form)
        self._token, lifetime = _read(answer)
        self._got = self._clock.monotonic()
        self._until = self._got + max(lifetime - EARLY, lifetime / 2)


def _read(answer: Answer) -> tuple[str, float]:
    """Token and lifetime in seconds."""
    try:
        content = answer.content
        if answer.status == 200:
            return str(content["access_token"]), float(content["expires_in"])
        code = str(content["error"])
    except (ValueError, LookupError, TypeError):
        code = ""
    if answer.status in (400, 401) and code:
        wrong = {
            "invalid_client": "the client secret or client id is wrong, or the secret has expired",
            "unauthorized_client": "the tenant has no such application",
            "invalid_request": "tenant or client id is not one",
            "invalid_scope": "it gives no tokens for Azure AI services",
        }
        raise NeedsHuman(
            f"Entra gives no token: {wrong.get(code, code[:40])}",
            hint="compare recognizer->entra with the application in the Entra admin center",
        )
    raise NotReady(f"Entra gave no token (HTTP {answer.status})", hint="look at Azure's status if this lasts")
