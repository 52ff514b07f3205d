"""Nodes: cameras that paired with this hub, and where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated

from aiohttp import web

from hub.nodes.overview import Board, NodeRow, rows
from hub.nodes.registry import Registry
from hub.web import keys
from hub.web.problems import Problem

from . import records


@dataclass(frozen=True, slots=True)
class Nodes:
    """Every node there ever was: those that wait first, those that were removed last."""

    items: tuple[records.Node, ...]
    port: Annotated[int | None, "Where they come in; null while the hub does not listen for them."]
    problem: Annotated[str, "Why it cannot listen; empty if it can."]
    refused: Annotated[Mapping[str, int], "Connections refused since the hub started, by reason."]


async def nodes(request: web.Request) -> Nodes:
    """Every node with its health, and what was refused."""
    service = request.app[keys.NODES]
    return Nodes(
        items=await _nodes(request),
        port=service.port if service else None,
        problem=service.problem if service else "",
        refused={str(reason): count for reason, count in service.nodes.refused.items()} if service else {},
    )


async def node(request: web.Request, node: str) -> records.Node:
    """One node with its health."""
    for one in await _nodes(request):
        if one.id == node:
            return one
    raise Problem(404, "there is no such node", hint="/api/v1/nodes lists them")


async def _nodes(request: web.Request) -> tuple[records.Node, ...]:
    service = request.app[keys.NODES]
    registry = Registry(request.app[keys.DATABASE], request.app[keys.CLOCK])
    found = rows(await registry.everyone(), service.nodes if service else None, request.app[keys.SETTINGS]())
    return tuple(_record(row) for row in found)


def _record(row: NodeRow) -> records.Node:
    return records.Node(
        id=row.id,
        camera=row.camera,
        room=row.room,
        state=row.state,
        connected_since=row.connected_since,
        last_seen=row.last_seen,
        paired_at=row.paired_at,
        software=row.software,
        board=row.board,
        health=_board(row.health) if row.health else None,
        skew=row.skew / timedelta(seconds=1) if row.skew is not None else None,
        refusals=row.refusals,
        problem=row.problem,
        update=row.update.version if row.update else None,
    )


def _board(board: Board) -> records.Board:
    return records.Board(**asdict(board) | {"uptime": board.uptime / timedelta(seconds=1)})
