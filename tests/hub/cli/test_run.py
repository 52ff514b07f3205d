"""What `fras run` says about where the panel is."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.fras import School


def said(school: School) -> str:
    hub = school.spawn("run")
    assert hub.stderr is not None
    lines = []
    for line in iter(hub.stderr.readline, ""):
        lines.append(line)
        if line.startswith("running"):
            break
    hub.send_signal(signal.SIGTERM)
    rest = hub.communicate(timeout=10)[1]
    return "".join(lines) + rest


def test_without_a_screen_a_tunnel_is_named(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    text = said(school)
    port = text.partition("panel: http://127.0.0.1:")[2].partition("/")[0]
    assert port.isdigit()
    assert f"ssh -L {port}:127.0.0.1:{port} " in text
    assert f"@{os.uname().nodename}" in text


def test_with_a_screen_the_address_is_enough(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    text = said(school)
    assert "panel: http://127.0.0.1:" in text
    assert "ssh" not in text


def test_until_done_serves_nothing(school: School) -> None:
    answer = school.fras("run", "--until-done")
    assert answer.code == 0
    assert "panel:" not in answer.err
