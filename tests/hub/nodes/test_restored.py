"""A hub that comes back from a backup, by the real commands, and the nodes that meet it: real links, real sockets."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub import __version__
from hub.app import Paths, open_school
from hub.db.nodes import Node
from hub.nodes.identity import PRESENT, open_identity
from hub.nodes.inviting import invitation
from hub.nodes.link import End
from hub.nodes.registry import Refusal, Registry
from node.link import Phase
from node.wire import Close, Pair
from tests.node.conftest import Rig, rigged
from tests.support.fras import School
from tests.support.node_hub import YAML, NodeHub, node_hub, school_in

PATIENCE = 30.0


@asynccontextmanager
async def met(school: School, board: Path) -> AsyncIterator[tuple[NodeHub, Rig]]:
    """The hub as it is now, and the node with what it has written down."""
    async with node_hub(school) as hub:
        place = "127.0.0.1", await hub.service.where()

        async def announced() -> list[tuple[str, int]]:
            return [place]

        async with rigged(board, discover=announced) as rig:
            rig.board.software = "fras-node 0.0.1"
            yield hub, rig


async def paired(school: School, board: Path) -> tuple[str, str]:
    """The node of that board, and another one."""
    async with met(school, board) as (hub, rig):
        invite = await hub.registry.invite("door", None)
        identity, port = open_identity(hub.service.data), await hub.service.where()
        rig.link.invite(invitation(invite, identity, hub.opened.configured.nodes, port))
        await rig.until(Phase.UNCONFIRMED)
        (node,) = await hub.registry.everyone()
        await hub.registry.confirm(node.id)
        await rig.until(Phase.CONNECTED)
        return node.id, (await hub.board("other")).node


async def changed_twice(school: School, board: Path, node: str) -> None:
    async with met(school, board) as (hub, rig):
        for _ in range(2):
            await rig.until(Phase.CONNECTED)
            before = await hub.registry.one(node)
            await hub.nodes.rotate(node)
            await until(hub, node, lambda now, old=before.next_credential: now.next_credential != old)
            session = hub.nodes.session(node)
            assert session is not None
            session.end(End(None, Close.STOPPING))
            await until(hub, node, lambda now, old=before.credential: now.credential != old)


async def until(hub: NodeHub, node: str, condition: Callable[[Node], bool]) -> Node:
    async with asyncio.timeout(PATIENCE):
        while not condition(now := await hub.registry.one(node)):
            await asyncio.sleep(0.02)
    return now


async def welcomed_again(school: School, board: Path, node: str) -> None:
    """Without anybody's help, under its latest key, and with another credential at once."""
    async with met(school, board) as (hub, rig):
        await rig.frame()
        await rig.drained()
        assert (await until(hub, node, lambda now: now.next_credential is not None)).next_credential
        assert hub.nodes.refused == {Refusal.WRONG_CREDENTIAL: 2}
        assert len(await hub.frames("door")) == 1
        assert [update.version for update in rig.board.updates] == [__version__]


@pytest.mark.sqlite
def test_a_node_comes_back_to_a_restored_hub_and_a_removed_one_does_not(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.nodes.service.LOOK", 0.02)
    board, file = tmp_path / "board", tmp_path / "fras.tar"
    (tmp_path / "school").mkdir()
    with school_in(tmp_path / "school") as school:
        node, other = asyncio.run(paired(school, board))
        kept = school.fras("backup", str(file))
        assert "the keys by which nodes know this hub" in kept.err
        assert file.stat().st_mode & 0o777 == 0o600
        first = (school.folder / "data/nodes" / PRESENT).read_bytes()
        with tarfile.open(file) as tar:
            assert tar.extractfile(f"nodes/{PRESENT}").read() == first  # type: ignore[union-attr]

        assert school.fras("nodes", "key", "--switch").code == 0
        second = (school.folder / "data/nodes" / PRESENT).read_bytes()
        asyncio.run(changed_twice(school, board, node))
        assert school.fras("nodes", "remove", other).code == 0

        here = school.fras("restore", str(file), "--force")
        assert f"nodes removed since, and removed again: {other}" in here.err
        assert "nodes know this hub by the keys of the data folder" in here.err
        assert (school.folder / "data/nodes" / PRESENT).read_bytes() == second != first
        states = {line["node"]: line["state"] for line in school.fras("nodes", "list", "--json").lines}
        assert states == {node: "confirmed", other: "revoked"}
        asyncio.run(welcomed_again(school, board, node))
        assert f"{node} runs fras-node 0.0.1, older than this hub ({__version__})" in school.fras("nodes", "list").err

        elsewhere = School(tmp_path_factory.mktemp("machine"))
        (elsewhere.folder / "hub.yaml").write_text(YAML, "utf-8")
        there = elsewhere.fras("restore", str(file))
        assert "nodes know this hub by the backup's keys" in there.err
        assert "and which nodes were, after" in there.err
        keys = elsewhere.folder / "data/nodes"
        assert (keys / PRESENT).read_bytes() == first
        assert {keys.stat().st_mode & 0o777, *(key.stat().st_mode & 0o777 for key in keys.iterdir())} == {0o700, 0o600}


async def started(school: School) -> None:
    async with node_hub(school):
        return


@pytest.mark.sqlite
def test_a_database_put_back_by_hand_brings_no_removed_node_back(tmp_path: Path) -> None:
    async def confirmed(school: School) -> str:
        async with open_school(Paths.of(school.folder / "hub.yaml", None)) as opened:
            registry = Registry(opened.database, opened.clock)
            invite = await registry.invite("attic", "102")
            node = await registry.pair(Pair(invite.token, bytes(32), "test 1"))
            return (await registry.confirm(node.id)).id

    with school_in(tmp_path) as school:
        node = asyncio.run(confirmed(school))
        earlier = {file: file.read_bytes() for file in (school.folder / "data").glob("fras.db*")}
        assert school.fras("nodes", "remove", node).code == 0
        for file in (school.folder / "data").glob("fras.db*"):
            file.unlink()
        for file, content in earlier.items():
            file.write_bytes(content)
        assert school.fras("nodes", "show", node, "--json").lines[0]["state"] == "confirmed"
        asyncio.run(started(school))
        assert school.fras("nodes", "show", node, "--json").lines[0]["state"] == "revoked"
