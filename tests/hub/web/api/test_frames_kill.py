"""The hub is killed while frames are sent by HTTP: what was answered counts once, what was not can be sent again."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.hub.cli.test_interrupted import ledger
from tests.support.fras import School, of_this_kind
from tests.support.running import RunningHub, eventually, get, running
from tests.support.site import API, PUSH, jpeg

FRAMES = 24
KILLED_AFTER = 8


def send(hub: RunningHub, number: int) -> str | None:
    """As a camera does that keeps what was not answered: the frame's id, or None. Every other frame has no key."""
    headers = {"Content-Type": "image/jpeg"} | ({"Idempotency-Key": f"door-{number:06}"} if number % 2 else {})
    picture = jpeg("ada", shade=0 if number % 2 else -number)
    request = urllib.request.Request(f"{hub.address.rstrip('/')}{API}/cameras/push/frames", picture, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.headers["Location"].rpartition("/")[2])
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def test_no_frame_is_lost_or_counted_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    school = School(tmp_path)
    monkeypatch.syspath_prepend(school.site)
    yaml = of_this_kind(PUSH, school.folder).replace("platform: colours", "platform: colours, pause: 0.01")
    (school.folder / "hub.yaml").write_text(yaml, "utf-8")
    school.enrol("ada")
    answered: dict[int, str | None] = {}
    enough = threading.Event()

    def send_all(first: int) -> None:
        for number in range(first, FRAMES, 4):
            answered[number] = send(hub, number)
            if sum(map(bool, answered.values())) >= KILLED_AFTER:
                enough.set()

    with running(school) as hub:
        hub.says("push: running")
        senders = [threading.Thread(target=send_all, args=(first,)) for first in range(4)]
        for sender in senders:
            sender.start()
        assert enough.wait(60)
        hub.process.kill()
        for sender in senders:
            sender.join()
    before = {number: frame for number, frame in answered.items() if frame}
    assert KILLED_AFTER <= len(before) < FRAMES
    with running(school) as hub:
        hub.says("push: running")
        again = {number: send(hub, number) for number in range(FRAMES)}
        assert before.items() <= again.items()
        assert len(set(again.values())) == FRAMES
        data = school.folder / "data"
        eventually("all recognised", lambda: not ledger(data)["pending"])
        assert ledger(data).total() == FRAMES
        assert get(f"{hub.address.rstrip('/')}{API}/frames/{again[0]}").status == 200
