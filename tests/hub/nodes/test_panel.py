"""The panel's page of nodes and the API's, of a running hub with a node of flesh and sockets."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import segno
import zxingcpp
from PIL import Image

from hub.db.nodes import NodeState
from node.wire import Health, Invitation, Update, Welcome
from tests.support.node_client import JPEG, Board, connected
from tests.support.node_hub import NodeHub

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = {"room": "101", "camera": "paneled", "wifi": "Caretakers", "password": "so secret"}


async def posted(hub: NodeHub, path: str, **form: str) -> tuple[int, str]:
    answer = await hub.site.ask("POST", path, data=form)
    return answer.status, answer.text


async def test_the_code_of_the_page_pairs_a_node_that_is_confirmed_there(hub: NodeHub) -> None:
    status, page = await posted(hub, "/nodes/invitation", **FORM)
    assert status == 200
    found = Invitation.of(re.findall(r"FRAS://\S+?(?=<)", page)[0])
    assert found.network == ("Caretakers", "so secret")
    assert "so secret" not in page
    assert "style=" not in page
    assert "<script>" not in page
    assert read(page) == found.uri()
    board = Board((found.pin, found.backup), found.port)
    async with connected(board) as talk:
        await talk.pair(found.token)
        unseen = (await hub.site.get("/nodes")).text
        described = f'disabled aria-describedby="{board.node}-unseen">Confirm'
        assert described in unseen
        assert f'id="{board.node}-unseen">It can be confirmed once you have seen what it sees' in unseen
        status, page = await posted(hub, f"/nodes/{board.node}/confirm")
        assert (status, "has no picture to be confirmed by" in page, "compare it with the door" in page) == (
            409,
            True,
            True,
        )
        await talk.show(JPEG + b"the door")
        async with asyncio.timeout(10):
            while board.node not in hub.nodes.snapshots:
                await asyncio.sleep(0.01)
        page = (await hub.site.get("/nodes")).text
        assert "Waits to be confirmed" in page
        assert described not in page
        assert f"/nodes/{board.node}/snapshot?at=" in page
        async with hub.site.client.get(f"{hub.site.address}nodes/{board.node}/snapshot") as answer:
            assert await answer.read() == JPEG + b"the door"
            assert answer.headers["Cache-Control"] == "no-store"
        status, page = await posted(hub, f"/nodes/{board.node}/confirm")
        assert status == 200  # after following the redirection
        await talk.expect(Welcome)
        await talk.send(
            Health(
                uptime=7200, temperature=48.4, disk_free=12_000_000_000, dropped={"full": 3}, incidents={"a <b>key": 2}
            )
        )
        await talk.send(board.frame())
        await talk.acknowledged(1)
        page = (await hub.site.get("/nodes")).text
        for words in ("Connected since", "48 °C", "12.0 GB", "3 <bdi>full", "2 h", "twice: <bdi>a &lt;b&gt;key"):
            assert words in page
        assert board.node in (await hub.site.get("/cameras")).text
        one = (await hub.site.get(f"/api/v1/nodes/{board.node}")).json
        assert (one["state"], one["health"]["temperature"]) == ("confirmed", 48.4)
        assert one["connected_since"]
        assert one["health"]["incidents"] == {"a <b>key": 2}
        assert abs(one["skew"]) < 1
        await posted(hub, f"/nodes/{board.node}/remove")
        assert await talk.closed() == 4003
    everything = (await hub.site.get("/api/v1/nodes")).text + (await hub.site.get("/nodes")).text
    for secret in (found.token, board.credential):
        assert secret.hex() not in everything


def read(page: str) -> str:
    """What a camera would read of the page's code: the modules of its SVG, drawn."""
    svg = re.search(r'<svg[^>]*class="qr"[^>]*>.*?</svg>', page, re.DOTALL)
    assert svg
    size = int(re.findall(r'viewBox="0 0 (\d+) \d+"', svg[0])[0])
    pixels = np.full((size, size), 255, np.uint8)
    strokes = re.findall(r'stroke="#000"[^>]*d="([^"]+)"|d="([^"]+)"[^>]*stroke="#000"', svg[0])
    x, y = 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", "".join(strokes[0])):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            pixels[int(y), int(x) : int(x + values[0])] = 0
            x += values[0]
    (found,) = zxingcpp.read_barcodes(Image.fromarray(pixels).resize((size * 6, size * 6), Image.Resampling.NEAREST))
    return str(found.text)


