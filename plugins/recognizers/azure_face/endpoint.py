"""Where the Face resource is: its address as a person copies it, and what its cloud calls the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import voluptuous as vol

from hub.plugin.validators import Validator

_PATH: Final = r"/*(face(/v\d[\w.-]*)?/*)?"
"""What may follow the host: nothing, slashes, or the beginning of an address out of the vendor's examples."""

REGIONAL: Final = ".api.cognitive.microsoft."
"""Marks an endpoint that a whole region shares (`westeurope.api.cognitive.microsoft.com`)."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """`login` gives Entra tokens, for `scope`."""

    login: str
    scope: str


_CLOUDS: Final = {
    ".azure.com": Cloud("https://login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"),
    ".azure.us": Cloud("https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
    ".azure.cn": Cloud("https://login.partner.microsoftonline.cn", "https://cognitiveservices.azure.cn/.default"),
}


def cloud_of(endpoint: str) -> Cloud:
    """The cloud by the end of the host's name; the public one for any other host."""
    host = urlsplit(endpoint).hostname or ""
    return next((cloud for end, cloud in _CLOUDS.items() if host.endswith(end)), _CLOUDS[".azure.com"])


def shared_by_a_region(endpoint: str) -> bool:
    return REGIONAL in (urlsplit(endpoint).hostname or "")


def _origin(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not re.fullmatch(r"[a-z0-9.:-]+", host, re.ASCII):
        raise vol.ValueInvalid(
            "not an address; copy it from the Azure portal: https://NAME.cognitiveservices.azure.com"
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise vol.ValueInvalid("more than an address; leave out name, password and what follows a ? or #")
    if parts.scheme == "http" and not _loopback(host):
        raise vol.ValueInvalid("without TLS; begin it with https://")
    if not re.fullmatch(_PATH, parts.path, re.ASCII):
        raise vol.ValueInvalid("more than an address; end it after the host's name")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def _entra_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}", value.strip(), re.ASCII):
        raise vol.ValueInvalid("not an id; copy it from the application's overview in the Entra admin center")
    return value.strip()


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


origin: Final = Validator(
    _origin, {"type": "string", "format": "uri", "examples": ["https://our-face.cognitiveservices.azure.com"]}
)
"""An https address, with or without final slash (and `/face/v1.2`) → `https://host`; http for this machine alone."""

entra_name: Final = Validator(_entra_name, {"type": "string", "pattern": r"^\s*[A-Za-z0-9][A-Za-z0-9.-]{0,99}\s*$"})
"""The id of a tenant or an application, or a tenant's domain."""
