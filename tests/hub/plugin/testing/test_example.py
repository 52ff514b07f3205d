"""The example of docs/plugins.md, installed as pip would: found, opened, supervised, and keeping the contract."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import voluptuous as vol
from aiohttp import web

from hub.plugin import CameraEvent, Frame
from hub.runtime.catalog import Catalog
from hub.runtime.health import State
from hub.runtime.supervisor import Supervisor
from tests.support.distributions import install
from tests.support.plugins import QUICK, surroundings

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "snapshot_camera"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    ((platform, module),) = project["entry-points"]["fras.plugins"].items()
    folder = tmp_path / "site-packages"
    source = (EXAMPLE / f"{module}.py").read_text()
    install(folder, project["name"], module, source, platform=platform, version=project["version"])
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop(module, None)


async def test_it_is_found_opened_and_delivers_frames(site: Path, tmp_path: Path) -> None:
    catalog = Catalog(external=True)
    catalog.load(["snapshot"])
    assert catalog.faults == []
    spec = catalog.spec("camera", "snapshot")
    delivered: list[CameraEvent] = []

    async def deliver(camera: str, event: CameraEvent) -> None:
        delivered.append(event)
        if len(delivered) == 3:
            await runner.cleanup()

    async def picture(request: web.Request) -> web.Response:
        return web.Response(body=b"picture")

    app = web.Application()
    app.router.add_get("/", picture)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://user:hunter2@{}:{}/".format(*runner.addresses[0][:2])
    config = vol.Schema(dict(spec.config_schema))({"url": url, "every": "1 ms"})
    states: list[State] = []
    async with Supervisor(
        surroundings(tmp_path), limits=QUICK, on_health=lambda name, health: states.append(health.state)
    ) as supervisor:
        supervisor.start_camera("lab", spec, config, deliver)
        while State.RETRYING not in states:
            await asyncio.sleep(0.005)
        health = supervisor.health["lab"]
    assert len(delivered) == 3
    assert [(e.seq, e.image) for e in delivered if isinstance(e, Frame)] == [(seq, b"picture") for seq in range(3)]
    assert health.last_error.startswith("no picture from the camera")
    assert "hunter2" not in health.last_error


def test_it_keeps_the_contract_as_its_author_would_see_it(site: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project)
    (project / "fras_snapshot.py").unlink()  # the installed one is under test
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(EXAMPLE.parents[2])))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
