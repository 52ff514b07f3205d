"""What the node asks of whatever takes pictures: a camera module, a webcam, a folder, or a fake."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from node.wire import Moment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt  # two megabytes of a board's memory, for types alone

Luma: TypeAlias = "npt.NDArray[np.uint8]"
"""Shape (height, width): the brightness of a small picture, 0 to 255."""


class CameraError(Exception):
    """The camera cannot be used now; the text says what is wrong and what to do."""


class Look(Protocol):
    """One moment of the camera. Its buffers are the camera's own: valid inside `Camera.look()` only."""

    @property
    def at(self) -> Moment:
        """When the light fell in."""
        ...

    @property
    def luma(self) -> Luma: ...

    async def jpeg(self, quality: int) -> bytes:
        """The same moment at full resolution; only now is it encoded."""
        ...


class Camera(Protocol):
    """Opened by an async context manager that its module offers; closing leaves nothing running."""

    def look(self) -> AbstractAsyncContextManager[Look]:
        """Takes a picture. Raises CameraError."""
        ...
