"""Which time zone a machine keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.settings.zone import machine_zone


def told(etc: Path, environ: dict[str, str] | None = None) -> str | None:
    found = machine_zone(environ or {}, etc)
    return found.key if found else None


def test_the_variable_comes_first(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert told(tmp_path, {"TZ": ":Europe/Berlin"}) == "Europe/Berlin"
    assert told(tmp_path) == "Asia/Tokyo"


def test_a_link_tells(tmp_path: Path) -> None:
    zones = tmp_path / "usr" / "zoneinfo" / "Europe"
    zones.mkdir(parents=True)
    (zones / "Paris").touch()
    (tmp_path / "localtime").symlink_to(zones / "Paris")
    assert told(tmp_path) == "Europe/Paris"


@pytest.mark.parametrize("content", [b"Nowhere/City", b"\xff\xfe", b"", b"../../etc/passwd", b"Europe"])
def test_what_tells_nothing_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "timezone").write_bytes(content)
    (tmp_path / "localtime").write_bytes(b"TZif")
    assert told(tmp_path, {"TZ": "CET-1CEST"}) is None


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert told(tmp_path) is None
