"""What each kind of plugin can do, as the hub sees it once it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol, runtime_checkable

from .types import CameraEvent, IdentifiedFace, Model, Picture, Sight


@runtime_checkable
class Camera(Protocol):
    """A source of frames."""

    def events(self) -> AsyncIterator[CameraEvent]:
        """What the camera sees, in order; ending means the camera has nothing more, ever.

        The hub asks for the next event once it has *acknowledged* the last: code after a `yield` of a frame
        may rely on that frame being on the hub's disk and in its ledger. Raises NotReady, NeedsHuman or
        Permanent; anything else is treated as NotReady and logged as a fault of the plugin.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """A recogniser that gives embeddings; the hub keeps templates, searches and decides."""

    @property
    def model(self) -> Model: ...

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        """A Sight for each picture, in order, faces largest first.

        With `mirror` each embedding is the mean over the face and its mirror image (used for templates).
        Safe to call from several tasks at once; never blocks the event loop.
        """
        ...


@runtime_checkable
class Identifier(Protocol):
    """A recogniser that keeps the gallery itself (a cloud service)."""

    async def identify(self, pictures: Sequence[Picture]) -> list[list[IdentifiedFace]]:
        """Faces with candidates for each picture, in order."""
        ...

    async def enrol(self, person: str, pictures: Sequence[Picture]) -> None:
        """Adds pictures of a consenting person to the remote gallery."""
        ...

    async def forget(self, person: str) -> None:
        """Deletes every trace of the person at the remote side; fine if there is none."""
        ...

    async def people(self) -> list[str]:
        """The ids of everybody the remote gallery holds."""
        ...


@runtime_checkable
class Storage(Protocol):
    """Keeps bytes under keys: `/`-separated segments of `[A-Za-z0-9._-]`, none of them `.` or `..`.

    Any other key raises ValueError.
    """

    async def put(self, key: str, data: bytes) -> None:
        """Stores durably and atomically, replacing what was there. Raises StorageFull when there is no room."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises NotFound."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that starts with `prefix`, sorted."""
        ...

    async def delete(self, key: str) -> None:
        """Removes `key`; fine if there is nothing."""
        ...

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        """A short-lived URL to `key`, or None when the hub must serve the bytes itself."""
        ...
