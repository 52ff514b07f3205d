"""What the hub tells the camera to do (`config` of docs/node-protocol.md), checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from node import files


def _number(low: float, high: float) -> Any:
    return vol.All(vol.Any(int, float), _finite, vol.Range(low, high), vol.Coerce(float))


def _finite(value: float) -> float:
    if isinstance(value, bool) or not math.isfinite(value):
        raise vol.Invalid("is no number")
    return value


def _whole(low: int, high: int) -> Any:
    return vol.All(int, vol.Range(low, high))


def _span(value: Any) -> tuple[int, int]:
    if not (isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(item, int) for item in value)):
        raise vol.Invalid("is no [from, until] in microseconds")
    return value[0], value[1]


def _point(value: Any) -> tuple[float, float]:
    if not (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(item, int | float) and 0 <= item <= 1 for item in value)
    ):
        raise vol.Invalid("is no [x, y] between 0 and 1")
    return float(value[0]), float(value[1])


@dataclass(frozen=True, slots=True)
class Motion:
    threshold: float = 12
    share: float = 0.01
    hold: float = 10.0


@dataclass(frozen=True, slots=True)
class Orders:
    """Seconds, bytes, pixels; `active` in microseconds of the hub's time, `mask` in shares of width and height."""

    interval: float = 1.0
    resolution: tuple[int, int] = (1640, 1232)
    quality: int = 85
    motion: Motion = field(default_factory=Motion)
    keepalive: float = 60.0
    active: tuple[tuple[int, int], ...] | None = None
    mask: tuple[tuple[tuple[float, float], ...], ...] = ()
    night: str = "pause"
    watch: float = 15.0
    spool: int = 500_000_000
    leds: bool = True

    def at_work(self, now: int | None) -> bool:
        """Whether the camera is to look at the hub's time `now`; it is, while nobody knows the time."""
        return self.active is None or now is None or any(start <= now < end for start, end in self.active)


_SCHEMA: Final = vol.Schema(
    {
        "interval": _number(0.05, 3600),
        "resolution": vol.All([_whole(16, 16384)], vol.Length(2, 2), vol.Coerce(tuple)),
        "quality": _whole(1, 100),
        "motion": vol.All(
            vol.Schema(
                {"threshold": _number(0, 255), "share": _number(0, 1), "hold": _number(0, 3600)}, extra=vol.REMOVE_EXTRA
            ),
            lambda value: Motion(**value),
        ),
        "keepalive": _number(1, 86400),
        "active": vol.All([_span], vol.Coerce(tuple)),
        "mask": vol.All([vol.All([_point], vol.Length(3), vol.Coerce(tuple))], vol.Coerce(tuple)),
        "night": vol.Any("pause", "keep"),
        "watch": _number(1, 3600),
        "spool": _whole(1_000_000, 1 << 50),
        "leds": bool,
    },
    extra=vol.REMOVE_EXTRA,
)


def orders_of(config: Mapping[str, Any]) -> Orders:
    """Unknown keys are for newer nodes; null is the default. Raises ValueError, which says what is wrong."""
    try:
        return Orders(**_SCHEMA({key: value for key, value in config.items() if value is not None}))
    except vol.Invalid as error:
        where = ".".join(map(str, error.path))
        raise ValueError(f"{where}: {error.error_message}") from None


class OrdersFile:
    """The last orders, for a start without the hub."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = self._read()

    @property
    def orders(self) -> Orders | None:
        return None if self._known is None else orders_of(self._known["config"])

    @property
    def since(self) -> int:
        """When the hub gave them, in microseconds of its time; 0 without any."""
        return 0 if self._known is None else int(self._known["since"])

    def keep(self, version: str, config: Mapping[str, Any], since: int) -> None:
        """Raises OSError."""
        if self._known is None or self._known["version"] != version:
            fresh = {"version": version, "since": since, "config": dict(config)}
            files.replace(self._file, json.dumps(fresh).encode())
            self._known = fresh

    def forget(self) -> None:
        self._known = None
        self._file.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        """None for what is not there or damaged: the hub will say it again."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_text("utf-8"))
            orders_of(found["config"])
            int(found["since"]), str(found["version"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return found
