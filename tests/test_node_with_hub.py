"""A node's log and link against the hub itself: what was kept is in the ledger once and reaches an outcome."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from node.link import Phase
from node.wire import Moment
from tests.node.conftest import Rig, rigged
from tests.support.before_camera import whole_node
from tests.support.node_hub import NodeHub, node_hub, school_in
from tests.support.small_hub import small_hub


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NodeHub]:
    monkeypatch.setattr("hub.nodes.service.LOOK", 0.02)
    (tmp_path / "hub").mkdir()
    with school_in(tmp_path / "hub") as school:
        async with node_hub(school) as running:
            yield running


def picture(number: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), (number % 256, 90, 120)).save(made, "JPEG")
    return made.getvalue()


async def keep(rig: Rig, count: int, age: float = 10.0) -> None:
    for _ in range(count):
        rig.sent += 1
        now = rig.clock.now()
        at = Moment(now.wall - int(age * 1e6), now.mono - int(age * 1e6), now.boot, True)
        await rig.log.frame(at, picture(rig.sent), moved=True)
        await rig.log.watched(at, 1.0)


async def test_paired_confirmed_and_cut_off_again_and_again(hub: NodeHub, tmp_path: Path) -> None:
    invite = await hub.registry.invite("front", "101")
    where = await hub.service.where()
    chance = random.Random(3)
    async with rigged(tmp_path / "node") as rig:
        rig.link.invite(invitation(invite, open_identity(hub.service.data), hub.opened.configured.nodes, where))
        await rig.until(Phase.UNCONFIRMED)
        await keep(rig, 5)
        assert rig.state.paired is not None
        await hub.registry.confirm(rig.state.paired.node)
        await rig.until(Phase.CONNECTED)
        for _ in range(4):
            await keep(rig, 5)
            await asyncio.sleep(chance.random() / 10)
            session = hub.nodes.session(rig.state.paired.node)
            if session is not None:
                session._link._transport.abort()
        await rig.drained()
        numbers = [number for _, number in await hub.frames("front")]
        assert len(numbers) == len(set(numbers)) == rig.sent == 25
        assert sum((await hub.drained()).values()) == 25
        await hub.registry.remove(rig.state.paired.node)
        await rig.until(Phase.UNPAIRED)


async def test_a_node_whose_hub_is_lost_is_moved_by_a_code_before_its_camera(
    hub: NodeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody logs in to it. It shows itself and is confirmed at once; it comes when its own hub is away for good."""
    monkeypatch.setattr("node.claims.LOOKS_AFTER", 0.0)
    monkeypatch.setattr("node.claims.TURN", 0.5)
    (tmp_path / "lost").mkdir()
    async with whole_node(tmp_path / "node") as node:
        async with small_hub(tmp_path / "lost", config={"keepalive": 1}) as lost:
            await node.paired_by(lost.invitation().uri(), Phase.CONNECTED)
            await lost.until(lost.frames)
        await node.until(Phase.NO_HUB)
        invite = await hub.registry.invite("rescued", "101")
        where = await hub.service.where()
        code = invitation(invite, open_identity(hub.service.data), hub.opened.configured.nodes, where)
        await node.paired_by(code.uri(), Phase.UNCONFIRMED)
        (known,) = await hub.registry.everyone()
        async with asyncio.timeout(30):
            while known.id not in hub.nodes.snapshots:
                await asyncio.sleep(0.02)
            await hub.service.confirm(known.id)
            while not (node.agent.state.coming and node.agent.state.coming.confirmed):
                await asyncio.sleep(0.02)
            while "code was shown to it" not in (await hub.site.get("/nodes")).text:
                await asyncio.sleep(0.02)
            while not (await node.log.report()).frames:
                await asyncio.sleep(0.02)
            assert await hub.frames("rescued") == []
            monkeypatch.setattr("node.claims.HOLDS", 0.0)
            await node.until(Phase.CONNECTED)
            assert "code was shown to it" not in node.agent.link.problem
            node.scene.hold(code.uri())  # something moves
            while not await hub.frames("rescued"):
                await asyncio.sleep(0.02)
        assert (await hub.registry.one(known.id)).refusals == {}
        assert hub.nodes.refused == {}