async def test_a_node_older_than_its_hub_is_told_and_shown(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.updates.__version__", "7.1.0")
    board = await hub.board("old")
    async with connected(board) as talk:
        await talk.hello(software="fras-node 7.0")
        (update,) = (message for message in talk.heard if isinstance(message, Update))
        assert update.version == "7.1.0"
        assert "fras-node_7.1.0_all.deb" in update.note
        assert f"Its software is older than this hub’s (7.1.0). To update it, {update.note}" in (
            (await hub.site.get("/nodes")).text
        )
        assert (await hub.site.get(f"/api/v1/nodes/{board.node}")).json["update"] == "7.1.0"
    await hub.gone(board)
    async with connected(board) as talk:
        await talk.hello(software="fras-node 7.1")
        assert (await hub.site.get(f"/api/v1/nodes/{board.node}")).json["update"] is None


async def test_what_keeps_a_node_from_seeing_stands_beside_its_camera(hub: NodeHub) -> None:
    board = await hub.board("darkened")
    async with connected(board) as talk:
        await talk.hello()
        assert f"{board.node}</a>, connected</dd>" in (await hub.site.get("/cameras")).text
        await talk.send(Health(uptime=1, problems=("It is too dark",)))
        await talk.send(board.watched(lens=0.0))
        await talk.acknowledged(1)
        for page in ("/cameras", "/nodes"):
            assert "It is too dark" in (await hub.site.get(page)).text


async def test_a_page_of_strangers_can_do_nothing(hub: NodeHub) -> None:
    async with hub.talking("safe") as talk:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            answer = await hub.site.ask("POST", f"/nodes/{talk.board.node}/remove", headers=headers)
            assert answer.status == 403
            answer = await hub.site.ask("POST", "/nodes/invitation", headers=headers, data=FORM)
            assert answer.status == 403
        await talk.send(talk.board.frame())
        assert await talk.acknowledged(1) == [1]


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({}, 409, "a new camera needs a room"),
        ({"room": "102", "camera": "door"}, 409, "watches room 101"),
        ({"room": "102", "camera": "No Id"}, 409, "cannot be the id of a camera"),
        ({"room": "x" * 101}, 400, "no short text"),
        ({"room": "\0"}, 400, "no short text"),
    ],
)
async def test_what_cannot_be_invited_is_explained(hub: NodeHub, form: dict[str, str], status: int, words: str) -> None:
    answer, page = await posted(hub, "/nodes/invitation", **form)
    assert (answer, words in page.lower()) == (status, True)


async def test_what_nobody_can_see_is_not_confirmed(hub: NodeHub) -> None:
    """It showed itself and went; the picture is forgotten by and by, and the last one's say does not count for it."""
    board, token = await hub.invite("unseen")
    async with connected(board) as talk:
        await talk.pair(token)
        await talk.show()
        async with asyncio.timeout(10):
            while board.node not in hub.nodes.snapshots:
                await asyncio.sleep(0.01)
    await hub.gone(board)
    hub.nodes.snapshots[board.node] = replace(hub.nodes.snapshots[board.node], at=datetime(2020, 1, 1, tzinfo=UTC))
    hub.nodes.look_again()
    status, page = await posted(hub, f"/nodes/{board.node}/confirm")
    assert (status, "and is not connected" in page, "its network" in page) == (409, True, True)
    assert (await hub.registry.one(board.node)).state is NodeState.WAITING
    assert "it is not connected, and sends a picture when it comes again" in (await hub.site.get("/nodes")).text
    async with connected(board) as talk:
        await talk.send(board.hello())
        await talk.show()
        async with asyncio.timeout(10):
            while (await posted(hub, f"/nodes/{board.node}/confirm"))[0] != 200:
                await asyncio.sleep(0.02)
        await talk.expect(Welcome)
    await hub.registry.remove(board.node)


async def test_what_cannot_be_done_is_explained(hub: NodeHub) -> None:
    board = await hub.board("away")
    assert (await posted(hub, f"/nodes/{board.node}/identify"))[0] == 409
    assert "is not connected" in (await posted(hub, f"/nodes/{board.node}/snapshot"))[1]
    assert (await posted(hub, "/nodes/nobody/confirm"))[0] == 409
    assert (await posted(hub, f"/nodes/{board.node}/dance"))[0] == 404
    assert (await hub.site.get(f"/nodes/{board.node}/snapshot")).status == 404
    assert (await hub.site.get("/api/v1/nodes/nobody")).status == 404


async def test_names_from_a_node_cannot_write_on_the_page(hub: NodeHub) -> None:
    board, token = await hub.invite("written", "<i>102")
    async with connected(board) as talk:
        await talk.pair(token, software="<script>alert(1)</script>", board='"><img src=x>')
        await talk.waiting()
        page = (await hub.site.get("/nodes")).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        await hub.registry.confirm(board.node)
        await talk.expect(Welcome)
        await talk.send(Health(uptime=1, problems=("<script>alert(2)</script>\x1b[31m" * 50,) * 30))
        await talk.send(board.frame())
        await talk.acknowledged(1)
        page = (await hub.site.get("/nodes")).text
        assert "&lt;script&gt;alert(2)" in page
        assert "<script>alert" not in page
        assert "\x1b" not in page
        assert len(page) < 100_000
    await hub.registry.remove(board.node)


async def test_the_terminal_shows_the_same_code() -> None:
    from hub.nodes.inviting import as_text, code

    qr = code(Invitation("hub.school.example", 8124, bytes(20), bytes(32), bytes(32)))
    assert isinstance(qr, segno.QRCode)
    assert qr.version <= 8
    assert "█" in as_text(qr) or "▄" in as_text(qr)
    picture = io.BytesIO()
    qr.save(picture, kind="png", scale=4)
    (found,) = zxingcpp.read_barcodes(Image.open(picture))
    assert found.text.startswith("FRAS://HUB.SCHOOL.EXAMPLE:8124/1/")
