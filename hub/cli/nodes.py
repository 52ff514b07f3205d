"""`fras nodes`: inviting, confirming and removing the nodes of this hub. Works beside a running hub."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.app import Paths, School, open_school
from hub.cli import console
from hub.cli.conform import conform
from hub.control import question
from hub.db.nodes import Node, NodeState
from hub.failure import Failure
from hub.nodes.cameras import invited_as
from hub.nodes.identity import open_identity, switch
from hub.nodes.registry import Registry
from hub.nodes.updates import notice

app = typer.Typer(name="nodes", help="Cameras that pair with this hub.", no_args_is_help=True)

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", callback=console.words, help="The node's id.")]
POLL = 0.5


@app.command("add")
def add(
    room: Annotated[
        str, typer.Option("--room", callback=console.words, help="The room it watches, as in the timetable.")
    ] = "",
    camera: Annotated[
        str, typer.Option("--camera", callback=console.words, help="The camera's id, in hub.yaml or a new one.")
    ] = "",
    wifi: Annotated[
        str, typer.Option("--wifi", callback=console.words, help="A Wi-Fi it is to join; asks for its password.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the node has come.")] = True,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Invites a node: shows the code to hold before its camera. Good once, for ten minutes."""
    where = console.paths(config, data)
    network = (wifi, typer.prompt("password of the Wi-Fi", hide_input=True, err=True, default="")) if wifi else None
    console.run(_add(where, room, camera, network, wait, json_lines), where)


