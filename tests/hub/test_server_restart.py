"""The whole hub, while the PostgreSQL server under it is stopped and started again: by counting, nothing is lost."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support import postgres
from tests.support.fras import School
from tests.support.running import PATIENCE, RunningHub, eventually, running
from tests.support.site import API, PUSH, jpeg

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
FRAMES = 24
"""Of each camera: a third before the server stops, a third while it is away, the rest afterwards."""


class Sender:
    """A camera that sends each frame until it is answered; `answered`: the frame's id, by its number."""

    def __init__(self, hub: RunningHub) -> None:
        self._frames = f"{hub.address.rstrip('/')}{API}/cameras/push/frames"
        self.answered: dict[int, str] = {}
        self.refusals: list[dict[str, object]] = []
        self._thread = threading.Thread(target=self._send_all)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive()

    def _send_all(self) -> None:
        for number in range(FRAMES):
            end = time.monotonic() + PATIENCE
            while number not in self.answered and time.monotonic() < end:
                self._send(number)
                time.sleep(0.05)

    def _send(self, number: int) -> None:
        headers = {"Content-Type": "image/jpeg", "Idempotency-Key": f"push-{number}"}
        request = urllib.request.Request(self._frames, jpeg("ada"), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.answered[number] = str(answer.headers["Location"].rpartition("/")[2])
        except urllib.error.HTTPError as refused:
            with refused:
                self.refusals.append({"status": refused.code, "retry": refused.headers["Retry-After"]})
                self.refusals[-1] |= json.load(refused)


def test_every_acknowledged_frame_is_kept_and_recognised_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, url = postgres.server(), postgres.empty_database("restarted")
    school = School(tmp_path)
    monkeypatch.syspath_prepend(school.site)
    yaml = PUSH.replace("hub: {", f'hub: {{database: "{url}", ').replace("mode: once", "mode: watch")
    (school.folder / "hub.yaml").write_text(yaml, "utf-8")
    school.enrol("ada")

    def asked(query: str) -> str:
        return server.sql(query, "restarted")

    def show(first: int, last: int) -> None:
        for number in range(first, last):
            school.frame(f"{number:03}.png", NINE + timedelta(seconds=number), "ada")

    third = FRAMES // 3
    with running(school) as hub:
        hub.says("push: running")
        show(0, third)
        with Sender(hub) as sender:
            eventually("some were acknowledged", lambda: len(sender.answered) >= third)
            server.stop(signal.SIGINT)
            try:
                eventually("one was refused", lambda: sender.refusals)
                known = dict(sender.answered)
                show(third, 2 * third)
                page = hub.get("/people")
                assert page.status == 503
                assert f"database {url} cannot be reached" in page.text
                assert "the server runs" in page.text
            finally:
                server.start()
            show(2 * third, FRAMES)
        total = 2 * FRAMES
        eventually("all are in the ledger", lambda: asked("SELECT count(*) FROM frames") == f"{total}")
        eventually("none waits", lambda: asked("SELECT count(*) FROM frames WHERE outcome = 'pending'") == "0")
        assert hub.get("/people").status == 200
        assert hub.stop() == 0
        assert "Traceback" not in hub.log
    assert {(said["status"], said["retry"] is not None) for said in sender.refusals} == {(503, True)}
    assert known.items() <= sender.answered.items()
    assert len(set(sender.answered.values())) == FRAMES
    kept = asked("SELECT id FROM frames WHERE camera = 'push'").split()
    assert sorted(kept) == sorted(sender.answered.values())
    assert asked("SELECT outcome, count(*) FROM frames GROUP BY outcome") == f"recognised|{total}"
    assert asked("SELECT count(*), count(DISTINCT frame_id) FROM observations") == f"{total}|{total}"
    assert list((school.folder / "data/inbox").glob("*-*")) == []
