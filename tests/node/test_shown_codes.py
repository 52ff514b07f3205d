"""Codes before the camera of the whole node: on a new board, and on one whose hub is away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from node import wifi
from node.counters import OTHER_HUB, OTHER_KEY
from node.link import Phase
from node.parts import Sign
from node.wire import Health, TakeSnapshot
from tests.support.small_hub import Key, SmallHub, small_hub

pytest.importorskip("cv2", reason="pictures are rendered by OpenCV, which a node does not have")
pytest.importorskip("zxingcpp", reason="there is no zxing-cpp")

from tests.support.before_camera import whole_node


@pytest.fixture(autouse=True)
def quick(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that NetworkManager serves, and that does not wait."""
    (folder / "connections").mkdir()
    monkeypatch.setattr(wifi, "CONNECTIONS", folder / "connections")
    monkeypatch.setattr("node.claims.LOOKS_AFTER", 0.0)
    monkeypatch.setattr("node.claims.TURN", 0.3)
    monkeypatch.setattr("node.agent.CODE_READ", 1.0)
    monkeypatch.setattr("node.pauses.SHORTEST", 0.1)
    monkeypatch.setattr("node.watching.CODES", 50_000)


def left(data: Path) -> list[str]:
    """The Wi-Fi that root would join now."""
    found: list[str] = json.loads((data / wifi.FILE).read_text())
    return found


async def test_a_wrong_code_on_a_new_board_is_mended_by_another(folder: Path, hub: SmallHub) -> None:
    """Its host does not exist, and its Wi-Fi neither; nobody can log in to the board."""
    hub.confirmed = False
    wrong = replace(hub.invitation(), host="127.0.0.2", network=("Schol", "correct horse"))
    async with whole_node(folder / "node") as node:
        await node.shows(Sign.WANTS_CODE)
        await node.paired_by(wrong.uri(), Phase.NO_HUB)
        assert left(folder / "node") == ["Schol", "correct horse"]
        await node.shows(Sign.NO_HUB)
        right = replace(hub.invitation(), network=("School", "correct horse"))
        await node.paired_by(right.uri(), Phase.UNCONFIRMED)
        assert left(folder / "node") == ["School", "correct horse"]
        await node.shows(Sign.UNCONFIRMED)
        await hub.confirm()
        await node.shows(Sign.PAIRED)
    signs = [Sign.WANTS_CODE, Sign.HERE, Sign.NO_HUB, Sign.HERE, Sign.UNCONFIRMED, Sign.PAIRED, Sign.OFF]
    assert node.scene.signs == signs


@pytest.mark.parametrize("network", [True, False])
async def test_another_hubs_code_before_a_node_whose_hub_is_briefly_away(
    folder: Path, hub: SmallHub, network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets a snapshot and nothing else, and no node; its Wi-Fi only where there is none. Its own hub hears of it."""
    for place in ("node.link.has_network", "node.board.has_network"):
        monkeypatch.setattr(place, lambda: network)
    (folder / "other").mkdir()
    async with whole_node(folder / "node") as node, small_hub(folder / "other") as other:
        hub.config = {"keepalive": 1}
        await node.paired_by(hub.invitation().uri(), Phase.CONNECTED)
        await hub.until(hub.frames)
        await hub.kill()
        await node.until(Phase.NO_HUB if network else Phase.NO_NETWORK)
        await node.paired_by(replace(other.invitation(), network=("Theirs", "12345678")).uri(), Phase.UNCONFIRMED)
        assert (folder / "node" / wifi.FILE).exists() is not network
        async with asyncio.timeout(30):
            while 1 not in other.snapshots:  # a turn with the other hub is short here, and a busy machine slow
                await other.say(TakeSnapshot(1))
                await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            while not (await node.log.report()).frames:
                await asyncio.sleep(0.02)
        if not network:
            await node.paired_by(replace(other.invitation(), network=("Ours", "12345678")).uri(), Phase.UNCONFIRMED)
            monkeypatch.setattr("node.board.has_network", lambda: True)
            node.scene.hold(replace(other.invitation(), network=("Ours again", "12345678")).uri())
            await other.until(lambda: left(folder / "node") == ["Ours again", "12345678"])
            node.scene.take_away()
        known, right = len(hub.frames()), hub.key
        hub.key = Key(folder, "stranger")
        await hub.start()
        async with asyncio.timeout(30):
            while OTHER_KEY not in (await node.log.report()).incidents:
                await asyncio.sleep(0.02)
        await hub.kill()
        hub.key = right
        await hub.start()
        await hub.until(lambda: len(hub.frames()) > known)
        await hub.until(lambda: any(health.incidents for health in hub.heard(Health)))
        assert {what for health in hub.heard(Health) for what in health.incidents or {}} == {OTHER_HUB, OTHER_KEY}
        assert other.deliveries == {}
        assert node.agent.state.coming is None
        assert node.phase is Phase.CONNECTED
