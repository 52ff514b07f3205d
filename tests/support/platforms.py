"""Platforms for tests of hub.yaml: small schemas under the shipped plugins' names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import voluptuous as vol

from hub.plugin import Camera, CameraSpec, Config, Identifier, Permanent, PluginContext, PluginSpec, RecognizerSpec
from hub.plugin.validators import duration, text, whole_number
from hub.runtime.catalog import Kind


@dataclass(frozen=True, slots=True)
class Broken:
    platform: str
    message: str
    hint: str


def no_friday(value: Any) -> Any:
    """A careless author's validator: it quotes the value, changed."""
    if "friday" in str(value).lower():
        raise vol.Invalid(f"{str(value).upper()} is not accepted; choose another")
    return value


def explodes(value: Any) -> Any:
    raise RuntimeError(f"cannot cope with {value}")


def together(config: Config) -> None:
    if config.get("audio") and config.get("format") == "jpeg":
        raise Permanent(f"a jpeg for {config.get('password')} has no audio", hint="remove one of them")
    if config.get("port") == 13:
        raise RuntimeError(f"cannot cope with {config['password']}")


@asynccontextmanager
async def nothing(config: Config, context: PluginContext) -> AsyncIterator[Identifier]:
    raise NotImplementedError("only what hub.yaml says of it is looked at")
    yield


@asynccontextmanager
async def no_camera(config: Config, context: PluginContext) -> AsyncIterator[Camera]:
    raise NotImplementedError("only what hub.yaml says of it is looked at")
    yield


SCHEMAS: dict[tuple[Kind, str], dict[Any, Any]] = {
    ("camera", "folder"): {
        vol.Required("path", description="the folder"): text,
        vol.Optional("mode", default="watch"): vol.In(("once", "loop", "watch")),
        vol.Optional("every"): duration,
    },
    ("camera", "rtsp"): {
        vol.Required("url"): str,
        vol.Optional("password"): vol.All(str, no_friday),
        vol.Optional("port"): int,
        vol.Optional("audio"): bool,
        vol.Optional("format"): str,
        vol.Optional("transport"): vol.In({"tcp", "udp"}),
        vol.Optional("crop"): {vol.Required("left"): int, vol.Optional("zones"): [{vol.Required("name"): str}]},
        vol.Optional("odd"): explodes,
    },
    ("camera", "snapshot"): {vol.Optional("every", default="2 s"): duration},
    ("recognizer", "onnx_local"): {
        vol.Optional("pack", default="dlib"): text,
        vol.Optional("min_face", default=40): whole_number(16, 1000),
    },
    ("recognizer", "cloud"): {},
    ("storage", "local_disk"): {vol.Optional("path"): text},
}


class FakePlatforms:
    """Knows SCHEMAS; a platform is loaded once it is asked for."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.faults: list[Broken] = []

    def load(self, names: Iterable[str]) -> None:
        for name in names:
            self.loaded.append(name)
            if not any(name == known for _, known in SCHEMAS):
                self.faults.append(Broken(name, "no installed package offers it", "did you mean folder?"))

    def names(self, kind: Kind) -> Sequence[str]:
        return [name for its_kind, name in SCHEMAS if its_kind == kind]

    def spec(self, kind: Kind, name: str) -> PluginSpec:
        if name == "cloud":
            return RecognizerSpec(name=name, config_schema=SCHEMAS[kind, name], open=nothing, identifier=True)
        if name == "snapshot":
            return CameraSpec(name=name, config_schema=SCHEMAS[kind, name], open=no_camera, rhythm="every")
        return PluginSpec(
            name=name,
            config_schema=SCHEMAS[kind, name],
            check=together if name == "rtsp" else None,
        )
