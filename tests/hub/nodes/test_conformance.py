"""What the hub answers to a node that keeps the rules of docs/node-protocol.md, and to one that breaks them."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from datetime import timedelta

import aiohttp
import pytest
from sqlalchemy import text

from hub.db import listing
from hub.nodes.registry import Refusal
from node.wire import (
    LONGEST_TEXT,
    Accepted,
    Acknowledged,
    Close,
    Dropped,
    Health,
    Moment,
    Picture,
    PictureKind,
    Refused,
    Watched,
    encode_picture,
)
from tests.support.node_client import JPEG, connected, refused
from tests.support.node_hub import NodeHub

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ---- the connection


async def test_whoever_asks_for_nothing_is_not_waited_for(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    board, _ = await hub.invite("idle")
    monkeypatch.setattr("hub.nodes.listener.TLS_WITHIN", 0.2)
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    for said in (b"", b"GET /node/v1 HTTP/1.1\r\nHost: hub\r\n", b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", board.port, ssl=unchecked)
        writer.write(said)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_strangers_take_turns_and_are_not_too_many(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.listener.WAITING_OF_ONE", 1)
    board, _ = await hub.invite("crowd")
    async with connected(board):  # says nothing yet
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with connected(board):
                pass
    assert hub.nodes.refused[Refusal.CROWDED] == 1


async def test_whoever_connects_and_says_nothing_is_let_go(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.nodes.HELLO_WITHIN", 0.1)
    board, _ = await hub.invite("mute")
    assert await refused(board) == Close.SILENT


async def test_a_fault_of_the_hub_ends_one_connection(
    hub: NodeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with hub.talking("unlucky") as talk, hub.talking("lucky") as other:

        async def fails(camera: str, event: object) -> None:
            raise KeyError("so secret")

        with monkeypatch.context() as patch:
            patch.setattr(hub.nodes, "deliver", fails)
            await talk.send(talk.board.frame())
            assert await talk.closed() == Close.STOPPING
        await other.send(other.board.frame())
        assert await other.acknowledged(1) == [1]
    assert "a fault of FRAS itself with a node: KeyError" in caplog.text
    assert "so secret" not in caplog.text


async def test_silence_ends_a_connection(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.session.PING_EVERY", 0.02)
    monkeypatch.setattr("hub.nodes.session.SILENCE", 0.3)
    board = await hub.board("silent")
    async with connected(board) as talk:
        talk.mute = True
        await talk.hello()
        assert await talk.closed() == Close.SILENT


async def test_only_the_address_of_the_protocol_is_there(hub: NodeHub) -> None:
    board, _ = await hub.invite("address")
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/api/v1/health", "/node/v2", "/node/v1"):
            async with session.get(f"https://127.0.0.1:{board.port}{path}", ssl=False) as answer:
                assert answer.status >= 400
                assert "python" not in answer.headers.get("Server", "").lower()


# ---- hello


@pytest.mark.parametrize(
    "first",
    [
        "{",
        "[]",
        '{"type":1}',
        '{"type":"hello"}',
        '{"type":"watched","seq":1,"at":{"wall":0,"mono":0,"boot":0}}',
        '{"type":"something new"}' * 2,
        "x" * (LONGEST_TEXT + 1),
        b"",
        b"\x01" + b"\0" * 39,
    ],
)
async def test_a_connection_begins_with_hello(hub: NodeHub, first: str | bytes) -> None:
    hub.forgive()
    board, _ = await hub.invite("malformed")
    assert await refused(board, first) == Close.MALFORMED


async def test_another_version_is_told_so(hub: NodeHub) -> None:
    board = await hub.board("version")
    assert await refused(board, board.hello(protocol=2)) == Close.VERSION


async def test_a_message_too_large_for_a_websocket_ends_it(hub: NodeHub) -> None:
    async with hub.talking("huge") as talk:
        await talk.socket.send_bytes(b"\x01" * (5 << 20))
        assert await talk.closed() in (aiohttp.WSCloseCode.MESSAGE_TOO_BIG, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
        await hub.gone(talk.board)
    assert hub.nodes.refused[Refusal.TOO_LARGE] == 1


async def test_a_node_numbering_behind_gets_another_epoch(hub: NodeHub) -> None:
    async with hub.talking("copied") as talk:
        board = talk.board
        await talk.send(board.frame(), board.frame())
        await talk.acknowledged(2)
    await hub.gone(board)
    async with connected(board) as talk:  # its card is from before
        await talk.send(board.hello(last=1))
        accepted = await talk.expect(Accepted)
        assert accepted.node == board.node
        assert accepted.epoch > board.epoch
        board.epoch, board.last = accepted.epoch, 0
        assert (await talk.hello()).acknowledged == 0
        await talk.send(board.frame())
        assert await talk.acknowledged(1) == [1]
    assert await hub.frames("copied") == [(1, 1), (1, 2), (accepted.epoch, 1)]


async def test_a_node_that_missed_its_new_epoch_is_told_again(hub: NodeHub) -> None:
    async with hub.talking("missed") as talk:
        board = talk.board
        await talk.send(board.frame())
        await talk.acknowledged(1)
    epochs = []
    for _ in range(2):
        await hub.gone(board)
        async with connected(board) as talk:
            await talk.send(board.hello(last=0))
            epochs.append((await talk.expect(Accepted)).epoch)
    assert epochs[0] == epochs[1] == board.epoch + 1


@pytest.mark.parametrize("other", [b"another one", b"fIrst"])
async def test_a_number_given_twice_is_no_duplicate(
    hub: NodeHub, other: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A card restored from a copy counted on without the hub: nothing may be taken for what it is not."""
    camera = f"twice-{len(other)}"
    async with hub.talking(camera) as talk:
        board = talk.board
        await talk.send(board.frame(JPEG + b"first"))
        await talk.acknowledged(1)
    await hub.gone(board)
    async with connected(board) as talk:
        await talk.hello()
        await talk.send(board.frame(JPEG + other, number=1))
        assert await talk.closed() == Close.MALFORMED
        assert not [message for message in talk.heard if isinstance(message, Acknowledged)]
    await hub.gone(board)
    async with connected(board) as talk:
        await talk.send(board.hello())
        assert (await talk.expect(Accepted)).epoch == board.epoch + 1
    assert await hub.frames(camera) == [(1, 1)]
    assert hub.nodes.unnoted(board.node) == {Refusal.NUMBER_TWICE: 1}
    assert f"node {board.node} at 127.0.0.1 was refused: number given to two pictures" in caplog.text


