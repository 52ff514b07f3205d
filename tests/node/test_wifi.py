"""The Wi-Fi of an invitation on its way to NetworkManager."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from node import wifi
from node.wifi import FILE, WifiError, join, keyfile


@pytest.fixture
def nmcli(tmp_path: Path) -> Path:
    program = tmp_path / "nmcli"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("data", "connections"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(wifi, "CONNECTIONS", tmp_path / "connections")
    return tmp_path / "data"


def test_joined_without_the_password_being_seen(data: Path, tmp_path: Path, nmcli: Path) -> None:
    wifi.leave(data, ("School", "correct horse"))
    assert stat.S_IMODE((data / FILE).stat().st_mode) == 0o600
    join(data, tmp_path / "connections", str(nmcli))
    (profile,) = (tmp_path / "connections").iterdir()
    assert stat.S_IMODE(profile.stat().st_mode) == 0o600
    assert "psk=correct\\shorse\n" in profile.read_text()
    assert not (data / FILE).exists()
    called = (tmp_path / "called").read_text()
    assert "connection up fras-wifi" in called
    assert "horse" not in called


def test_nothing_is_left_where_nobody_would_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wifi, "CONNECTIONS", tmp_path / "missing")
    wifi.leave(tmp_path, ("School", "correct horse"))
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "left", [b"", b"[", b"[1,2]", b'{"a":1}', json.dumps(["x", "short"]).encode(), b'["", "12345678"]', b"\xff"]
)
def test_what_is_no_wifi_is_removed_and_not_joined(data: Path, tmp_path: Path, nmcli: Path, left: bytes) -> None:
    (data / FILE).write_bytes(left)
    with pytest.raises(WifiError):
        join(data, tmp_path / "connections", str(nmcli))
    assert not list((tmp_path / "connections").iterdir())
    assert not (data / FILE).exists()


def test_no_link_is_followed(data: Path, tmp_path: Path, nmcli: Path) -> None:
    (tmp_path / "secret").write_text('["School", "12345678"]')
    (data / FILE).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match=r"symbolic|level"):
        join(data, tmp_path / "connections", str(nmcli))
    assert (tmp_path / "secret").exists()


def test_a_name_or_password_adds_no_lines() -> None:
    assert keyfile("a\n[x]", "12345678").count("\n[") == 4
    for password in ("12345678\n[x]", "pässwort1", "short", "x" * 64):
        with pytest.raises(WifiError):
            keyfile("a", password)
    assert "wifi-security" not in keyfile("open", "")
