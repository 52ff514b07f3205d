"""The Wi-Fi of an invitation on its way to NetworkManager."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from node import wifi
from node.wifi import FILE, KEPT, WifiError, join, keyfile


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


def test_a_wrong_code_is_mended_by_another_and_costs_no_network_that_worked(
    data: Path, tmp_path: Path, nmcli: Path
) -> None:
    def shown(name: str, password: str) -> None:
        wifi.leave(data, (name, password))
        join(data, tmp_path / "connections", str(nmcli))

    def known() -> dict[str, str]:
        profiles = [file.read_text() for file in (tmp_path / "connections").iterdir()]
        return {re.findall("id=(.*)", text)[0]: re.findall("psk=(.*)", text)[0] for text in profiles}

    shown("School", "what works")
    shown("Schol", "correct horse")
    shown("School-2", "wrong horse")
    shown("School-2", "correct horse")
    profiles = {wifi.profile_of(name): name for name in ("School", "Schol", "School-2")}
    assert known() == dict(zip(profiles, ("what\\sworks", "correct\\shorse", "correct\\shorse"), strict=True))
    called = (tmp_path / "called").read_text().splitlines()
    assert called[-2:] == [f"--wait 45 connection {words}" for words in ("reload", f"up {wifi.profile_of('School-2')}")]
    shown("School-3", "correct horse")
    assert wifi.profile_of("School") not in known()
    assert len(known()) == KEPT


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
