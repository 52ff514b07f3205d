"""Nodes and the invitations they came by. What an administrator changes changes a version that running hubs watch."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from . import objections, settings
from .tables import frames, node_invitations, nodes

VERSION = "nodes:version"


class NodeState(StrEnum):
    WAITING = "waiting"
    """Paired; an administrator has yet to confirm it."""
    CONFIRMED = "confirmed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Node:
    """A row. `room` is None where hub.yaml has the camera; credentials are SHA-256, in hexadecimal.

    `acknowledged` is the number of `epoch` up to which the hub has everything, `highest` the highest it has seen.
    `boots`: the hub's time, in µs since 1970, at which each of the node's last boots began, by its number.
    """

    id: str
    camera: str
    room: str | None
    state: NodeState
    epoch: int
    acknowledged: int
    highest: int
    credential: str
    next_credential: str | None
    retired_credential: str | None
    credential_since: datetime
    software: str
    board: str
    paired_at: datetime
    confirmed_at: datetime | None
    revoked_at: datetime | None
    last_seen: datetime
    health: Mapping[str, Any] | None
    refusals: Mapping[str, int]
    boots: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation. `credential` and `node` are of whoever used it."""

    token: str
    camera: str
    room: str | None
    made_at: datetime
    expires_at: datetime
    credential: str | None = None
    node: str | None = None


_NODE = tuple(field.name for field in fields(Node))


async def version(connection: AsyncConnection) -> str:
    """Another after every change that an administrator makes."""
    return str(await settings.get(connection, VERSION) or "")


async def changed(connection: AsyncConnection) -> None:
    """Has running hubs look anew."""
    await settings.put(connection, VERSION, secrets.token_hex(8))


async def everyone(connection: AsyncConnection) -> list[Node]:
    """Every node there ever was, by camera, the newest of each last."""
    found = await connection.execute(select(nodes).order_by(nodes.c.camera, nodes.c.paired_at))
    return [_node(row) for row in found.mappings()]


async def one(connection: AsyncConnection, id: str) -> Node | None:  # noqa: A002
    row = (await connection.execute(select(nodes).where(nodes.c.id == id))).mappings().first()
    return None if row is None else _node(row)


async def add(connection: AsyncConnection, node: Node) -> None:
    await connection.execute(nodes.insert().values({name: getattr(node, name) for name in _NODE}))


async def put(connection: AsyncConnection, id: str, **values: Any) -> None:  # noqa: A002
    """Changes columns of a node."""
    await connection.execute(update(nodes).where(nodes.c.id == id).values(values))


async def revoke(connection: AsyncConnection, id: str, at: datetime) -> None:  # noqa: A002
    """Removes a node for good: no backup brings it back."""
    await put(connection, id, state=NodeState.REVOKED, revoked_at=at)
    objections.note(connection, objections.Removed(id, at))


async def age_credentials(connection: AsyncConnection) -> None:
    """Has every node asked for a new credential in its next connection, however new the present one is."""
    await connection.execute(update(nodes).values(credential_since=datetime(1970, 1, 1, tzinfo=UTC)))


async def advance(connection: AsyncConnection, id: str, epoch: int, acknowledged: int, highest: int) -> None:  # noqa: A002
    """Notes how far the epoch has come, unless the node is in another by now."""
    same = (nodes.c.id == id) & (nodes.c.epoch == epoch)
    await connection.execute(update(nodes).where(same).values(acknowledged=acknowledged, highest=highest))


async def invite(connection: AsyncConnection, invited: Invited) -> None:
    await connection.execute(
        node_invitations.insert().values({field.name: getattr(invited, field.name) for field in fields(Invited)})
    )


async def invitation(connection: AsyncConnection, token: str, *, hold: bool = False) -> Invited | None:
    """`hold` keeps others from using it until the end of the transaction."""
    query = select(node_invitations).where(node_invitations.c.token == token)
    query = query.with_for_update() if hold else query
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else Invited(**row)


async def open_invitations(connection: AsyncConnection, now: datetime) -> list[Invited]:
    """Those that may still be used, the oldest first."""
    query = select(node_invitations).where(node_invitations.c.expires_at > now, node_invitations.c.node.is_(None))
    found = await connection.execute(query.order_by(node_invitations.c.made_at))
    return [Invited(**row) for row in found.mappings()]


async def use(connection: AsyncConnection, token: str, credential: str, node: str) -> None:
    await connection.execute(
        update(node_invitations).where(node_invitations.c.token == token).values(credential=credential, node=node)
    )


async def forget_invitations(connection: AsyncConnection, before: datetime) -> None:
    """Removes those that ended before."""
    await connection.execute(delete(node_invitations).where(node_invitations.c.expires_at < before))


async def ended(connection: AsyncConnection) -> set[str]:
    """Cameras whose nodes were removed, and all of whose frames are recognised: nothing comes from them any more."""
    found = (await connection.execute(select(nodes.c.camera, nodes.c.state))).all()
    gone = {row.camera for row in found} - {row.camera for row in found if row.state != NodeState.REVOKED}
    if not gone:
        return gone
    waiting = select(frames.c.camera).where(frames.c.outcome == "pending").distinct()
    return gone - set((await connection.execute(waiting)).scalars())


async def last_epoch(connection: AsyncConnection, camera: str) -> int:
    """The highest that a node of the camera ever had; 0 where none had any."""
    found = await connection.execute(select(func.max(nodes.c.epoch)).where(nodes.c.camera == camera))
    return int(found.scalar() or 0)


async def last_frame(connection: AsyncConnection, camera: str, epoch: int) -> int | None:
    """The highest number of a frame of the epoch in the ledger."""
    query = select(func.max(frames.c.seq)).where(frames.c.camera == camera, frames.c.epoch == epoch)
    found: int | None = (await connection.execute(query)).scalar()
    return found


def _node(row: RowMapping) -> Node:
    values: dict[str, Any] = {**row}
    return Node(**values | {"state": NodeState(row["state"])})
