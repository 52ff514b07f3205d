"""The school's time zone: an IANA name, or the machine's own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import voluptuous as vol

from config import suggestion

AUTO = "auto"


def zone(name: str) -> ZoneInfo:
    """Raises ValueError when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise ValueError(f"no time zone {name!r}") from None


def zone_name(value: object) -> str:
    """The voluptuous validator: `auto` or an IANA name."""
    if not isinstance(value, str):
        raise vol.ValueInvalid("expected text; write auto, or a name such as Europe/Berlin")
    if value != AUTO:
        try:
            zone(value)
        except ValueError:
            hint = suggestion(value, _names(), "write auto, or a name such as Europe/Berlin")
            raise vol.ValueInvalid(f"not a time zone; {hint}") from None
    return value


@cache
def _names() -> frozenset[str]:
    """Kept, because asking opens hundreds of files."""
    return frozenset(available_timezones())


def machine_zone(environ: Mapping[str, str], etc: Path = Path("/etc")) -> ZoneInfo | None:
    """The machine's zone by TZ, /etc/timezone or /etc/localtime, in this order; None when none of them tells."""
    candidates = [environ.get("TZ", "").removeprefix(":")]
    with suppress(OSError, ValueError):
        candidates.append((etc / "timezone").read_text(encoding="utf-8").strip())
    _, _, linked = (etc / "localtime").resolve().as_posix().rpartition("/zoneinfo/")
    candidates.append(linked)
    for name in filter(None, candidates):
        try:
            return zone(name)
        except ValueError:
            continue
    return None
