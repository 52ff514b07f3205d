"""Nodes as cameras of the school: those that hub.yaml does not name have their id and room in the database."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

import voluptuous as vol

from config import Invalid, Place, Problem
from hub.db.nodes import Node, NodeState
from hub.failure import Failure
from hub.plugin.validators import slug
from hub.settings import CameraPart, Platforms, Settings

PLATFORM: Final = "pi_node"
NOWHERE: Final = Place("the database", 0)


def with_nodes(settings: Settings, nodes: Iterable[Node], platforms: Platforms) -> Settings:
    """The school's settings with the cameras of its confirmed nodes, and the rooms that removed ones watched.

    Raises config.Invalid for an id that both have.
    """
    everyone = [node for node in nodes if node.confirmed_at is not None and node.room is not None]
    if not everyone:
        return settings
    own = [node for node in everyone if node.state is NodeState.CONFIRMED]
    problems = clashes(settings, own)
    if problems:
        raise Invalid(problems)
    platforms.load([PLATFORM])
    spec = platforms.spec("camera", PLATFORM)
    options = vol.Schema(dict(spec.config_schema))({})
    cameras = [CameraPart(PLATFORM, node.camera, options, NOWHERE, node.room or "") for node in own]
    past = {node.camera: node.room or "" for node in everyone}
    return replace(settings, cameras=(*settings.cameras, *cameras), past=past)


def clashes(settings: Settings, nodes: Iterable[Node]) -> list[Problem]:
    """Cameras of hub.yaml whose id a node has that was added without it."""
    named = {camera.id: camera.place for camera in settings.cameras}
    return [
        Problem(
            named[node.camera],
            f"the camera id {node.camera!r} is that of node {node.id}, too, which was added without hub.yaml",
            f"give this camera another id, or remove the node (fras nodes remove {node.id}) and pair it as this camera "
            f"(fras nodes add --camera {node.camera})",
        )
        for node in nodes
        if node.state is not NodeState.REVOKED and node.room is not None and node.camera in named
    ]


def confirmable(settings: Settings, node: Node) -> None:
    """Raises Failure where hub.yaml stands against it."""
    if problems := clashes(settings, [node]):
        raise Failure(problems[0].message, hint=problems[0].hint)
    parts = {part.id: part for part in settings.cameras}
    if node.room is None and (node.camera not in parts or parts[node.camera].platform != PLATFORM):
        raise Failure(
            f"hub.yaml has no camera {node.camera} of the platform {PLATFORM} any more",
            hint="put it back, or remove the node and invite it with a room",
        )


def invited_as(settings: Settings, nodes: Sequence[Node], room: str, camera: str) -> tuple[str, str | None]:
    """The camera that an invitation is for, and its room unless hub.yaml has it. Raises Failure.

    Without `camera` it is a new one, named after the room.
    """
    parts = {part.id: part for part in settings.cameras}
    own = {node.camera: node for node in nodes if node.room is not None and node.state is not NodeState.REVOKED}
    if camera in own:
        kept = own[camera].room
        if room and room != kept:
            raise Failure(
                f"camera {camera} watches room {kept}", hint="leave the room out, or give the new camera another id"
            )
        return camera, kept
    if camera in parts:
        part = parts[camera]
        if part.platform != PLATFORM:
            raise Failure(
                f"camera {camera} of hub.yaml is of the platform {part.platform}, and no node",
                hint=f"write platform: {PLATFORM} there and run fras reload, or give the node another id",
            )
        if room and room != part.room:
            raise Failure(f"camera {camera} of hub.yaml watches room {part.room}", hint="leave the room out")
        return camera, None
    if not room:
        raise Failure("a new camera needs a room", hint="name the room it watches, as in the timetable: --room 101")
    if camera:
        try:
            slug(camera)
        except vol.ValueInvalid as invalid:
            fact, _, hint = str(invalid).partition("; ")
            raise Failure(f"{camera[:64]!r} cannot be the id of a camera: {fact}", hint=hint) from None
    past = next((node.room for node in nodes if node.camera == camera and node.room not in (None, room)), None)
    if past is not None:
        raise Failure(
            f"camera {camera} watched room {past}, and what it saw is kept", hint="give the new one another id"
        )
    used = {*parts, *(node.camera for node in nodes)}
    return camera or _free(room, used), room


def _free(room: str, used: Collection[str]) -> str:
    """room-101, or room-101-2 where that is taken."""
    name = "-".join(["room", *re.findall(r"[a-z0-9]+", room.lower())])[:48]
    number = 1
    while (camera := name if number == 1 else f"{name}-{number}") in used:
        number += 1
    return camera
