"""Who is let in, by docs/node-protocol.md: pairing, credentials and their rotation, and who is refused."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b32encode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256

import aiohttp
import pytest
from sqlalchemy import text

from hub.nodes.registry import Refusal
from node.wire import (
    Acknowledged,
    Close,
    Configured,
    Credential,
    Health,
    Pair,
    Picture,
    PictureKind,
    Rotate,
    Rotated,
    TakeSnapshot,
    Waiting,
    Welcome,
    proof_of,
)
from tests.support.node_client import JPEG, Board, Talk, connected, refused
from tests.support.node_hub import NodeHub

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ---- the connection


async def test_a_hub_with_another_key_is_told_nothing(hub: NodeHub) -> None:
    board, token = await hub.invite("wrong-pin")
    stranger = Board((os.urandom(32), os.urandom(32)), board.port)
    before = hub.nodes.refused.total()
    with pytest.raises(aiohttp.ServerFingerprintMismatch):
        async with connected(stranger) as talk:
            await talk.pair(token)
    assert hub.nodes.refused.total() == before
    assert (await hub.registry.invitation(token)).node is None  # type: ignore[union-attr]


# ---- pairing


async def test_pairing_waits_for_a_person_and_goes_on_in_the_same_connection(hub: NodeHub) -> None:
    board, token = await hub.invite("pairing")
    async with connected(board) as talk:
        accepted = await talk.pair(token)
        assert (await talk.receive()) == Waiting()
        asked = await talk.expect(TakeSnapshot)
        await talk.send(Picture(PictureKind.SNAPSHOT, asked.request, board.now(), JPEG + b"door"))
        await talk.send(Health(uptime=5.0))
        await asyncio.sleep(0.05)
        assert hub.nodes.snapshots[accepted.node].jpeg == JPEG + b"door"
        await hub.registry.confirm(accepted.node)
        welcome = await talk.expect(Welcome)
        assert welcome.credits > 0
        assert welcome.acknowledged == 0
        await talk.send(board.frame())
        assert await talk.acknowledged(1) == [1]
    assert await hub.frames("pairing") == [(accepted.epoch, 1)]


@pytest.mark.parametrize("said", ["frame", "watched", "configured", "credential", "hello"])
async def test_whoever_waits_may_not_say_more(hub: NodeHub, said: str) -> None:
    board, token = await hub.invite(f"waits-{said}")
    async with connected(board) as talk:
        await talk.pair(token)
        message = {
            "frame": board.frame(),
            "watched": board.watched(),
            "configured": Configured("1"),
            "credential": Credential(os.urandom(32)),
            "hello": board.hello(),
        }[said]
        await talk.send(message)
        assert await talk.closed() == Close.MALFORMED
    assert await hub.frames(f"waits-{said}") == []


async def test_the_answer_to_pair_may_be_lost(hub: NodeHub) -> None:
    board, token = await hub.invite("lost-answer")
    async with connected(board) as talk:
        first = await talk.pair(token)
    await hub.gone(board)
    async with connected(board) as talk:
        assert await talk.pair(token) == first
        await talk.waiting()
    assert len([node for node in await hub.registry.everyone() if node.camera == "lost-answer"]) == 1


async def test_a_hub_proves_that_it_knew_the_node(hub: NodeHub) -> None:
    """By what it has of the node's credential, and for this pairing alone."""
    before = await hub.board("proved")
    board, token = await hub.invite("proved")
    async with connected(board) as talk:
        accepted = await talk.pair(token, was=before.node)
    assert accepted.proof == proof_of(sha256(before.credential).digest(), board.pins[0], token, board.credential)
    for was in (None, "n-unknown"):
        board, token = await hub.invite("proved")
        async with connected(board) as talk:
            assert (await talk.pair(token, was=was)).proof is None


async def test_a_token_is_good_once(hub: NodeHub) -> None:
    board, token = await hub.invite("replayed")
    async with connected(board) as talk:
        await talk.pair(token)
        thief = Board(board.pins, board.port)
        assert await refused(thief, Pair(token, thief.credential, "test")) == Close.UNAUTHORISED
    assert hub.nodes.refused[Refusal.USED_TOKEN] == 1


async def test_a_token_that_expired_or_never_was_is_nothing(hub: NodeHub) -> None:
    invite = await hub.registry.invite("expired", "101", timedelta(0))
    board, _ = await hub.invite("unknown")
    assert await refused(board, Pair(invite.token, board.credential, "test")) == Close.UNAUTHORISED
    assert await refused(board, Pair(os.urandom(20), board.credential, "test")) == Close.UNAUTHORISED
    assert hub.nodes.refused[Refusal.EXPIRED_TOKEN] == hub.nodes.refused[Refusal.UNKNOWN_TOKEN] == 1


async def test_an_invitation_lasts_ten_minutes_at_most(hub: NodeHub) -> None:
    before = hub.opened.clock.now()
    invite = await hub.registry.invite("long", "101", timedelta(hours=5))
    assert invite.expires_at - before < timedelta(minutes=10, seconds=5)
    assert len(invite.token) >= 16


# ---- hello


async def test_a_node_that_is_not_known_or_shows_another_credential_is_not_let_in(hub: NodeHub) -> None:
    board, other = await hub.board("mine"), await hub.board("other")
    assert await refused(board, board.hello(node="n-00000000")) == Close.UNAUTHORISED
    assert await refused(board, board.hello(credential=os.urandom(32))) == Close.UNAUTHORISED
    assert await refused(board, board.hello(node=other.node)) == Close.UNAUTHORISED  # another's id
    assert hub.nodes.refused[Refusal.UNKNOWN_NODE] == 1
    assert hub.nodes.refused[Refusal.WRONG_CREDENTIAL] == 2
    hub.forgive()


