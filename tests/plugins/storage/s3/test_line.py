"""Calls while the bucket is away: they fail at once, and cost nothing that adds up."""

from __future__ import annotations

import asyncio
import threading
import traceback
from pathlib import Path

import pytest

from hub.plugin import NotReady
from hub.plugin.testing import make_context
from hub.plugin.testing.context import THREADS
from plugins.storage.s3.line import Line
from plugins.storage.s3.options import Options
from plugins.storage.s3.storage import S3
from plugins.storage.s3.wires import _use
from tests.support.s3_servers import Server, drip, fault_proxy, forward, refused, until

from .conftest import Opener


async def test_calls_fail_at_once_with_a_fresh_error_until_it_is_tried_again(bucket: str, opened: Opener) -> None:
    async with fault_proxy("http://127.0.0.1:9") as proxy:
        await proxy.set(None)
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            lengths = []
            for _ in range(5):
                with pytest.raises(NotReady, match="cannot be reached") as told:
                    await storage.get("a")
                lengths.append(len(traceback.extract_tb(told.value.__traceback__)))
    assert lengths[1:] == lengths[1:2] * 4, "one error raised again and again keeps all its frames"
    assert proxy.connections == 0


async def test_to_wait_for_a_thread_is_not_to_be_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as long as a call may take, in the plugin's own queue."""
    monkeypatch.setattr("plugins.storage.s3.line.LONGEST_CALL", 0.2)
    options = Options.of({**Server("http://127.0.0.1:9").config("crops"), "links": "proxied", "spool": 1}, tmp_path)
    over = threading.Event()
    async with make_context(tmp_path) as context:
        line = Line(context, options)
        holding = [asyncio.create_task(context.run_blocking(over.wait)) for _ in range(THREADS)]
        waiting = asyncio.create_task(line.call(_uses_its_wire))
        await asyncio.sleep(0.4)
        over.set()
        assert await waiting == "an answer"
        assert line.trouble is None
        await asyncio.gather(*holding)


def _uses_its_wire() -> str:
    _use(None)
    return "an answer"


async def test_calls_that_fail_together_are_one_failure(
    bucket: str, opened: Opener, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would double the time until the bucket is tried again."""
    monkeypatch.setattr("plugins.storage.s3.line.FIRST_WAIT", 30.0)
    monkeypatch.setattr("plugins.storage.s3.line.LONGEST_WAIT", 10_000.0)
    async with fault_proxy("http://127.0.0.1:9") as proxy:
        await proxy.set(refused("503 Slow Down", "SlowDown"))
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            assert isinstance(storage, S3)
            calls = [storage.get(f"{number}") for number in range(THREADS)]
            assert all(isinstance(one, NotReady) for one in await asyncio.gather(*calls, return_exceptions=True))
            assert 0 < storage._line.wait <= 30


async def test_botocore_still_has_the_door_through_which_connections_are_cut(
    rclone_server: Server, bucket: str, opened: Opener, impatient: None, tmp_path: Path
) -> None:
    rclone_server.make(bucket)
    async with fault_proxy(rclone_server.endpoint) as proxy:
        await proxy.set(drip)
        async with opened(Server(proxy.endpoint).config(bucket)) as storage:
            for _ in range(5):  # more than there are threads: nothing but the cut gives them back
                with pytest.raises(NotReady, match="does not answer in time"):
                    await storage.get("a")
                await asyncio.sleep(0.1)
            await proxy.set(forward)
            await storage.put("a", b"x")
            await until(lambda: proxy.open > 0)
        await until(lambda: proxy.open == 0)
