"""One hub for all tests of a module, each of which has cameras and nodes of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from hub.inbox import WRITERS
from tests.support.fras import School
from tests.support.node_hub import NodeHub, node_hub, school_in


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


async def _all_threads(hub: NodeHub) -> None:
    """Starts what is started when it is needed first, so that no test seems to have left it running."""
    threads = hub.works._inbox._threads
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(threads, time.sleep, 0.05) for _ in range(WRITERS)))
