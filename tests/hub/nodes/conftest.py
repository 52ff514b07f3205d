"""One hub for all tests of a module, each of which has cameras and nodes of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hub.inbox import WRITERS
from tests.support.node_hub import NodeHub, node_hub, school_in


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeHub]:
    """It looks at the database more often than others, so that nobody waits long for what was confirmed."""
    with pytest.MonkeyPatch.context() as patch, school_in(tmp_path_factory.mktemp("nodes")) as school:
        patch.setattr("hub.nodes.service.LOOK", 0.02)
        async with node_hub(school) as running:
            await _all_threads(running)
            yield running


async def _all_threads(hub: NodeHub) -> None:
    """Starts what is started when it is needed first, so that no test seems to have left it running."""
    threads = hub.works._inbox._threads
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(threads, time.sleep, 0.05) for _ in range(WRITERS)))
