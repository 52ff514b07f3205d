"""What each kind of plugin can do, as the hub sees it once it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol, runtime_checkable

from .types import CameraEvent, Candidate, Model, Picture, Sight


@runtime_checkable
class Camera(Protocol):
    """A source of frames."""

    def events(self) -> AsyncIterator[CameraEvent]:
        """What the camera sees, in order; ending means the camera has nothing more, ever.

        The hub asks for the next event once it has *acknowledged* the last: code after a `yield` of a frame
        may rely on that frame being on the hub's disk and in its ledger. A camera with a backlog gives it in
        bursts. Raises NotReady, NeedsHuman or Permanent; anything else is treated as NotReady and logged as a
        fault of the plugin.
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
    """A recogniser that keeps the gallery itself (a cloud service), and never sees a whole image.

    The hub finds faces on this machine, with an `Embedder`, and hands over *crops*: each a Picture of its own, around
    one face and with about half of that face's size left on each side; other faces that were found there are painted
    grey, and what else a crop shows is not meant. An image without a face never gets here. Box, detector score and
    quality stay those that were found here, and the hub's policy decides over the candidates as it does over an
    embedder's.

    All methods are safe to call from several tasks at once, and, on one remote gallery, from several processes.
    """

    @property
    def model(self) -> Model:
        """What candidates' scores mean; its `dimension` is 0 and its `metric` "service"."""
        ...

    async def identify(self, crops: Sequence[Picture]) -> list[Sequence[Candidate]]:
        """For each crop, in order, whom its face may be: best first, a person once, whatever the score.

        Nobody where the service finds no face in the crop, or none good enough to recognise.
        """
        ...

    async def enrol(self, person: str, crops: Sequence[Picture]) -> list[str]:
        """Adds pictures of a consenting person to the remote gallery; `person` is a pseudonym that the hub made up.

        Answers for each why it does not serve (a clause for staff), empty where it does. A crop that is there already
        is not added again, so that a call which failed can be repeated.
        """
        ...

    async def forget(self, person: str) -> None:
        """Deletes every trace of the person at the remote side, and looks that nothing is left; fine if there is none.

        Takes what `people` gave, too, where that is nobody the hub knows.
        """
        ...

    async def people(self) -> list[str]:
        """The ids of everybody the remote gallery holds, as asked for now; also of those the hub never enrolled there
        (under some id that no person of a school can have). The hub forgets whoever has no standing consent."""
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
