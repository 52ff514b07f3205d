"""Addresses of cameras, with credentials that are kept apart and never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

import voluptuous as vol

from ..errors import Permanent
from ..validators import Validator, text

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^\s/?#@:\[\]%]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Address:
    """`url` is without credentials; `user` and `password` are as the camera wants them, decoded."""

    url: str = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """What may be shown to people and logged: scheme, host and port, and `/…` for whatever follows.

        Many cameras take a password in the path or the query; with others the path is itself the secret.
        """
        scheme, _, rest = self.url.partition("://")
        host = re.split(r"[/?#]", rest, maxsplit=1)[0]
        return f"{scheme}://{host}" + ("" if rest.removeprefix(host) in ("", "/") else "/…")

    @property
    def full(self) -> str:
        """With credentials, percent-encoded. For the library that connects; never for people."""
        if not self.user and not self.password:
            return self.url
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{rest}"

    def with_login(self, user: str | None, password: str | None) -> Address:
        """With what the keys `user` and `password` say, taken literally.

        Raises Permanent when the URL has some too, and for a password without a user.
        """
        given = user is not None or password is not None
        if given and (self.user or self.password):
            raise Permanent(
                f"user and password of {self.shown} are given twice, in the URL and as keys",
                hint="remove them from the URL",
            )
        made = Address(self.url, user or "", password or "") if given else self
        if made.password and not made.user:
            raise Permanent(f"{made.shown} has a password and no user", hint="write `user`, too")
        return made


def address(*schemes: str) -> Validator:
    """A URL of one of `schemes` → Address; user and password may stand before the host.

    A password may hold `@`, `:`, `/` and `#` as they are, as long as only one reading is possible.
    """

    def check(value: object) -> Address:
        url = text(value).strip()
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.lower() not in schemes:
            begin = " or ".join(f"{known}://" for known in schemes)
            raise vol.ValueInvalid(f"not an address; write one that begins with {begin}")
        login, rest = _split(rest)
        user, _, password = login.partition(":")
        return Address(f"{scheme.lower()}://{rest}", unquote(user), unquote(password))

    return Validator(check, {"type": "string", "pattern": rf"^\s*({'|'.join(schemes)})://.+"})


def _split(rest: str) -> tuple[str, str]:
    """Credentials, and what follows them. The message never quotes: it may be a password."""
    before = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, _, host = before.rpartition("@")
    beyond = "@" in rest[len(before) :]
    if _is_host(host):
        if beyond:
            raise vol.ValueInvalid(
                "an @ after the host, which may be part of a password; write `user` and `password` as keys of their"
                " own (an @ in the path: %40)"
            )
        return login, rest[len(before) - len(host) :]
    if beyond:
        login, _, tail = rest.rpartition("@")
        if _is_host(re.split(r"[/?#]", tail, maxsplit=1)[0]):
            return login, tail
    raise vol.ValueInvalid("the host or port of the address is missing or wrong; write host or host:port after ://")


def _is_host(authority: str) -> bool:
    match = _HOST.fullmatch(authority)
    return match is not None and (match[2] is None or 0 < int(match[2]) < 65536)
