"""Installed plugins that misbehave in every way at once, and a good one that must not notice."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.plugin import CameraEvent
from hub.runtime.catalog import Catalog
from hub.runtime.health import State
from hub.runtime.supervisor import Supervisor
from hub.runtime.watchdog import Watchdog
from tests.support.distributions import install
from tests.support.plugins import QUICK, surroundings

CAMERA = """
import asyncio, time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hub.plugin import CameraSpec, Frame, hookimpl

class Camera:
    async def events(self):
        for seq in range(1000):
            {each}
            yield Frame(epoch=1, seq=seq, captured_at=datetime.now(UTC), image=b"x")
            await asyncio.sleep(0.01)

@asynccontextmanager
async def open_camera(config, context):
    {opening}
    yield Camera()
    {closing}

@hookimpl
def fras_plugins():
    return [CameraSpec(name=__name__, config_schema={{}}, open=open_camera)]
"""

WAYS = {
    "cam_good": {},
    "cam_hanging_open": {"opening": "await asyncio.sleep(999)"},
    "cam_raising_open": {"opening": "raise OSError('no device')"},
    "cam_exiting": {"each": "raise SystemExit(1)"},
    "cam_garbage": {"each": "yield 'not a frame'"},
    "cam_hanging_thread": {"opening": "await context.run_blocking(time.sleep, 2)"},
    "cam_raising_close": {"each": "if seq == 3: return", "closing": "raise ValueError('no way out')"},
    "cam_blocking": {"each": "time.sleep(0.5) if seq == 5 else None"},
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site-packages"
    for name, ways in WAYS.items():
        install(
            folder, name.replace("_", "-"), name, CAMERA.format(**{"each": "", "opening": "", "closing": "", **ways})
        )
    install(folder, "cam-unimportable", "cam_unimportable", "import nothing_of_this_name")
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in WAYS:
        sys.modules.pop(name, None)


async def test_each_stops_only_itself(site: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    delivered: Counter[str] = Counter()

    async def deliver(camera: str, event: CameraEvent) -> None:
        delivered[camera] += 1

    catalog = Catalog(external=True)
    catalog.load([*WAYS, "cam_unimportable"])
    assert [fault.platform for fault in catalog.faults] == ["cam_unimportable"]
    caplog.set_level(logging.INFO)
    with Watchdog(lambda: catalog.modules, blocked_after=0.1):
        async with Supervisor(surroundings(tmp_path), limits=QUICK) as supervisor:
            for name in WAYS:
                supervisor.start_camera(name, catalog.spec("camera", name), {}, deliver)
            async with asyncio.timeout(10):
                while delivered["cam_good"] < 100:
                    await asyncio.sleep(0.01)
            health = supervisor.health
            began = time.monotonic()
        assert time.monotonic() - began < QUICK.stop_cap + 0.5
    assert health["cam_good"].state is State.RUNNING
    assert health["cam_good"].restarts == 0
    errors = {name: health[name].last_error for name in WAYS}
    assert "did not open within 0.3 s" in errors["cam_hanging_open"]
    assert "did not open within 0.3 s" in errors["cam_hanging_thread"]
    assert "OSError" in errors["cam_raising_open"]
    assert "SystemExit: 1 (cam_exiting.py, line 10)" in errors["cam_exiting"]
    assert "yielded a str instead of a Frame, Heartbeat or Detections" in errors["cam_garbage"]
    assert health["cam_raising_close"].state is State.FINISHED
    assert "cam_raising_close: fault while closing: ValueError: no way out" in caplog.text
    assert "plugin cam_blocking blocks the event loop" in caplog.text
    assert "in cam_blocking.py, line 10, events" in caplog.text
    assert delivered["cam_hanging_open"] == delivered["cam_garbage"] == delivered["cam_exiting"] == 0
