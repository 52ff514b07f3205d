"""What plugins are handed."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from hub.plugin import CameraEvent, Config, NeedsHuman, PluginContext
from hub.runtime.context import HTTP_TIMEOUT
from hub.runtime.supervisor import Supervisor
from tests.support.plugins import QUICK, FakeCamera, camera_spec, frame, surroundings


async def test_a_camera_gets_all_of_its_context(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    async def acknowledged(camera: str, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
        assert (camera, epoch) == ("door", 7)
        return frozenset(seq for seq in seqs if seq % 2)

    async def deliver(camera: str, event: CameraEvent) -> None:
        return None

    @asynccontextmanager
    async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
        async def events() -> AsyncIterator[CameraEvent]:
            seen["held"] = await context.acknowledged(7, [1, 2, 3])
            yield frame(1)

        seen["context"], seen["session"] = context, context.http
        assert context.http is context.http
        assert context.http.timeout == aiohttp.ClientTimeout(**HTTP_TIMEOUT)
        assert config == {"url": "x"}
        yield FakeCamera(events)

    async with Supervisor(surroundings(tmp_path), limits=QUICK) as supervisor:
        supervisor.start_camera("door", camera_spec(open_camera=open_it), {"url": "x"}, deliver, acknowledged)
        await supervisor.ended("door")
        assert supervisor.health["door"].last_error == ""
    context = seen["context"]
    assert context.instance_id == "door"
    assert context.logger.name == "fras.door"
    assert context.base_folder == tmp_path
    assert context.time_zone == ZoneInfo("Europe/Zurich")
    assert context.data_folder == tmp_path / "data" / "plugins" / "camera" / "door"
    assert stat.S_IMODE(context.data_folder.stat().st_mode) == 0o700
    assert seen["held"] == {1, 3}
    assert seen["session"].closed


def test_ids_that_would_leave_the_folder_are_refused(tmp_path: Path) -> None:
    for bad in ("", ".", "..", "../x", "a/b", ".hidden", "a\nb"):
        with pytest.raises(ValueError, match="cannot name a folder"):
            surroundings(tmp_path).folder_of("camera", bad)


def test_a_folder_that_cannot_be_made_needs_a_human(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(NeedsHuman, match="cannot make the data folder"):
        surroundings(tmp_path).folder_of("camera", "door")


async def test_hung_threads_of_one_plugin_do_not_starve_another(tmp_path: Path) -> None:
    import threading

    release = threading.Event()
    delivered: list[str] = []

    async def deliver(camera: str, event: CameraEvent) -> None:
        delivered.append(camera)

    def opener(hang: bool) -> Any:
        @asynccontextmanager
        async def open_it(config: Config, context: PluginContext) -> AsyncIterator[FakeCamera]:
            async def events() -> AsyncIterator[CameraEvent]:
                if hang:
                    await asyncio.gather(*(context.run_blocking(release.wait) for _ in range(40)))
                await context.run_blocking(int)
                yield frame(0)

            yield FakeCamera(events)

        return open_it

    async with Supervisor(surroundings(tmp_path), limits=QUICK) as supervisor:
        supervisor.start_camera("hung", camera_spec(open_camera=opener(True)), {}, deliver)
        await asyncio.sleep(0.02)
        supervisor.start_camera("good", camera_spec(open_camera=opener(False)), {}, deliver)
        async with asyncio.timeout(2):
            await supervisor.ended("good")
        assert delivered == ["good"]
    release.set()