async def test_a_frame_from_before_checksums_were_kept_goes_by_its_length(hub: NodeHub) -> None:
    async with hub.talking("older") as talk:
        board = talk.board
        await talk.send(board.frame(JPEG))
        await talk.acknowledged(1)
    await hub.gone(board)
    async with hub.opened.database.write() as connection:
        await connection.execute(text("UPDATE frames SET checksum = NULL WHERE camera = 'older'"))
    async with connected(board) as talk:
        await talk.hello()
        await talk.send(board.frame(JPEG, number=1))
        assert await talk.acknowledged(1) == [1]


# ---- the log


async def test_entries_sent_again_count_once(hub: NodeHub) -> None:
    async with hub.talking("again") as talk:
        board = talk.board
        entries = [board.frame(JPEG + bytes([number])) for number in range(3)]
        await talk.send(*entries, board.watched())
        assert await talk.acknowledged(4) == [1, 2, 3, 4]
    await hub.gone(board)
    async with connected(board) as talk:
        assert (await talk.hello()).acknowledged == 4
        await talk.send(*entries)
        assert await talk.acknowledged(3) == [1, 2, 3]
    assert await hub.frames("again") == [(1, 1), (1, 2), (1, 3)]


async def test_numbers_that_are_missing_are_not_acknowledged(hub: NodeHub) -> None:
    async with hub.talking("gaps") as talk:
        board = talk.board
        await talk.send(board.frame(number=1), board.frame(number=5), Dropped(3, 4, 2, "full"))
        assert sorted(await talk.acknowledged(4)) == [1, 3, 4, 5]
        board.last = 5
    await hub.gone(board)
    async with connected(board) as talk:
        assert (await talk.hello()).acknowledged == 1
        await talk.send(board.frame(number=2))
        await talk.acknowledged(1)
    await hub.gone(board)
    async with connected(board) as talk:
        assert (await talk.hello()).acknowledged == 5


@pytest.mark.parametrize("number", [2, 1])
async def test_entries_come_in_the_order_of_their_numbers(hub: NodeHub, number: int) -> None:
    async with hub.talking(f"order-{number}") as talk:
        await talk.send(talk.board.frame(number=2))
        await talk.send(talk.board.frame(number=number))
        assert await talk.closed() == Close.MALFORMED


