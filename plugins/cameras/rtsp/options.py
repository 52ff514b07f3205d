"""The camera's section of hub.yaml: what may be written there, and what does not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from hub.plugin import Config, Permanent
from hub.plugin.live import Address, address
from hub.plugin.live.options import every, timeout
from hub.plugin.validators import duration, text, whole_number

LONGEST_LOGIN: Final = 127
"""Bytes of user, colon and password in the URL that FFmpeg reads; it cuts off the rest and says nothing."""

CONFIG_SCHEMA: Final[Mapping[Any, Any]] = {
    vol.Required("url"): address("rtsp", "rtsps"),
    vol.Optional("user"): text,
    vol.Optional("password"): text,
    vol.Optional("verify", default=True): bool,
    vol.Optional("ca"): text,
    vol.Optional("every", default="2 s"): every,
    vol.Optional("still_every", default="20 s"): duration,
    vol.Optional("quality", default=90): whole_number(50, 100),
    vol.Optional("timeout", default="10 s"): timeout,
}


def destination(config: Config) -> Address:
    """Raises Permanent for options that contradict each other."""
    where: Address = config["url"].with_login(config.get("user"), config.get("password"))
    if len(where.full) - len(where.url) - len("@") > LONGEST_LOGIN:
        raise Permanent(
            f"user and password of {where.shown} are too long for FFmpeg",
            hint=f"choose shorter ones: {LONGEST_LOGIN - 1} letters and digits together; all else counts threefold",
        )
    if "ca" in config and (not config["verify"] or where.url.startswith("rtsp:")):
        raise Permanent(
            f"{where.shown} has a `ca` that is not looked at",
            hint="write rtsps:// without `verify: false`, or remove `ca`",
        )
    return where
