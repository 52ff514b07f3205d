"""Crops of faces that are kept or leave the building: nobody else is to be seen in them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hub.plugin import Box, Embedder, Picture
from hub.plugin.media import cut, enlarged
from hub.recognition.pairing import union_share

SMALLEST = 40
"""Pixels from which a face in a crop is looked for: Azure Face finds them from 36 on."""
SAME = 0.3
"""Intersection over union from which a box in a crop is the face that is meant."""


@dataclass(frozen=True, slots=True, eq=False)
class Meant:
    """A face in a picture, and where `others` were found there."""

    picture: Picture
    box: Box
    others: Sequence[Box]


async def alone(embedder: Embedder, faces: Sequence[Meant], margin: float, longest: int) -> list[Picture]:
    """The surroundings of each face, to be shown with at most `longest` pixels, with the others painted grey.

    An embedder overlooks faces smaller than it is to recognise. So where one could be found in a crop it looks at that
    again, enlarged. Raises PluginError.
    """
    crops = [cut(face.picture, face.box, margin, face.others) for face in faces]
    least = [SMALLEST * max(1, max(crop.pixels.shape[:2]) / longest) for crop in crops]
    factors = [embedder.model.min_face / pixels for pixels in least]
    again = [index for index, factor in enumerate(factors) if factor > 1]
    if not again:
        return crops
    larger = [await asyncio.to_thread(enlarged, crops[index], factors[index]) for index in again]
    for index, sight in zip(again, await embedder.analyse(larger), strict=True):
        mine = _within(faces[index], margin)
        scale = factors[index] * crops[index].scale
        found = [_scaled(box, 1 / scale) for box in (*(face.box for face in sight.faces), *sight.too_small)]
        crops[index] = cut(crops[index], mine, margin, [box for box in found if union_share(box, mine) < SAME])
    return crops


def _within(face: Meant, margin: float) -> Box:
    """The face's box in its crop."""
    box = face.box
    return Box(min(box.x, margin * box.w), min(box.y, margin * box.h), box.w, box.h)


def _scaled(box: Box, factor: float) -> Box:
    return Box(box.x * factor, box.y * factor, box.w * factor, box.h * factor)
