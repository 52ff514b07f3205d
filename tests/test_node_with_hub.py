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
from tests.support.node_hub import NodeHub, node_hub, school_in


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
