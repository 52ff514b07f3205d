"""A hub whose address changes while it runs, and a node that finds it by multicast DNS: two machines and a cable."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.app import Paths, open_school
from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from hub.nodes.registry import Registry
from node.state import State
from tests.support.fras import ROOT, School
from tests.support.networks import Machine, cabled, without_cables
from tests.support.node_hub import YAML, school_in
from tests.support.node_process import Place

NO_CABLES = without_cables()
pytestmark = [pytest.mark.skipif(NO_CABLES != "", reason=NO_CABLES), pytest.mark.slow]

BEFORE, AFTER, NODE = "198.18.0.1", "198.18.0.2", "198.18.0.3"
PORT = 8124
"""Of the machines of this test, which are its own."""
NODES = f"nodes: {{listen: always, port: {PORT}, name: {BEFORE}, announce: true}}"
PATIENCE = 120.0


async def test_a_hub_with_another_address_is_found_and_whoever_takes_its_name_and_address_gets_nothing(
    tmp_path: Path,
) -> None:
    yaml = "\n".join(NODES if line.startswith("nodes:") else line for line in YAML.splitlines())
    yaml = yaml.replace("hours: always", "hours: always, interval: 0.2 s")
    with school_in(tmp_path, yaml) as school, cabled() as (hubs, nodes):
        hubs.gets(BEFORE)
        nodes.gets(NODE)
        (tmp_path / "board" / "data").mkdir(parents=True)
        place = Place(tmp_path / "board", nodes.command())
        async with (
            asyncio.timeout(PATIENCE),
            open_school(Paths.of(school.folder / "hub.yaml", None)) as opened,
            AsyncExitStack() as stack,
        ):
            registry = Registry(opened.database, opened.clock)
            invite = await registry.invite("door", None)
            identity = open_identity(opened.paths.data)
            kept = place.data / "identity.json"
            State(kept).invite(invitation(invite, identity, opened.settings.nodes, PORT))
            await stack.enter_async_context(fras_run(school, hubs))
            await stack.enter_async_context(place.running(LOST="1"))

            async def more_than(least: int) -> int:
                """How many frames the hub has, once it has more."""
                while True:
                    async with opened.database.read() as connection:
                        found = int((await connection.execute(text("SELECT count(*) FROM frames"))).scalar_one())
                    if found > least:
                        return found
                    await asyncio.sleep(0.1)

            while not (known := await registry.everyone()):
                await asyncio.sleep(0.1)
            await registry.confirm(known[0].id)
            there = await more_than(0)
            before = State(kept).paired

            hubs.loses(BEFORE)
            hubs.gets(AFTER)
            nodes.gets(BEFORE)  # the liar has both the name and the address that the node knows
            heard = await stack.enter_async_context(lying(nodes, identity.pin, tmp_path / "heard"))
            await more_than(there + 5)
            assert set(heard()) == {0}, "the liar heard nobody, or was told something"
            after = State(kept).paired
        assert before is not None
        assert after is not None
        assert (after.hub.pins, after.node, after.epoch) == (before.hub.pins, before.node, before.epoch)


@asynccontextmanager
async def fras_run(school: School, machine: Machine) -> AsyncIterator[None]:
    """The hub on that machine, listening; killed at the end."""
    path = os.pathsep.join([str(school.site), str(ROOT)])
    command = (sys.executable, "-m", "hub", "run", "-c", str(school.folder / "hub.yaml"))
    said = school.folder / "hub.log"
    with said.open("w") as log:
        process = subprocess.Popen(
            machine.command(*command), env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log
        )
    try:
        while "listening for nodes" not in said.read_text("utf-8"):
            await asyncio.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()
        print(said.read_text("utf-8"))
    assert "Traceback" not in said.read_text("utf-8")


@asynccontextmanager
async def lying(machine: Machine, pin: bytes, told: Path) -> AsyncIterator[Callable[[], list[int]]]:
    """A liar on that machine; gives what each connection told it, in bytes."""
    command = (sys.executable, "-m", "tests.support.liar", BEFORE, str(PORT), pin.hex(), str(told))
    process = await asyncio.create_subprocess_exec(*machine.command(*command), cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"announced\n"
    try:
        yield lambda: [int(line) for line in told.read_text().splitlines()] if told.exists() else []
    finally:
        process.kill()
        await process.wait()
