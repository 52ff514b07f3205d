"""What hub.yaml says, checked and typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from config import Place, Problem
from hub.attendance.records import Rules
from hub.attendance.timetable import Entry
from hub.plugin import PluginSpec
from hub.runtime.catalog import Kind


class Fault(Protocol):
    """Why a platform cannot be used."""

    @property
    def platform(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str: ...


class Platforms(Protocol):
    """The plugins there are, as reading hub.yaml needs them; hub.runtime.catalog.Catalog is one."""

    @property
    def faults(self) -> Sequence[Fault]: ...

    def load(self, names: Iterable[str]) -> None:
        """Imports these platforms; one that cannot be used, or does not exist, becomes a fault."""
        ...

    def names(self, kind: Kind) -> Sequence[str]:
        """The loaded platforms of this kind."""
        ...

    def spec(self, kind: Kind, name: str) -> PluginSpec:
        """The spec of a loaded platform; raises KeyError when there is none of this kind."""
        ...


@dataclass(frozen=True, slots=True)
class School:
    """`database` is a URL, `sqlite:///` with a path relative to the data folder; `jurisdiction` as in `law`."""

    name: str
    time_zone: ZoneInfo
    database: str = field(repr=False)
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class Http:
    host: str = "127.0.0.1"
    port: int = 8123


@dataclass(frozen=True, slots=True)
class NodeAccess:
    """Where nodes come in. `listen`: "auto" (once there is a node or an invitation), "always" or "never".

    `host` is the address to listen at, empty for every one of this machine; `name` is what nodes are told to look for,
    empty for what this machine takes itself to be called. `announce` by multicast DNS.
    """

    listen: str = "auto"
    host: str = ""
    port: int = 8124
    name: str = ""
    announce: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A configured plugin: `options` are its own, validated by its schema. Equal when nothing but its line changed."""

    platform: str
    id: str
    options: Mapping[str, Any] = field(repr=False)
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class CameraPart(Part):
    """`recognizer` is the id of the one that its frames are for; empty: the first of the list."""

    room: str
    recognizer: str = ""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """The `policy:` section: what is None comes from calibration or the model.

    `threshold`, `single_frame` and `margin` are scores of the model's metric; `min_sharpness` is a variance of the
    Laplacian, `max_turn` degrees of yaw or pitch.
    """

    threshold: float | None = None
    single_frame: float | None = None
    margin: float | None = None
    min_sharpness: float | None = None
    max_turn: float | None = None

    def over(self, other: PolicySettings) -> PolicySettings:
        """These where they are set, else the `other`."""
        mine = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(other, **{name: value for name, value in mine.items() if value is not None})


@dataclass(frozen=True, slots=True)
class RecognizerPart(Part):
    """`finder` is the id of the embedder that finds faces for an identifier; empty: the first there is.

    `policy` is its own, over that of the school: thresholds are scores of its own measure. `gallery` says where a
    service keeps people for it, by platform and what the plugin calls the place: another whenever they are elsewhere.
    """

    finder: str = ""
    policy: PolicySettings = PolicySettings()
    gallery: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Chained:
    """The next of `members` is asked only about faces that the one before was unsure of: by `reach`, of each member
    but the last in its own measure, see docs."""

    id: str
    members: tuple[str, ...]
    reach: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Agreeing:
    """So many of `members` must name the same person."""

    id: str
    members: tuple[str, ...]
    agree: int


@dataclass(frozen=True, slots=True)
class Recognizers:
    """The `recognizer:` section: platforms and what is put together of them; ids are unique among both."""

    parts: tuple[RecognizerPart, ...]
    combinations: tuple[Chained | Agreeing, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """Retention: how long the hub keeps what.

    `frames` that cannot be recognised from when the hub had them; `crops` from when they were stored; `facts` (rows of
    frames, heartbeats, faces, sightings) from the end of the day.
    """

    frames: timedelta = timedelta(days=3)
    crops: timedelta = timedelta(days=30)
    facts: timedelta = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Settings:
    """A valid hub.yaml. `warnings` are what `fras check` says besides, `files` the real paths of all that was read;
    neither counts when comparing. `past`: the room that each camera watched which there is no more."""

    school: School
    http: Http
    recognizer: Recognizers
    storage: Part
    keep: Keep
    cameras: tuple[CameraPart, ...]
    policy: PolicySettings
    rules: Rules
    timetable: tuple[Entry, ...]
    nodes: NodeAccess = field(default_factory=NodeAccess)
    past: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = field(default=(), compare=False, repr=False)
    files: tuple[Path, ...] = field(default=(), compare=False, repr=False)

    def policy_of(self, recogniser: str) -> PolicySettings:
        """What is set for the recogniser with this id: its own, else the school's."""
        own = {part.id: part.policy for part in self.recognizer.parts}
        return own.get(recogniser, PolicySettings()).over(self.policy)

    def gallery_of(self, recogniser: str) -> str:
        """Where the service with this id keeps people."""
        return {part.id: part.gallery for part in self.recognizer.parts}[recogniser]

    def recogniser_at(self, gallery: str) -> str:
        """The id of the first recogniser whose people are kept there; empty where there is none."""
        return next((part.id for part in self.recognizer.parts if part.gallery == gallery), "")

    @property
    def rooms(self) -> dict[str, str]:
        """The room that each camera watches, or watched."""
        return {**self.past, **{camera.id: camera.room for camera in self.cameras}}
