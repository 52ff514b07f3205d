"""Calls while the bucket is away: they fail at once, and cost nothing that adds up."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path

import pytest

from hub.plugin import NotReady
from tests.support.s3_servers import Server, drip, fault_proxy, forward, until

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