# ---- two holders of one credential


async def test_a_credential_in_use_is_refused_to_another(hub: NodeHub) -> None:
    async with hub.talking("stolen") as talk:
        answering = asyncio.create_task(talk.expect(Acknowledged))
        assert await refused(talk.board, talk.board.hello()) == Close.DUPLICATE
        await talk.send(talk.board.frame())  # whoever was there first goes on
        await answering
    await hub.nodes.note()
    node = await hub.registry.one(talk.board.node)
    assert node.refusals == {str(Refusal.DUPLICATE): 1}


async def test_a_dead_connection_gives_way(hub: NodeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.session.ALIVE_WITHIN", 0.3)
    async with hub.talking("half-open") as talk:
        talk.mute = True
        async with connected(talk.board) as again:
            await again.hello()
            await again.send(talk.board.frame())
            assert await again.acknowledged(1) == [1]
            assert await talk.closed() == Close.REPLACED


# ---- rotation


async def rotated(hub: NodeHub, talk: Talk) -> bytes:
    new = os.urandom(32)
    await hub.nodes.rotate(talk.board.node)
    await talk.expect(Rotate)
    await talk.send(Credential(new))
    await talk.expect(Rotated)
    return new


async def test_a_credential_ends_when_the_new_one_is_used(hub: NodeHub) -> None:
    async with hub.talking("rotates") as talk:
        board = talk.board
        new = await rotated(hub, talk)
    await hub.gone(board)
    async with connected(board) as talk:  # `rotated` was lost: the older one still works
        await talk.hello()
    await hub.gone(board)
    async with connected(board) as talk:
        await talk.hello(credential=new)
    await hub.gone(board)
    assert await refused(board, board.hello()) == Close.UNAUTHORISED
    assert hub.nodes.refused[Refusal.RETIRED_CREDENTIAL] == 1
    hub.forgive()


async def test_no_older_credential_is_of_use_where_newer_ones_are_known(hub: NodeHub) -> None:
    board = await hub.board("stolen")
    stolen = []
    for _ in range(3):
        stolen.append(board.credential)
        async with connected(board) as talk:
            await talk.hello()
            board.credential = await rotated(hub, talk)
        await hub.gone(board)
        async with connected(board) as talk:
            await talk.hello()
        await hub.gone(board)
    for credential in stolen:
        assert await refused(board, board.hello(credential=credential)) == Close.UNAUTHORISED
    shown = hub.nodes.unnoted(board.node)
    assert shown == {Refusal.WRONG_CREDENTIAL: 2, Refusal.RETIRED_CREDENTIAL: 1}
    hub.forgive()


async def test_credentials_change_daily(hub: NodeHub) -> None:
    board = await hub.board("daily")
    node = await hub.registry.one(board.node)
    await hub.registry._put(node, credential_since=node.credential_since - timedelta(days=2))
    async with connected(board) as talk:
        await talk.hello()
        await talk.expect(Rotate)


async def test_nobody_changes_a_credential_unasked(hub: NodeHub) -> None:
    async with hub.talking("unasked") as talk:
        await talk.send(Credential(os.urandom(32)))
        assert await talk.closed() == Close.MALFORMED


async def test_neither_tokens_nor_credentials_are_stored(hub: NodeHub) -> None:
    board, token = await hub.invite("hashed")
    async with connected(board) as talk:
        await talk.pair(token)
    async with hub.opened.database.read() as connection:
        for table in ("nodes", "node_invitations"):
            stored = str((await connection.execute(text(f"SELECT * FROM {table}"))).all())
            for secret in (token, board.credential):
                assert secret.hex() not in stored
                assert repr(secret) not in stored


# ---- configuration, and an administrator's doing


async def test_a_removed_node_is_told_at_once_and_ever_after(hub: NodeHub) -> None:
    async with hub.talking("removed") as talk:
        await hub.registry.remove(talk.board.node)
        assert await talk.closed() == Close.REVOKED
    assert await refused(talk.board, talk.board.hello()) == Close.REVOKED
    assert await refused(talk.board, talk.board.hello(credential=os.urandom(32))) == Close.UNAUTHORISED
    assert "removed" not in {camera.id for camera in hub.opened.settings.cameras}


async def test_a_node_in_place_of_another(hub: NodeHub) -> None:
    async with hub.talking("replaced") as talk:
        await talk.send(talk.board.frame())
        await talk.acknowledged(1)
        other = await hub.board("replaced")
        assert await talk.closed() == Close.REVOKED
        assert other.epoch > talk.board.epoch
    async with connected(other) as talk:
        await talk.hello()
        await talk.send(other.frame())
        await talk.acknowledged(1)
    assert await hub.frames("replaced") == [(1, 1), (2, 1)]


async def test_log_lines_hold_no_secrets(hub: NodeHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    board, token = await hub.invite("logged")
    async with connected(board) as talk:
        await talk.pair(token)
        thief = Board(board.pins, board.port)
        await refused(thief, Pair(token, thief.credential, "test"))
        await refused(board, json.dumps({"type": "hello", "node": board.node}))
    assert "was refused: token used before" in caplog.text
    for secret in (token, board.credential, thief.credential):
        for written in (secret.hex(), urlsafe_b64encode(secret).decode().rstrip("="), b32encode(secret).decode()):
            assert written not in caplog.text
    hub.forgive()


async def test_whoever_keeps_failing_is_not_listened_to(hub: NodeHub) -> None:
    hub.forgive(3)
    board = await hub.board("guessed")
    for _ in range(3):
        assert await refused(board, board.hello(credential=os.urandom(32))) == Close.UNAUTHORISED
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with connected(board):
            pass
    hub.forgive()
