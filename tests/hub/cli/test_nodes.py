"""`fras nodes` beside a running hub: a node is invited, confirmed, looked through, removed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from node.wire import (
    Close,
    Identify,
    Picture,
    PictureKind,
    Rotate,
    TakeSnapshot,
    Welcome,
)
from tests.support.fras import School
from tests.support.node_client import JPEG, Board, Closed, Talk, connected
from tests.support.node_hub import YAML, school_in
from tests.support.running import RunningHub, change, eventually, free_port, running

T = TypeVar("T")


@pytest.fixture(scope="module")
def school_of_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    with school_in(
        tmp_path_factory.mktemp("nodes"), YAML.replace("port: 0, name", f"port: {free_port()}, name")
    ) as made:
        yield made


@pytest.fixture(scope="module")
def hub(school_of_nodes: School) -> Iterator[RunningHub]:
    with running(school_of_nodes) as started:
        started.says("running;")
        yield started


class Away:
    """Where nodes live while commands run here: an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="nodes", daemon=True)
        self._thread.start()

    def __call__(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(60)

    @contextmanager
    def talk(self, board: Board) -> Iterator[Talk]:
        opened = connected(board)
        talk = self(opened.__aenter__())
        try:
            yield talk
        finally:
            self(opened.__aexit__(None, None, None))

    @contextmanager
    def answering(self, talk: Talk) -> Iterator[None]:
        """A node that does what it is asked while a command waits for it."""
        task = asyncio.run_coroutine_threadsafe(answer(talk), self.loop)
        try:
            yield
        finally:
            task.cancel()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def answer(talk: Talk) -> None:
    with suppress(Closed):
        while True:
            asked = await talk.receive()
            if isinstance(asked, TakeSnapshot):
                await talk.send(Picture(PictureKind.SNAPSHOT, asked.request, talk.board.now(), JPEG + b"seen"))


@pytest.fixture(scope="module")
def away() -> Iterator[Away]:
    made = Away()
    yield made
    made.close()


def invited(school: School, *words: str) -> tuple[Board, bytes]:
    answer = school.fras("nodes", "add", *words, "--no-wait", "--json")
    assert answer.code == 0, answer.err
    return Board.invited(answer.lines[0]["uri"])


def paired(school: School, away: Away, camera: str) -> Board:
    board, token = invited(school, "--room", "101", "--camera", camera)
    with away.talk(board) as talk:
        away(talk.pair(token))
        away(talk.show())
        confirmed(school, board)
    return board


def confirmed(school: School, board: Board) -> None:
    """Once the hub has the picture that was sent."""
    eventually("its picture is there", lambda: school.fras("nodes", "confirm", board.node).code == 0)


def test_from_a_code_to_a_camera_and_back(hub: RunningHub, away: Away, tmp_path: Path) -> None:
    school = hub.school
    board, token = invited(school, "--room", "101")
    with away.talk(board) as talk:
        away(talk.pair(token))
        away(talk.waiting())
        (record,) = school.fras("nodes", "list", "--json").lines
        assert (record["node"], record["camera"], record["state"]) == (board.node, "room-101", "waiting")
        assert record["connected"]
        unseen = school.fras("nodes", "confirm", board.node)
        assert (unseen.code, "has no picture to be confirmed by" in unseen.err) == (1, True)
        assert f"fras nodes snapshot {board.node} FILE" in unseen.err
        away(talk.show())
        confirmed(school, board)
        away(talk.expect(Welcome))
        away(talk.send(board.frame()))
        assert away(talk.acknowledged(1)) == [1]
        with away.answering(talk):
            seen = school.fras("nodes", "snapshot", board.node, str(tmp_path / "seen.jpg"))
            assert seen.code == 0, seen.err
            assert (tmp_path / "seen.jpg").read_bytes() == JPEG + b"seen"
            assert (tmp_path / "seen.jpg").stat().st_mode & 0o077 == 0
            assert school.fras("nodes", "identify", board.node).code == 0
            assert school.fras("nodes", "rotate", board.node).code == 0
        assert school.fras("nodes", "remove", board.node).code == 0
        assert away(talk.closed()) == Close.REVOKED
    assert any(isinstance(message, Identify) for message in talk.heard)
    assert any(isinstance(message, Rotate) for message in talk.heard)
    shown = school.fras("nodes", "show", board.node)
    assert "revoked" in shown.out
    assert board.credential.hex() not in shown.out


def test_a_code_in_a_terminal(hub: RunningHub) -> None:
    answer = hub.school.fras("nodes", "add", "--camera", "door", "--no-wait")
    assert answer.code == 0, answer.err
    assert "FRAS://127.0.0.1:" in answer.out
    assert "within 10 minutes" in answer.err
    assert "FRAS://" not in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "--no-wait"), "a new camera needs a room"),
        (("add", "--no-wait", "--camera", "Not An Id", "--room", "1"), "cannot be the id of a camera"),
        (("add", "--no-wait", "--camera", "door", "--room", "102"), "watches room 101"),
        (("confirm", "n-nobody"), "there is no node n-nobody"),
        (("remove", "n-nobody"), "there is no node n-nobody"),
        (("identify", "n-nobody"), "there is no node n-nobody"),
        (("show", "n-nobody"), "there is no node n-nobody"),
    ],
)
def test_what_cannot_be_done_is_said(hub: RunningHub, words: tuple[str, ...], said: str) -> None:
    answer = hub.school.fras("nodes", *words)
    assert answer.code == 1
    assert said in answer.err


def test_without_a_hub_what_needs_one_says_so(school: School) -> None:
    assert school.fras("people", "add", "ada").code == 0  # there is a database
    assert "no node has come yet" in school.fras("nodes", "list").err
    answer = school.fras("nodes", "identify", "n-nobody")
    assert (answer.code, "no hub is running" in answer.err) == (1, True)
    board, _ = invited(school, "--room", "101")
    assert board.port == 8124


def test_the_next_key_is_switched_to_without_pairing_anew(hub: RunningHub, away: Away) -> None:
    board = paired(hub.school, away, "switched")
    again = "listening for nodes at port"
    before = hub.log.count(again)
    with away.talk(board) as talk:
        assert away(talk.hello()).backup == board.pins[1]
        answer = hub.school.fras("nodes", "key", "--switch")
        assert answer.code == 0, answer.err
        assert f"present {board.pins[1].hex()}" in answer.out
        assert away(talk.closed()) == Close.STOPPING
    hub.says(again, times=before + 1)
    with pytest.raises(aiohttp.ServerFingerprintMismatch), away.talk(Board((board.pins[0],), board.port)):
        pass
    with away.talk(board) as talk:
        assert away(talk.hello()).backup not in (None, *board.pins)


@pytest.mark.sqlite
def test_check_finds_a_camera_that_a_node_has_too(hub: RunningHub, away: Away) -> None:
    school = hub.school
    paired(school, away, "both")
    both = '  - {platform: pi_node, id: both, room: "101"}\n'
    change(school, "cameras:\n", f"cameras:\n{both}")
    try:
        answer = school.fras("check")
        assert answer.code == 1
        assert "line 7: the camera id 'both' is that of node n-" in answer.out
        reloaded = hub.reload()
        assert reloaded.code == 1
        assert "is that of node n-" in reloaded.err
    finally:
        change(school, both, "")


def test_nothing_that_is_secret_was_logged(hub: RunningHub) -> None:
    records = hub.school.fras("nodes", "list", "--json").lines
    assert records
    assert "FRAS://" not in hub.log
    assert "credential" not in json.dumps(records)