@app.command("list")
def list_nodes(
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Every node with camera, state and when it was last heard of."""
    where = console.paths(config, data)
    console.run(_list(where, json_lines), where)


@app.command("show")
def show(
    node: NodeArgument,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """One node: how its board is, what it was refused for."""
    where = console.paths(config, data)
    console.run(_show(where, node, json_lines), where)


@app.command("confirm")
def confirm(node: NodeArgument, config: console.ConfigOption = console.CONFIG, data: console.DataOption = None) -> None:
    """Lets a node deliver, once you have compared its snapshot with what hangs over the door. Needs a running hub."""
    where = console.paths(config, data)
    console.run(_confirm(where, node), where)


@app.command("remove")
def remove(node: NodeArgument, config: console.ConfigOption = console.CONFIG, data: console.DataOption = None) -> None:
    """Refuses a node from now on; its connection ends at once."""
    where = console.paths(config, data)
    console.run(_remove(where, node), where)


@app.command("identify")
def identify(
    node: NodeArgument,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=600, help="For how long.")] = 10,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Has a node blink. Needs a running hub."""
    where = console.paths(config, data)
    console.run(_asked(where, {"ask": "identify", "node": node, "seconds": seconds}, "it blinks"), where)


@app.command("snapshot")
def snapshot(
    node: NodeArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the JPEG.")],
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """What a node sees now. Needs a running hub, which keeps nothing of it."""
    where = console.paths(config, data)
    console.run(_snapshot(where, node, file), where)


@app.command("rotate")
def rotate(node: NodeArgument, config: console.ConfigOption = console.CONFIG, data: console.DataOption = None) -> None:
    """Has a node change its credential now; it does every day by itself. Needs a running hub."""
    where = console.paths(config, data)
    console.run(_asked(where, {"ask": "rotate", "node": node}, "it makes a new credential"), where)


@app.command("key")
def key(
    switch_: Annotated[bool, typer.Option("--switch", help="Make the next key the present one.")] = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """The pins of the key by which nodes know this hub, and of the next one."""
    where = console.paths(config, data)
    console.run(_key(where, switch_), where)


app.command("conform")(conform)


def _registry(school: School) -> Registry:
    return Registry(school.database, school.clock)


async def _add(
    where: Paths, room: str, camera: str, network: tuple[str, str] | None, wait: bool, json_lines: bool
) -> int:
    from hub.nodes.inviting import as_text, code, invitation

    async with open_school(where) as school:
        registry = _registry(school)
        access = school.settings.nodes
        if access.listen == "never":
            raise Failure("hub.yaml says that nodes never come in", hint="set nodes: listen: auto")
        identity = await asyncio.to_thread(open_identity, where.data)
        wanted, own_room = invited_as(school.configured, await registry.everyone(), room, camera)
        invite = await registry.invite(wanted, own_room)
        shown = await asyncio.to_thread(invitation, invite, identity, access, await _port(where, access.port), network)
        left = (invite.expires_at - school.clock.now()).total_seconds()
        if json_lines:
            console.emit({"uri": shown.uri(), "camera": wanted, "expires_at": invite.expires_at.isoformat()})
        else:
            console.out.file.write(as_text(code(shown)))
            console.tell(shown.uri())
        console.say(f"camera {wanted}: hold this before the node's camera within {left / 60:.0f} minutes")
        console.say(f"it will look for this hub at {shown.host}, port {shown.port} (nodes: name: in hub.yaml)")
        if not wait:
            return 0
        return await _come(school, registry, invite.token)


async def _come(school: School, registry: Registry, token: bytes) -> int:
    """Waits until the invitation is used, or ends."""
    while True:
        found = await registry.invitation(token)
        if found is not None and found.node is not None:
            console.say(f"node {found.node} has come; look at what it sees, then confirm it:")
            console.say(f"    fras nodes snapshot {found.node} FILE")
            console.say(f"    fras nodes confirm {found.node}")
            return 0
        if found is None or school.clock.now() >= found.expires_at:
            raise Failure("the invitation has ended, and no node came", hint="make another: fras nodes add")
        await asyncio.sleep(POLL)


async def _port(where: Paths, configured: int) -> int:
    """Where the running hub listens; where it does not yet, what hub.yaml says."""
    for _ in range(10):
        try:
            found = (await question(where.data, {"ask": "listening"}))["port"]
        except Failure:
            break
        if found:
            return int(found)
        await asyncio.sleep(POLL)
    if configured:
        return configured
    raise Failure("nobody knows yet at which port nodes come in", hint="start the hub, or set nodes: port: in hub.yaml")


async def _list(where: Paths, json_lines: bool) -> int:
    async with open_school(where, read_only=True) as school:
        nodes = await _registry(school).everyone()
        zone = school.zone
        rooms = school.settings.rooms
    connected = await _connected(where)
    if json_lines:
        for node in nodes:
            console.emit(_record(node, rooms, connected))
        return 0
    if not nodes:
        console.say("no node has come yet: fras nodes add --room R")
        return 0
    headings = ("id", "camera", "room", "state", "connected", "last heard of")
    lines = [
        (
            node.id,
            node.camera,
            node.room or rooms.get(node.camera, ""),
            str(node.state),
            "yes" if node.id in connected else "no",
            f"{node.last_seen.astimezone(zone):%Y-%m-%d %H:%M}",
        )
        for node in nodes
    ]
    console.columns([headings, *lines])
    for node in nodes:
        if node.state is not NodeState.REVOKED and (update := notice(node.software)):
            console.say(f"{node.id} runs {node.software}, older than this hub ({update.version}): {update.note}")
    return 0


async def _connected(where: Paths) -> frozenset[str]:
    try:
        return frozenset((await question(where.data, {"ask": "listening"}))["connected"])
    except Failure:
        return frozenset()


def _record(node: Node, rooms: dict[str, str], connected: frozenset[str]) -> dict[str, Any]:
    return {
        "node": node.id,
        "camera": node.camera,
        "room": node.room or rooms.get(node.camera),
        "state": str(node.state),
        "connected": node.id in connected,
        "last_seen": node.last_seen.isoformat(),
        "software": node.software,
        "update": update.version if (update := notice(node.software)) else None,
        "board": node.board,
        "health": node.health,
        "refusals": dict(node.refusals),
    }


async def _show(where: Paths, node: str, json_lines: bool) -> int:
    async with open_school(where, read_only=True) as school:
        found = await _registry(school).one(node)
        zone, rooms = school.zone, school.settings.rooms
    record = _record(found, rooms, await _connected(where))
    if json_lines:
        console.emit(record)
        return 0

    def moment(at: datetime | None) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "–"

    console.tell(f"{found.id} ({found.camera})", style="bold")
    console.tell(f"  room       {record['room'] or '–'}")
    console.tell(f"  state      {found.state}{', connected' if record['connected'] else ''}")
    console.tell(f"  paired     {moment(found.paired_at)}, confirmed {moment(found.confirmed_at)}")
    console.tell(f"  last heard {moment(found.last_seen)}")
    console.tell(f"  runs       {found.software or '–'} on {found.board or '–'}")
    if update := notice(found.software):
        console.tell(f"  update     to {update.version}: {update.note}")
    for name, value in (found.health or {}).items():
        if value not in (None, {}, []):
            console.tell(f"  {name:10} {value}")
    for reason, count in found.refusals.items():
        console.tell(f"  refused    {count} times: {reason}")
    return 0


async def _confirm(where: Paths, node: str) -> int:
    camera = (await question(where.data, {"ask": "confirm", "node": node}))["camera"]
    console.say(f"node {node} is camera {camera} from now on")
    return 0


async def _remove(where: Paths, node: str) -> int:
    async with open_school(where) as school:
        found = await _registry(school).remove(node)
    console.say(f"node {node} is removed; it was camera {found.camera}")
    return 0


async def _asked(where: Paths, asked: dict[str, Any], done: str) -> int:
    await question(where.data, asked)
    console.say(done)
    return 0


async def _snapshot(where: Paths, node: str, file: Path) -> int:
    answer = await question(where.data, {"ask": "snapshot", "node": node})
    jpeg = b64decode(answer["jpeg"])
    try:
        await asyncio.to_thread(_write, file, jpeg)
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}", hint="name another file") from None
    console.say(f"{file}: {len(jpeg)} bytes")
    return 0


def _write(file: Path, data: bytes) -> None:
    """For its owner alone: it may show people."""
    file.touch(mode=0o600)
    file.write_bytes(data)


async def _key(where: Paths, change: bool) -> int:
    async with open_school(where) as school:
        if change:
            identity = await asyncio.to_thread(switch, where.data)
            await _registry(school).touch()
        else:
            identity = await asyncio.to_thread(open_identity, where.data)
    console.tell(f"present {identity.pin.hex()}")
    console.tell(f"next    {identity.backup.hex()}")
    return 0
