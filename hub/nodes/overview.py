"""What staff and programs are shown of nodes: the database's row and, where it is connected, what it says now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.db.nodes import Node, NodeState
from hub.settings import Settings
from node.wire import Update

from .nodes import Nodes
from .session import Session
from .updates import notice


@dataclass(frozen=True, slots=True)
class Board:
    """How a node said it is: degrees Celsius, bytes, dBm, and what its spool holds.

    `dropped` counts pictures by reason, `incidents` what else befell it.
    """

    told_now: bool
    uptime: timedelta
    temperature: float | None
    disk_free: int | None
    memory: int | None
    signal_dbm: float | None
    spool_entries: int
    spool_bytes: int
    captured: int
    kept: int
    dropped: Mapping[str, int]
    throttled: bool
    problems: tuple[str, ...]
    incidents: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NodeRow:
    """`skew` is how far its clock is ahead; `refusals` count by reason why it, or somebody in its name, was refused.

    `problem` says why it does not do as hub.yaml says. `update`: its software is older than this hub's. `idle`: its
    room has no lectures to watch. `snapshot_at` is of a picture that can be looked at now.
    """

    id: str
    camera: str
    room: str
    state: NodeState
    connected_since: datetime | None
    last_seen: datetime
    paired_at: datetime
    software: str
    board: str
    health: Board | None
    skew: timedelta | None
    refusals: Mapping[str, int]
    problem: str
    update: Update | None
    idle: bool
    snapshot_at: datetime | None


def rows(everyone: Iterable[Node], nodes: Nodes | None, settings: Settings) -> tuple[NodeRow, ...]:
    """Those that wait to be confirmed first, those that were removed last."""
    order = list(NodeState)
    found = [_row(node, nodes, settings) for node in everyone]
    return tuple(sorted(found, key=lambda row: (order.index(row.state), row.camera, row.paired_at)))


def _row(node: Node, nodes: Nodes | None, settings: Settings) -> NodeRow:
    session = nodes.session(node.id) if nodes else None
    snapshot = nodes.snapshots.get(node.id) if nodes else None
    camera = next((camera for camera in settings.cameras if camera.id == node.camera), None)
    configured = session.told.configured if session else None
    room = node.room or (camera.room if camera else "")
    lectures_only = camera is not None and camera.options.get("hours") == "lectures"
    return NodeRow(
        id=node.id,
        camera=node.camera,
        room=room,
        state=node.state,
        connected_since=session.since if session else None,
        last_seen=session.heard_at if session else node.last_seen,
        paired_at=node.paired_at,
        software=node.software,
        board=node.board,
        health=_board(node, session),
        skew=session.told.skew if session else None,
        refusals=_added(node.refusals, nodes.unnoted(node.id) if nodes else {}),
        problem=(configured.problem or "") if configured else "",
        update=notice(node.software),
        idle=lectures_only and not any(entry.room == room for entry in settings.timetable),
        snapshot_at=snapshot.at if snapshot else None,
    )


def _board(node: Node, session: Session | None) -> Board | None:
    told = session.told.health if session else None
    if told is not None:
        values = {name: getattr(told, name) for name in told.__slots__}
    elif node.health:
        values = dict(node.health)
    else:
        return None
    values["uptime"] = timedelta(seconds=min(max(0.0, float(values["uptime"])), 1e9))
    values["problems"] = tuple(values["problems"])
    values["incidents"] = values.get("incidents") or {}
    return Board(told_now=told is not None, **values)


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {reason: one.get(reason, 0) + other.get(reason, 0) for reason in sorted({*one, *other})}