async def test_without_a_credit_nothing_may_be_sent(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    board = await hub.board("greedy")
    async with connected(board) as talk:
        credits_ = (await talk.hello()).credits

        async def never(camera: str, event: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(hub.nodes, "deliver", never)
        await talk.send(*(board.frame() for _ in range(credits_)))
        await talk.send(Health(uptime=1.0))  # is no entry
        await asyncio.sleep(0.1)
        assert hub.nodes.session(board.node) is not None
        await talk.send(board.frame())
        assert await talk.closed() == Close.TOO_FAST


async def test_credits_come_back(hub: NodeHub) -> None:
    board = await hub.board("credits")
    async with connected(board) as talk:
        left = (await talk.hello()).credits
        for _ in range(3 * left):
            await talk.send(board.frame())
            left -= 1
            if left == 0:
                left += (await talk.expect(Acknowledged)).credits
        assert left > 0


async def test_chatter_ends_a_connection(hub: NodeHub) -> None:
    async with hub.talking("chatter") as talk:
        for _ in range(100):
            await talk.send(Health(uptime=1.0))
        assert await talk.closed() == Close.TOO_FAST


async def test_what_is_no_picture_is_refused_alone(hub: NodeHub) -> None:
    async with hub.talking("no-picture") as talk:
        await talk.send(talk.board.frame(b"GIF89a"), talk.board.frame())
        answer = await talk.expect(Refused)
        assert (answer.seq, answer.credits) == (1, 1)
        assert "JPEG" in answer.reason
        assert await talk.acknowledged(1) == [2]
    assert await hub.frames("no-picture") == [(1, 2)]
    await hub.nodes.note()
    assert (await hub.registry.one(talk.board.node)).refusals == {"entry sent back: it is no JPEG": 1}


async def test_a_picture_that_arrives_changed_ends_the_connection(hub: NodeHub) -> None:
    async with hub.talking("changed") as talk:
        data = bytearray(encode_picture(talk.board.frame()))
        data[-1] ^= 1
        await talk.socket.send_bytes(bytes(data))
        assert await talk.closed() == Close.MALFORMED


async def test_what_a_newer_node_says_is_passed_over(hub: NodeHub) -> None:
    async with hub.talking("newer") as talk:
        await talk.socket.send_str(json.dumps({"type": "song", "verses": 3}))
        await talk.socket.send_bytes(b"\x07" + b"\0" * 60)
        longer = bytearray(encode_picture(talk.board.frame()))
        longer[2:4] = struct.pack(">H", 48)
        longer[40:40] = b"later on"
        await talk.socket.send_bytes(bytes(longer))
        assert await talk.acknowledged(1) == [1]


# ---- time


async def test_a_wrong_clock_is_corrected(hub: NodeHub) -> None:
    board = await hub.board("skewed")
    board.ahead = -86_400_000_000
    async with connected(board) as talk:
        await talk.hello()
        await talk.send(board.frame())
        await talk.acknowledged(1)
        assert hub.nodes.session(board.node).told.skew / timedelta(days=1) == pytest.approx(-1, abs=1e-4)  # type: ignore[union-attr]
    async with hub.opened.database.read() as connection:
        row = await listing.numbered(connection, "skewed", board.epoch, 1)
    assert abs(hub.opened.clock.now() - row["captured_at"]) < timedelta(seconds=5)  # type: ignore[index]


async def test_a_boot_that_the_hub_never_met_counts_by_a_clock_that_was_set(hub: NodeHub) -> None:
    async with hub.talking("unmet") as talk:
        board = talk.board
        now = board.now()
        unset = Moment(now.wall, 1_000, now.boot ^ 1, synchronised=False)
        was_set = Moment(now.wall - 3_600_000_000, 1_000, now.boot ^ 2, synchronised=True)
        await talk.send(board.frame(at=unset), board.frame(at=was_set))
        refused_ = await talk.expect(Refused)
        assert refused_.seq == 1
        assert "clock" in refused_.reason
        assert await talk.acknowledged(1) == [2]


async def test_nothing_comes_from_the_future(hub: NodeHub) -> None:
    async with hub.talking("future") as talk:
        board = talk.board
        now = board.now()
        later = Moment(now.wall, now.mono + 3_600_000_000, now.boot)
        await talk.send(board.frame(at=later), Watched(board.number(), later))
        assert [(await talk.expect(Refused)).seq for _ in range(2)] == [1, 2]


async def test_frames_of_an_earlier_boot_keep_their_time(hub: NodeHub) -> None:
    """The board starts anew, and so does what the hub remembers in memory."""
    async with hub.talking("rebooted") as talk:
        board = talk.board
        await talk.send(board.frame())
        await talk.acknowledged(1)
        taken = board.now()
    await hub.gone(board)
    await hub.nodes.note()
    hub.nodes._before.clear()
    board.boot ^= 1
    async with connected(board) as talk:
        await talk.hello()
        await talk.send(board.frame(at=taken))
        assert await talk.acknowledged(1) == [2]


# ---- configuration, and an administrator's doing


async def test_the_welcome_says_what_to_do(hub: NodeHub) -> None:
    board = await hub.board("door", None)
    async with connected(board) as talk:
        welcome = await talk.hello()
    assert welcome.config["interval"] == 1.0
    assert welcome.config["motion"] == {"threshold": 12.0, "share": 0.01, "hold": 10.0}
    assert "active" not in welcome.config  # hours: always
    assert abs(welcome.now / 1e6 - hub.opened.clock.now().timestamp()) < 10


async def test_a_snapshot_nobody_asked_for(hub: NodeHub) -> None:
    async with hub.talking("unasked-snapshot") as talk:
        await talk.send(Picture(PictureKind.SNAPSHOT, 7, talk.board.now(), JPEG))
        assert await talk.closed() == Close.MALFORMED
    assert talk.board.node not in hub.nodes.snapshots
