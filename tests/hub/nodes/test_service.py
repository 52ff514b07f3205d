"""Nodes as cameras of a running hub: what it does with what they send, and how it follows hub.yaml and the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.db import nodes as rows
from hub.db.ledger import Outcome
from hub.failure import Failure
from hub.nodes.cameras import invited_as
from hub.nodes.identity import Identity, open_identity
from hub.nodes.nodes import FEWEST_CREDITS
from hub.pipeline.pipeline import WORKERS
from node.wire import Configure, Moment, Welcome
from tests.support.herd import enlisted
from tests.support.node_client import Board, Closed, connected
from tests.support.node_hub import YAML, NodeHub, node_hub, rows_of, school_in
from tests.support.running import change
from tests.support.site import jpeg

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERD = 200


# ---- as cameras


async def test_what_a_node_sees_is_attendance(hub: NodeHub) -> None:
    """A camera that is in no hub.yaml watches its room from the moment it is confirmed."""
    async with hub.talking("watching") as talk:
        board = talk.board
        await talk.send(board.frame(jpeg("ada")), board.watched(lens=0.9), board.frame(jpeg("ada", shade=1)))
        await talk.acknowledged(3)
        await hub.drained()
        assert hub.opened.settings.rooms["watching"] == "101"
        register = await hub.opened.registers.of(hub.opened.today())
        (mark,) = [mark for mark in register.marks if mark.person == "ada"]
        assert "watching" in mark.cameras
    row = next(row for row in (await hub.site.get("/api/v1/cameras")).json["items"] if row["id"] == "watching")
    assert (row["platform"], row["room"], row["configured"]) == ("pi_node", "101", True)
    assert row["watermark"]


async def test_what_a_removed_node_saw_stays(hub: NodeHub) -> None:
    """The morning's marks rest on it, and nobody waits for more to come."""
    async with hub.talking("leaving", "109") as talk:
        await talk.send(talk.board.frame(jpeg("ada")), talk.board.watched())
        await talk.acknowledged(2)
        await hub.drained()
        await hub.registry.remove(talk.board.node)
        await talk.closed()
    await until(lambda: "leaving" not in {camera.id for camera in hub.opened.settings.cameras})
    assert hub.opened.settings.rooms["leaving"] == "109"
    async with hub.opened.database.read() as connection:
        assert "leaving" in await rows.ended(connection)
    with pytest.raises(Failure, match="watched room 109"):
        invited_as(hub.opened.configured, await hub.registry.everyone(), "110", "leaving")
    assert invited_as(hub.opened.configured, await hub.registry.everyone(), "109", "leaving") == ("leaving", "109")


async def test_a_live_frame_gives_way_and_a_kept_one_never(hub: NodeHub) -> None:
    async with hub.talking("behind") as talk:
        board = talk.board
        async with hub.works._pipeline.paused():
            for live in (True, False):
                await talk.send(*(board.frame(jpeg(shade=shade), live=live) for shade in range(8)))
                await talk.acknowledged(8)
        await hub.drained()
    outcomes = [outcome for _, _, outcome in await rows_of(hub, "behind")]
    first, kept = outcomes[:8], outcomes[8:]
    assert first.count("superseded") >= 7 - WORKERS  # each worker holds one already
    assert first[-1] == "empty"
    assert kept == ["empty"] * 8


async def test_a_node_that_waits_keeps_nobody_waiting(hub: NodeHub) -> None:
    """Its camera does not read, and it does not read its socket: another one's frame is acknowledged meanwhile."""
    async with hub.talking("stuck") as stuck, hub.talking("quick") as quick:
        await hub.opened.supervisor.stop("stuck")
        await stuck.send(*(stuck.board.frame() for _ in range(2)))
        await quick.send(quick.board.frame())
        assert await quick.acknowledged(1) == [1]
        part = next(part for part in hub.opened.settings.cameras if part.id == "stuck")
        hub.works.start_camera(part)
        assert sorted(await stuck.acknowledged(2)) == [1, 2]


async def test_frames_over_http_are_not_for_the_camera_of_a_node(hub: NodeHub) -> None:
    async with hub.talking("no-http"):
        answer = await hub.site.send(jpeg("ada"), camera="no-http")
    assert answer.status == 409
    assert "takes no frames over HTTP" in answer.json["detail"]


async def test_a_board_of_an_earlier_life_cannot_say_that_it_watched_in_the_future(hub: NodeHub) -> None:
    async with hub.talking("liar") as talk:
        board = talk.board
        now = board.now()
        ahead = Moment(now.wall, now.mono + 10**10, now.boot)
        await talk.send(board.frame(at=ahead))
        await talk.send(board.frame())
        assert await talk.acknowledged(1) == [2]
    assert await hub.frames("liar") == [(1, 2)]


# ---- what is configured


async def test_a_changed_timetable_is_pushed(tmp_path: Path) -> None:
    lectures = YAML.replace("hours: always", "hours: lectures, margin: 5 min")
    async with serving(tmp_path, lectures) as hub, hub.talking("door", None) as talk:
        change(hub.school, 'end: "23:59"', 'end: "12:00"')
        await hub.works.reload()
        pushed = await talk.expect(Configure)
        (welcome,) = [message for message in talk.heard if isinstance(message, Welcome)]
        assert len(welcome.config["active"]) == 1  # lectures that touch
        assert len(pushed.config["active"]) >= 3
        change(hub.school, "margin: 5 min", "interval: 5 s")
        await hub.works.reload()
        assert (await talk.expect(Configure)).config["interval"] == 5.0


@asynccontextmanager
async def serving(folder: Path, yaml: str) -> AsyncIterator[NodeHub]:
    with school_in(folder, yaml) as school:
        async with node_hub(school) as hub:
            yield hub


