"""`fras check --connect` says of each camera that is a node how its node stands."""

from __future__ import annotations

import pytest

from hub.connecting import Tried, try_services
from hub.runtime.tasks import Abandoned
from tests.support.node_client import connected
from tests.support.node_hub import NodeHub

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def door(hub: NodeHub) -> Tried:
    school = hub.opened
    found = await try_services(school.configured, school.catalog, school.paths, Abandoned(), patience=60)
    (camera,) = (one for one in found if one.service == "camera door")
    return camera


async def test_a_node_is_waited_for_then_confirmed_then_heard_of(hub: NodeHub) -> None:
    assert (await door(hub)).message == "waits for its node: with the hub running, fras nodes add --camera door"
    board, token = await hub.invite("door", None)
    async with connected(board) as talk:
        await talk.pair(token)
        await talk.waiting()
    assert (await door(hub)).message == f"node {board.node} waits to be confirmed: fras nodes confirm {board.node}"
    await hub.registry.confirm(board.node)
    assert (await door(hub)).message.startswith(f"node {board.node} is paired; last heard of 20")
    await hub.registry.remove(board.node)
    assert (await door(hub)).message.startswith("waits for its node")
    assert (await door(hub)).works
