"""The camera's section of hub.yaml: what may be written there, and what does not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Config, Permanent
from hub.plugin.live import Address, address
from hub.plugin.live.options import every, timeout
from hub.plugin.validators import Validator, duration, size, text


def _fingerprint(value: Any) -> bytes:
    """As browsers and openssl show it, with or without colons."""
    digits = text(value).replace(":", "").replace(" ", "")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise vol.ValueInvalid("not a SHA-256 fingerprint; write the 64 hexadecimal digits of the camera's certificate")
    return found


CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Required("url"): address("http", "https"),
    vol.Optional("user"): text,
    vol.Optional("password"): text,
    vol.Optional("pin"): Validator(_fingerprint, {"type": "string", "pattern": "^([0-9A-Fa-f]{2}[: ]?){32}$"}),
    vol.Optional("verify", default=True): bool,
    vol.Optional("every", default="2 s"): every,
    vol.Optional("still_every", default="20 s"): duration,
    vol.Optional("timeout", default="10 s"): timeout,
    vol.Optional("largest", default="20 MB"): size,
}


def destination(config: Config) -> Address:
    """Raises Permanent for options that contradict each other."""
    where: Address = config["url"].with_login(config.get("user"), config.get("password"))
    if ":" in where.user:
        raise Permanent(f"the user of {where.shown} holds a colon", hint="HTTP allows none: choose another user")
    if "pin" in config and not config["verify"]:
        raise Permanent(f"{where.shown} has a `pin` that `verify: false` would ignore", hint="remove one of them")
    if "pin" in config and where.url.startswith("http:"):
        raise Permanent(f"{where.shown} has a `pin`, and http shows no certificate", hint="write https://")
    return where