async def test_it_listens_while_somebody_may_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, YAML.replace("listen: always", "listen: auto")) as hub:
        assert hub.service.port is None
        board, token = await hub.invite("first")
        assert hub.service.port == board.port
        async with connected(board) as talk:
            await talk.pair(token)
            await talk.waiting()
            await hub.registry.remove(board.node)
            assert await talk.closed() == 4003
        async with connected(board) as talk:  # and it is told again, for a while
            await talk.send(board.hello())
            assert await talk.closed() == 4003
        monkeypatch.setattr("hub.nodes.service.FAREWELL", timedelta(0))
        await hub.registry.touch()
        await until(lambda: hub.service.port is None)
        change(hub.school, "listen: auto", "listen: always")
        await hub.works.reload()
        await until(lambda: hub.service.port is not None)
        change(hub.school, "listen: always", "listen: never")
        await hub.works.reload()
        await until(lambda: hub.service.port is None)


async def test_whoever_pairs_while_it_looks_is_not_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its invitation is used up, and it was no node yet when the nodes were read."""
    async with serving(tmp_path, YAML.replace("listen: always", "listen: auto")) as hub:
        board, token = await hub.invite("first")
        read, looks, go_on = hub.registry.version, asyncio.Queue[None](), asyncio.Semaphore(1)

        async def version() -> str:
            found = await read()
            looks.put_nowait(None)
            await go_on.acquire()
            return found

        async with connected(board) as talk:
            monkeypatch.setattr(hub.registry, "version", version)
            for _ in range(2):  # at the second look it knows of the invitation
                await looks.get()
            await talk.pair(token)
            go_on.release()
            await talk.waiting()
            await looks.get()
            assert hub.service.port == board.port
            go_on.release()
            monkeypatch.undo()
            await hub.registry.remove(board.node)
            assert await talk.closed() == 4003


async def test_a_port_in_use_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.service.RETRY", 0.1)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serving(tmp_path, YAML.replace("port: 0, name", f"port: {port}, name")) as hub:
        await until(lambda: "in use by another program" in hub.service.problem)
        assert "is in use by another program" in (await hub.site.get("/nodes")).text
        server.close()
        await server.wait_closed()
        await until(lambda: hub.service.port == port)
        assert hub.service.problem == ""


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_was_seen_of_a_node_outlives_the_hub(tmp_path: Path) -> None:
    with school_in(tmp_path) as school:
        async with node_hub(school) as hub, hub.talking("kept") as talk:
            board = talk.board
            taken = board.now()
            await talk.send(board.frame())
            await talk.acknowledged(1)
        async with node_hub(school) as hub:
            port = await hub.service.where()
            board.port = port
            board.boot ^= 1  # the board, too, has started anew
            async with connected(board) as talk:
                assert (await talk.hello()).acknowledged == 1
                await talk.send(board.frame(at=taken))  # of its first life, whose clock the hub knows
                assert await talk.acknowledged(1) == [2]


# ---- many


async def test_a_herd_comes_back_at_once(hub: NodeHub) -> None:
    boards = await herd(hub)
    async with asyncio.timeout(90):
        numbers = await asyncio.gather(*(comes(board) for board in boards))
    assert all(found == [1] for found in numbers)
    await hub.drained()
    ends = [[outcome for _, _, outcome in await rows_of(hub, board.node)] for board in boards]
    assert all(len(end) == 1 and end != [Outcome.PENDING] for end in ends)
    async with hub.opened.database.write() as connection:
        for board in boards:
            await rows.put(connection, board.node, state=rows.NodeState.REVOKED)
        await rows.changed(connection)
    await until(lambda: "h-0" not in {camera.id for camera in hub.opened.settings.cameras})


async def herd(hub: NodeHub) -> list[Board]:
    """Nodes that were confirmed long ago."""
    boards = await enlisted(hub.opened.database, await hub.board("template"), HERD)
    await until(lambda: f"h-{HERD - 1}" in hub.opened.settings.rooms)
    return boards


async def comes(board: Board) -> list[int]:
    while True:
        with suppress(aiohttp.ClientError, Closed, OSError):
            async with connected(board) as talk:
                welcome = await talk.hello()
                assert welcome.credits >= FEWEST_CREDITS
                frame = board.frame(number=1)
                await talk.send(frame)
                return await talk.acknowledged(1)
        await asyncio.sleep(0.5)


# ---- announcing


async def test_the_announcement_says_where_and_which_protocol_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zeroconf import asyncio as library

    from hub.nodes.announcing import announced

    told: list[Any] = []

    class Radio:
        def __init__(self, **options: Any) -> None: ...

        async def async_register_service(self, info: Any, allow_name_change: bool) -> None:
            told.append(info)

        async def async_close(self) -> None:
            told.append("closed")

    monkeypatch.setattr(library, "AsyncZeroconf", Radio)
    async with announced(open_identity(tmp_path), "192.0.2.7", 8124):
        await until(lambda: told)
    info, closed = told
    assert closed == "closed"
    assert (info.type, info.port, info.properties) == ("_fras._tcp.local.", 8124, {b"v": b"1"})
    assert info.parsed_addresses() == ["192.0.2.7"]


async def test_without_multicast_the_hub_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from zeroconf import asyncio as library

    from hub.nodes.announcing import announced

    def broken(**options: Any) -> None:
        raise OSError("no such device")

    caplog.set_level("INFO")
    monkeypatch.setattr(library, "AsyncZeroconf", broken)
    async with announced(Identity(tmp_path, bytes(32), bytes(32)), "", 8124):
        await until(lambda: "multicast DNS" in caplog.text)
