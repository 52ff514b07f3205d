"""What a node holds in memory: within bounds as a process, and no more after many pictures than after few."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from pathlib import Path

from node.entries import Entry, Outgoing
from node.segments import Record, Segment
from node.wire import Picture
from tests.node.conftest import Rig
from tests.support.node_process import Place
from tests.support.small_hub import SmallHub

CEILING = 72_000_000
"""Bytes of resident memory. It has 52 MB of which 16 are numpy's; whatever is loaded by mistake has 5 to 50."""
HELD = Entry, Outgoing, Picture, Record, Segment, asyncio.Task


async def test_a_process_within_its_bounds(folder: Path, hub: SmallHub) -> None:
    hub.config = {"interval": 0.05}
    place = Place(folder)
    assert (await place.does("pair", stdin=hub.invitation().uri()))[0] == 0
    async with place.running() as node:
        await hub.until(lambda: len(hub.frames()) > 20)
        pages = int(Path(f"/proc/{node.pid}/statm").read_text().split()[1])
        await place.stops(node)
    assert pages * os.sysconf("SC_PAGE_SIZE") < CEILING


async def test_nothing_is_held_of_what_is_acknowledged(paired: Rig, hub: SmallHub) -> None:
    for _ in range(20):
        await paired.frame()
    await paired.drained()
    before = held()
    for _ in range(400):
        await paired.frame()
    await paired.drained()
    assert len(hub.frames()) == 420
    assert held() - before == Counter()


def held() -> Counter[type]:
    gc.collect()
    return Counter(type(one) for one in gc.get_objects() if isinstance(one, HELD))
