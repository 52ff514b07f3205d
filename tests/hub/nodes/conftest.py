"""One hub for all tests of a module, each of which has cameras and nodes of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from hub.inbox import WRITERS
from tests.support.fras import School
from tests.support.node_hub import NodeHub, node_hub, school_in
from tests.support.simulated_time import HubClock, SimulatedTime


@pytest.fixture(scope="module")
def school_of_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """It knows ada."""
    with school_in(tmp_path_factory.mktemp("nodes")) as school:
        school.enrol("ada")
        yield school


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(school_of_nodes: School) -> AsyncIterator[NodeHub]:
    """It looks at the database more often than others, so that nobody waits long for what was confirmed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.nodes.service.LOOK", 0.02)
        async with node_hub(school_of_nodes) as running:
            await _all_threads(running)
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def later_hub(school_of_nodes: School) -> AsyncIterator[NodeHub]:
    """The same in simulated time, which begins at eight tomorrow: what was consented to today stands then."""
    tomorrow = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=1)
    clock = HubClock(SimulatedTime(tomorrow.replace(hour=8, minute=0, second=0, microsecond=0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.nodes.service.LOOK", 0.1)
        patch.setattr("hub.running.LOOK_AGAIN", 3600.0)
        patch.setattr("hub.app.SystemClock", lambda: clock)
        async with node_hub(school_of_nodes) as running:
            await _all_threads(running)
            yield running


async def _all_threads(hub: NodeHub) -> None:
    """Starts what is started when it is needed first, so that no test seems to have left it running."""
    threads = hub.works._inbox._threads
    loop, all_there = asyncio.get_running_loop(), threading.Barrier(WRITERS)
    await asyncio.gather(*(loop.run_in_executor(threads, all_there.wait) for _ in range(WRITERS)))
