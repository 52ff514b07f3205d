"""A hub that serves nodes on a real socket, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text

from hub.app import Paths, open_school
from hub.app import School as OpenSchool
from hub.db import ledger
from hub.db.ledger import Outcome
from hub.nodes.identity import open_identity
from hub.nodes.inviting import invitation
from hub.nodes.limits import Failures
from hub.nodes.nodes import Nodes
from hub.nodes.registry import Registry
from hub.nodes.service import Service
from hub.works import Works, open_works
from tests.support.distributions import forgetting
from tests.support.fras import School, of_this_kind
from tests.support.node_client import Board, Talk, connected
from tests.support.site import Site

YAML = """\
hub: {name: Test School, time_zone: Europe/Berlin}
http: {port: 0}
nodes: {listen: always, host: 127.0.0.1, port: 0, name: 127.0.0.1, announce: false}
recognizer: {platform: colours}
storage: {platform: local_disk}
cameras:
  - {platform: pi_node, id: door, room: "101", hours: always}
attendance:
  timetable:
    - {class: 10A, lecture: Mathematics, room: "101", days: mon-sun, start: "00:00", end: "23:59"}
"""
PATIENCE = 20.0


@dataclass(frozen=True)
class NodeHub:
    """`site` is the panel's; cameras are made as they are invited."""

    school: School
    opened: OpenSchool
    works: Works
    site: Site

    @property
    def service(self) -> Service:
        assert self.works.nodes is not None
        return self.works.nodes

    @property
    def nodes(self) -> Nodes:
        return self.service.nodes

    @property
    def registry(self) -> Registry:
        return self.nodes.registry

    async def invite(self, camera: str, room: str | None = "101") -> tuple[Board, bytes]:
        """A board that has read the code, and its token."""
        invite = await self.registry.invite(camera, room)
        port = await self.service.where()
        return Board.invited(
            invitation(invite, open_identity(self.service.data), self.opened.configured.nodes, port).uri()
        )

    async def board(self, camera: str, room: str | None = "101") -> Board:
        """One that is paired and confirmed, and was never welcomed."""
        board, token = await self.invite(camera, room)
        async with connected(board) as talk:
            await talk.pair(token)
            await talk.waiting()
        await self.gone(board)
        await self.registry.confirm(board.node)
        return board

    @asynccontextmanager
    async def talking(self, camera: str, room: str | None = "101") -> AsyncIterator[Talk]:
        """A node of that camera, welcomed."""
        board = await self.board(camera, room)
        async with connected(board) as talk:
            await talk.hello()
            yield talk

    async def gone(self, board: Board) -> None:
        """Waits until the hub has noticed that the board's connection ended."""
        async with asyncio.timeout(PATIENCE):
            while self.nodes.session(board.node) is not None:
                await asyncio.sleep(0.01)

    def forgive(self, most: int = 10) -> None:
        """What failed until now does not count; so many failures do."""
        self.nodes.failures = Failures(most, 60.0)

    async def frames(self, camera: str) -> list[tuple[int, int]]:
        """Epoch and number of every frame of the camera in the ledger."""
        return [(epoch, seq) for epoch, seq, _ in await rows_of(self, camera)]

    async def drained(self) -> dict[Outcome, int]:
        """Every outcome, once no frame waits."""
        async with asyncio.timeout(PATIENCE):
            await self.works.hub.drained()
        async with self.opened.database.read() as connection:
            return await ledger.outcomes(connection)


async def rows_of(hub: NodeHub, camera: str) -> list[tuple[int, int, str]]:
    query = text("SELECT epoch, seq, outcome FROM frames WHERE camera = :camera ORDER BY epoch, seq")
    async with hub.opened.database.read() as connection:
        return [(row[0], row[1], row[2]) for row in await connection.execute(query, {"camera": camera})]


@contextmanager
def school_in(folder: Path, yaml: str = YAML) -> Iterator[School]:
    """A school whose recogniser goes by colours, importable for as long as this is open."""
    with pytest.MonkeyPatch.context() as patch:
        made = School(folder)
        (folder / "hub.yaml").write_text(of_this_kind(yaml, folder), "utf-8")
        patch.syspath_prepend(made.site)
        with forgetting(made.site):
            yield made


@asynccontextmanager
async def node_hub(school: School) -> AsyncIterator[NodeHub]:
    addresses: list[str] = []
    async with (
        open_school(Paths.of(school.folder / "hub.yaml", None), own=True) as opened,
        open_works(opened, addresses.append) as works,
        aiohttp.ClientSession() as client,
    ):
        yield NodeHub(school, opened, works, Site(addresses[0], client, opened, works.hub))
