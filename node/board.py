"""What Linux knows of the board; None where it does not know."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import time
from contextlib import suppress
from pathlib import Path

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""malloc.h of glibc."""
_SYS = Path("/sys")
_PROC = Path("/proc")


def model() -> str:
    """Such as "Raspberry Pi Zero 2 W Rev 1.0"."""
    named = _text(_PROC / "device-tree" / "model").strip("\0 \n")
    return (named or platform.machine())[:100]


def uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def temperature() -> float | None:
    """Degrees Celsius of the processor."""
    text = _text(_SYS / "class/thermal/thermal_zone0/temp").strip()
    return int(text) / 1000 if text.lstrip("-").isdigit() else None


def throttled() -> bool:
    """Whether a Raspberry Pi runs slower now, for heat or a weak power supply."""
    text = _text(_SYS / "devices/platform/soc/soc:firmware/get_throttled").strip()
    try:
        return bool(int(text, 16) & 0xF)
    except ValueError:
        return False


def disk_free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def memory() -> int | None:
    """Bytes of memory that this process has."""
    pages = _text(_PROC / "self/statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else None


def signal_dbm() -> float | None:
    """Of the first wireless interface."""
    for line in _text(_PROC / "net/wireless").splitlines()[2:]:
        fields = line.split()
        if len(fields) > 3:
            return float(fields[3].rstrip("."))
    return None


def save_memory() -> None:
    """To be called before numpy and aiohttp are imported, and before there are threads.

    No threads for linear algebra, which nobody does here; no certificates of authorities, which take one or two
    megabytes, as the node trusts pinned keys alone; glibc keeps one heap for all threads, and gives large buffers
    (pictures) back at once.
    """
    os.environ.update(OPENBLAS_NUM_THREADS="1", SSL_CERT_FILE=os.devnull)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 17)
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back_memory() -> None:
    """To the system, what was needed for a while only."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def has_network() -> bool:
    """Whether any interface but the loopback has a route."""
    here = [line.split()[0] for line in _text(_PROC / "net/route").splitlines()[1:] if line.split()]
    routes = [line.split() for line in _text(_PROC / "net/ipv6_route").splitlines()]
    here += [route[-1] for route in routes if len(route) > 9 and not route[0].startswith(("fe80", "ff"))]
    return any(interface != "lo" for interface in here)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
