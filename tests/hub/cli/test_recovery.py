"""A hub that cannot run says why on its terminal and on a page, and runs as soon as it can."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from hub.db.schema import HEAD
from tests.support.facts import asked
from tests.support.fras import School
from tests.support.running import PATIENCE, RunningHub, change, eventually, free_port, running


@pytest.fixture
def watching(school: School) -> School:
    change(school, "mode: once", "mode: watch")
    change(school, "{port: 0}", f"{{port: {free_port()}}}")
    return school


def set_schema(school: School, revision: str) -> None:
    asked(school.folder, f"UPDATE alembic_version SET version_num = '{revision}'")


def runs(hub: RunningHub) -> None:
    hub.says("door: running")
    assert hub.get().status == 200
    assert "data-recovery" not in hub.get().text
    assert hub.stop() == 0


def test_a_configuration_with_errors(watching: School) -> None:
    change(watching, "path: incoming", "pth: <b>incoming</b>")
    change(watching, "mon-fri", "mon-fry")
    with running(watching) as hub:
        hub.says("The hub starts as soon as hub.yaml is right.")
        for line in ("hub.yaml, line 6: Invalid config for 'folder': 'pth' is an invalid option", "hub.yaml, line 9:"):
            assert line in hub.log
        page = hub.get()
        assert page.status == 503
        assert "line 6<" in page.text
        assert "&#x27;pth&#x27; is an invalid option" in page.text
        assert "line 9<" in page.text
        assert "<b>" not in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert hub.get("/people/ada").status == 503, "whatever is asked for"
        told = json.loads(hub.get("/api/v1/health").text)
        assert (told["status"], len(told["findings"])) == (503, 2)
        for name in ("fras.css", "recovery.js", "icon.svg"):
            assert f"/recovery/{name}" in page.text
            assert hub.get(f"/recovery/{name}").status == 200
        assert hub.get("/recovery/..%2frecovery.py").status == 503
        assert hub.get(Host="evil.example").status == 421
        answer = hub.reload()
        assert answer.code == 1
        assert answer.err.endswith("the hub still cannot run\n")
        change(watching, "pth: <b>incoming</b>", "path: incoming")
        eventually("the page follows", lambda: "line 6" not in hub.get().text)
        assert "line 9<" in hub.get().text
        change(watching, "mon-fry", "mon-fri")
        runs(hub)


def test_a_file_that_is_no_yaml_or_not_there(watching: School) -> None:
    whole = (watching.folder / "hub.yaml").read_text()
    change(watching, "http: {port:", "http: {port")
    with running(watching) as hub:
        hub.says("The hub starts as soon as")
        assert "http://127.0.0.1:8123/" in hub.log or "port 8123 of 127.0.0.1 is in use" in hub.log, "the default"
        (watching.folder / "hub.yaml").unlink()
        hub.says("there is no such file")
        (watching.folder / "hub.yaml").write_text(whole)
        runs(hub)


def test_a_database_of_a_newer_version(watching: School) -> None:
    watching.enrol("ada")
    set_schema(watching, "9999")
    with running(watching) as hub:
        hub.says("The hub tries again every")
        assert "is at schema 9999, newer than the" in hub.log
        assert "Install the newer FRAS again" in hub.get().text
        answer = hub.reload()
        assert (answer.code, "the hub cannot run" in answer.err) == (1, True)
        set_schema(watching, HEAD)
        assert hub.reload().err == "the hub runs\n"
        runs(hub)


def test_a_model_pack_that_is_damaged_and_a_recogniser_that_lacks_something(watching: School) -> None:
    pack = watching.folder / "pack"
    pack.mkdir()
    (pack / "pack.yaml").write_text("name: [")
    change(watching, "platform: colours", "platform: onnx_local, pack: ./pack")
    with running(watching) as hub:
        hub.says("The hub tries again every")
        assert "pack.yaml" in hub.get().text
        change(watching, "platform: onnx_local, pack: ./pack", "platform: colours, fails: no key")
        hub.says("no key; give it what it lacks")
        hub.says("a page says so, too", times=2)
        assert "<p>No key.</p>" in hub.get().text
        assert "Give it what it lacks." in hub.get().text
        change(watching, ", fails: no key", "")
        runs(hub)


@pytest.mark.sqlite
def test_a_full_disk(watching: School, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", data], capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        with running(watching, "--data", str(data)) as hub:
            hub.says("The hub tries again every")
            assert "no room" in hub.log
            assert "no room" in hub.get().text
            subprocess.run(["mount", "-o", "remount,size=20m", data], check=True)
            hub.process.send_signal(signal.SIGHUP)
            runs(hub)
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def test_a_port_that_is_taken_leaves_the_terminal_and_it_stops_at_once(watching: School) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (watching.folder / "hub.yaml").read_text()
        (watching.folder / "hub.yaml").write_text(text.replace("http: {port: ", f"http: {{port: {port}}} # "))
        with running(watching) as hub:
            assert f"port {port} of 127.0.0.1 is in use" in hub.says("no page can say so")
            assert hub.stop(signal.SIGINT) == 0
            assert not (watching.folder / "data/hub.sock").exists()


def test_until_done_fails_instead(school: School) -> None:
    change(school, "path: incoming", "pth: incoming")
    answer = school.fras("run", "--until-done")
    assert (answer.code, "'pth' is an invalid option" in answer.err) == (1, True)


def test_systemd_is_told(watching: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind("notify")
        supervisor.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", os.path.realpath("notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        change(watching, "path: incoming", "pth: incoming")
        with running(watching) as hub:
            told: list[str] = []

            def heard(what: str) -> bool:
                end = time.monotonic() + PATIENCE
                while not any(what in lines for lines in told):
                    told.append(supervisor.recv(4096).decode())
                    assert time.monotonic() < end, set(told)
                return True

            assert heard("STATUS=cannot run: hub.yaml, line 6")
            assert heard("READY=1")
            assert hub.get().status == 503
            told.clear()
            assert heard("WATCHDOG=1")
            change(watching, "pth: incoming", "path: incoming")
            assert heard("READY=1\nSTATUS=running")
            assert hub.stop() == 0
            assert heard("STOPPING=1")
