"""How a plugin introduces itself: one synchronous pluggy hook that returns specs.

A plugin is a module, named by an entry point of the group `fras.plugins` whose name equals the platform's:

    from hub.plugin import CameraSpec, hookimpl

    @hookimpl
    def fras_plugins():
        return [CameraSpec(name="lobby", config_schema={vol.Required("url"): str}, open=open_lobby)]
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pluggy

from .context import PluginContext
from .roles import Camera, Embedder, Identifier, Storage
from .types import ModelState

API_VERSION = 1
"""Raised when a plugin written for an older hub would no longer work."""

PROJECT = "fras"
ENTRY_POINT_GROUP = "fras.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Config: TypeAlias = Mapping[str, Any]
"""A validated section of hub.yaml, without the keys that the hub itself reads (`platform`, `id`, `room`)."""

Probe: TypeAlias = Callable[[Config, PluginContext], Awaitable[str]]
"""Tries what a section of hub.yaml names, for `fras check --connect`: reaches it, shows it the credentials, changes
nothing there, opens nothing heavy. Answers what it found in one line ("large person group school-1: 812 people,
trained"); raises PluginError with what to fix. It is cancelled after 15 seconds, or ten after the option `timeout`; it
may run beside a hub, and a device that is busy with that is no failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSpec:
    """`config_schema` is a dict of voluptuous markers; `description` is one line for `fras plugins`.

    `check` gets options that the schema took one by one, and raises PluginError where they do not go together; it
    touches nothing. A plugin that depends on something outside of the hub has a `probe`.
    """

    name: str
    config_schema: Mapping[Any, Any]
    description: str = ""
    api_version: int = API_VERSION
    check: Callable[[Config], None] | None = None
    probe: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """People who exist only in the pictures of a platform's cameras.

    `portraits` is a folder as `fras enroll` reads it, with a people.csv; `refused` are those of its ids who refuse.
    """

    portraits: Path
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSpec(PluginSpec):
    """A camera whose pictures are `invented`, people included, shows these people and nobody real: the hub enrols
    them at start, recognises them on such cameras alone, and on such cameras nobody else. `rhythm` names the option (a
    duration) that says how often such a camera looks: `fras check` warns where it would not count as watching."""

    open: Callable[[Config, PluginContext], AbstractAsyncContextManager[Camera]]
    invented: Invented | None = None
    rhythm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerSpec(PluginSpec):
    """`identifier` says that what is opened is an Identifier: where the service refuses, the hub starts without it.
    Of one, `place` says which remote gallery these options name, for people and without secrets ("host/group"): where
    it changes, the hub knows that whom it enrolled are still at the former. It touches nothing; without it every id in
    hub.yaml has a gallery of its own, always the same.

    `models` answers `fras models`: it gets the options, the plugin's data folder and hub.yaml's folder, hashes what
    is there, and raises nothing for a damaged model. `install` answers `fras models install`: it gets a model's name
    besides, before them, and what tells a waiting person how far it is; it blocks, and raises PluginError.
    """

    open: Callable[[Config, PluginContext], AbstractAsyncContextManager[Embedder | Identifier]]
    identifier: bool = False
    place: Callable[[Config], str] | None = None
    models: Callable[[Config, Path, Path], Sequence[ModelState]] | None = None
    install: Callable[[str, Config, Path, Path, Callable[[str], None]], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSpec(PluginSpec):
    """`stranded` says of the plugin's data folder what waits there ("2 pictures wait for bucket A") that goes nowhere
    with these options, or at all: None, where hub.yaml names another platform. It says nothing when nothing does,
    touches nothing, and raises OSError."""

    open: Callable[[Config, PluginContext], AbstractAsyncContextManager[Storage]]
    stranded: Callable[[Path, Config | None], str] | None = None


Spec: TypeAlias = CameraSpec | RecognizerSpec | StorageSpec


@hookspec
def fras_plugins() -> Sequence[Spec]:
    """The platforms this module offers; must not import heavy libraries or touch anything."""
    return []
