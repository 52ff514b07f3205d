"""A real, installable recogniser for tests: a face is a saturated square on a grey picture, its colour is who it is.

It goes the way of every plugin (entry point, supervisor, guard), answers in milliseconds, and can be told to fail:
a black square makes it raise, and as long as the file named by FRAS_TEST_NOT_READY exists it is not ready. Its options:
`fails` is what it says instead of opening, `pause` how many seconds it takes for each call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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

SIDE = 64
"""Pixels of a square; a picture is a row of them."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "ada": (230, 20, 20),
    "bob": (20, 230, 20),
    "cem": (20, 20, 230),
    "dee": (230, 230, 20),
    "eve": (230, 20, 230),
    "fay": (20, 230, 230),
}
GREY = (128, 128, 128)
BLACK = (0, 0, 0)


def picture(*people: str) -> np.ndarray:
    """RGB pixels with a square for each of `people`, between grey ones; "broken" makes the recogniser raise."""
    cells = [GREY]
    for person in people:
        cells += [BLACK if person == "broken" else COLOURS[person], GREY]
    return np.concatenate([np.full((SIDE, SIDE, 3), cell, np.uint8) for cell in cells], axis=1)


class Colours:
    """An Embedder whose embedding is the mean colour."""

    def __init__(self, pause: float = 0) -> None:
        self._pause = pause

    model = Model("colours-1", 3, "cosine", threshold=0.9, single_frame=0.97, margin=0.05, min_face=40)

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        if Path(os.environ.get("FRAS_TEST_NOT_READY", "/nonexistent")).exists():
            raise NotReady("the test says so", hint="wait")
        await asyncio.sleep(self._pause)
        return [self._sight(picture) for picture in pictures]

    def _sight(self, shown: Picture) -> Sight:
        faces = []
        for left in range(0, shown.pixels.shape[1] - SIDE + 1, SIDE):
            mean = shown.pixels[8 : SIDE - 8, left + 8 : left + SIDE - 8].reshape(-1, 3).mean(axis=0)
            if mean.max() < 40:
                raise ValueError("a black square")
            if mean.max() - mean.min() > 60:
                embedding = (mean - 128).astype(np.float32) / 128
                faces.append(Face(Box(left, 0, SIDE, SIDE), 1.0, Quality(SIDE, 100.0), embedding))
        return Sight(tuple(faces))


CONFIG_SCHEMA = {vol.Optional("fails"): str, vol.Optional("pause"): float}


@asynccontextmanager
async def open_colours(config: Config, context: PluginContext) -> AsyncIterator[Colours]:
    if config.get("fails"):
        raise NeedsHuman(config["fails"], hint="give it what it lacks")
    yield Colours(config.get("pause", 0))


@hookimpl
def fras_plugins() -> Sequence[Spec]:
    return [RecognizerSpec(name="colours", config_schema=CONFIG_SCHEMA, open=open_colours)]
