"""Pictures that a camera delivers as JPEGs: small and grey, and with parts blacked out, by Debian's Pillow."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

from node.camera import CameraError, Luma
from node.mask import mask_map
from node.wire import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    from node.mask import Polygon

WIDTH: Final = 640
"""Of the small grey picture: at most so many pixels."""
NO_PILLOW: Final = "This camera needs Pillow: sudo apt install python3-pil."


class Masker:
    """The mask of one camera, drawn once for each size of picture. Raises CameraError where there is no Pillow."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        try:
            import PIL.Image
        except ImportError:
            raise CameraError(NO_PILLOW) from None
        self._image = PIL.Image
        self.polygons = polygons
        self._drawn: dict[tuple[int, int], Image.Image | None] = {}

    def luma(self, jpeg: bytes) -> Luma:
        """Raises CameraError for what is no JPEG."""
        with self._opened(jpeg) as picture:
            picture.draft("L", (WIDTH, WIDTH * picture.height // picture.width))
            return self.luma_of(picture)

    def luma_of(self, picture: Image.Image) -> Luma:
        grey = picture if picture.mode == "L" else picture.convert("L")
        if grey.width > WIDTH:
            grey = grey.resize((WIDTH, max(1, grey.height * WIDTH // grey.width)), self._image.Resampling.BOX)
        if (mask := self._mask(*grey.size)) is not None:
            grey.paste(0, mask=mask)
        return np.asarray(grey)

    def blacken(self, jpeg: bytes, quality: int) -> bytes:
        """The picture as it may leave the board; the very same bytes where nothing is masked. Raises CameraError."""
        if not self.polygons:
            return jpeg
        with self._opened(jpeg) as picture:
            return self.jpeg_of(picture.convert("RGB"), quality)

    def jpeg_of(self, picture: Image.Image, quality: int) -> bytes:
        """Of a picture in RGB, which is blacked out in place."""
        if (mask := self._mask(*picture.size)) is not None:
            picture.paste((0, 0, 0), mask=mask)
        out = BytesIO()
        picture.save(out, "JPEG", quality=quality)
        return out.getvalue()

    @contextmanager
    def _opened(self, jpeg: bytes) -> Iterator[Image.Image]:
        try:
            with self._image.open(BytesIO(jpeg), formats=("JPEG",)) as picture:
                yield picture
        except (OSError, ValueError, SyntaxError, self._image.DecompressionBombError):
            raise CameraError("What the camera delivers is no JPEG, or a broken one.") from None

    def _mask(self, width: int, height: int) -> Image.Image | None:
        if (width, height) not in self._drawn:
            found = mask_map(self.polygons, width, height)
            self._drawn[width, height] = None if found is None else self._image.fromarray(found)
        return self._drawn[width, height]


@dataclass(frozen=True, slots=True)
class JpegLook:
    """A look of a camera that delivers JPEGs by itself: they are encoded again only where something is masked."""

    at: Moment
    luma: Luma
    whole: bytes
    masker: Masker | None

    async def jpeg(self, quality: int) -> bytes:
        if self.masker is None:
            return self.whole
        return await asyncio.to_thread(self.masker.blacken, self.whole, quality)
