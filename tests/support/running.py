"""A hub in a process of its own, to be reloaded, signalled and looked at from outside."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from tests.support.fras import Answer, School

PATIENCE = 40.0
"""Seconds; the machine may be busy."""


@dataclass(frozen=True)
class Page:
    status: int
    text: str
    headers: Message


class RunningHub:
    """`log` is what it has said since it started, or since `forget`."""

    def __init__(self, school: School, process: subprocess.Popen[str], log: Path) -> None:
        self.school = school
        self.process = process
        self._log = log
        self._forgotten = 0

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")[self._forgotten :]

    def forget(self) -> None:
        self._forgotten = len(self._log.read_text("utf-8"))

    def says(self, what: str, times: int = 1, within: float = PATIENCE) -> str:
        """Waits until the hub has said `what` so often; answers the last line that has it."""
        end = time.monotonic() + within
        while self.log.count(what) < times:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, f"no {what!r} within {within:g} s in:\n{self.log}"
            time.sleep(0.05)
        return next(line for line in reversed(self.log.splitlines()) if what in line)

    @property
    def address(self) -> str:
        """Of the newest page it serves."""
        eventually("an address", lambda: "http://" in self._log.read_text("utf-8"))
        return re.findall(r"http://\S+", self._log.read_text("utf-8"))[-1]

    def reload(self) -> Answer:
        return self.school.fras("reload")

    def get(self, path: str = "/", **headers: str) -> Page:
        return get(self.address.rstrip("/") + path, **headers)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def running(school: School, *words: str) -> Iterator[RunningHub]:
    log = school.folder / "hub.log"
    with log.open("w") as stream:
        process = school.spawn("run", *words, stderr=stream)
        try:
            yield RunningHub(school, process, log)
        finally:
            process.kill()
            process.communicate()
    assert "Traceback" not in log.read_text("utf-8")


def get(address: str, **headers: str) -> Page:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Page(answer.status, answer.read().decode(), answer.headers)
    except urllib.error.HTTPError as answer:
        with answer:
            return Page(answer.code, answer.read().decode(), answer.headers)


def free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


def change(school: School, old: str, new: str) -> None:
    """In hub.yaml."""
    file = school.folder / "hub.yaml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def eventually(what: str, condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {PATIENCE:g} s: {what}")
        time.sleep(0.05)


def details(page: Page) -> dict[str, object]:
    told: dict[str, object] = json.loads(page.text)
    return told
