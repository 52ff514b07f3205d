"""Installable recognisers for tests: a face is a saturated rectangle anywhere in a grey picture, its colour who it is.

Like tests/support/colours.py, but faces may be anywhere, and there can be several models: options set the model's id
and thresholds. While the file `away` exists it is not ready; while `missing` does it does not open, and needs somebody
if that file says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import voluptuous as vol

from hub.plugin import (
    Box,
    Config,
    Face,
    Model,
    NeedsHuman,
    NotReady,
    Picture,
    PluginContext,
    Quality,
    RecognizerSpec,
    Sight,
    Spec,
    hookimpl,
)

SATURATED = 60
SMALLEST, SPECK = 30, 8
"""Pixels of the smallest face that is looked at, and of the smallest that is seen at all."""


class Squares:
    """An Embedder whose embedding is the mean colour; `analysed` counts pictures."""

    def __init__(self, config: Config) -> None:
        threshold = config.get("threshold", 0.9)
        self.model = Model(
            config.get("model", "squares-1"), 3, "cosine", threshold, max(threshold, 0.97), 0.05, min_face=SMALLEST
        )
        self._away = Path(config.get("away", "/nonexistent"))
        self.analysed = 0

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        if self._away.exists():
            raise NotReady("the test says so", hint="wait")
        self.analysed += len(pictures)
        return [sight(picture) for picture in pictures]


class Coarse(Squares):
    """One that finds no face below 80 of a picture's own pixels, and so does not see that there is one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.model = replace(self.model, min_face=80)

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        seen = zip(pictures, await super().analyse(pictures), strict=True)
        return [
            Sight(tuple(face for face in one.faces if face.quality.size * shown.scale >= 80)) for shown, one in seen
        ]


def sight(shown: Picture) -> Sight:
    import cv2

    pixels = shown.pixels.astype(np.int16)
    strong = (np.ptp(pixels, axis=2) > SATURATED).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(strong)
    faces, too_small = [], []
    for label in range(1, count):
        left, top, width, height = (int(side) for side in boxes[label][:4])
        box = Box(*(side / shown.scale for side in (left, top, width, height)))
        if min(width, height) >= SMALLEST:
            mean = np.median(shown.pixels[labels == label], axis=0)
            embedding = (mean - 128).astype(np.float32) / 128
            size = min(width, height) / shown.scale
            faces.append(Face(box, 1.0, Quality(size, 100.0), embedding))
        elif min(width, height) >= SPECK:
            too_small.append(box)
    return Sight(tuple(sorted(faces, key=lambda face: -face.quality.size)), tuple(too_small))


CONFIG_SCHEMA = {
    vol.Optional("model"): str,
    vol.Optional("threshold"): vol.Coerce(float),
    vol.Optional("away"): str,
    vol.Optional("missing"): str,
}


@asynccontextmanager
async def open_squares(config: Config, context: PluginContext) -> AsyncIterator[Squares]:
    missing = context.base_folder / config.get("missing", "nonexistent")
    if missing.exists():
        told = missing.read_text()
        raise (NeedsHuman if told else NotReady)(told or "the file is there", hint="remove it")
    yield Squares(config)


@hookimpl
def fras_plugins() -> Sequence[Spec]:
    return [RecognizerSpec(name="squares", config_schema=CONFIG_SCHEMA, open=open_squares)]
