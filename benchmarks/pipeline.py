"""The whole hub against a bare onnxruntime loop on the same JPEG frames, with the same models, in the same run.

The hub is the real one: frames are delivered as cameras do and count once they are concluded, durable in the inbox,
decoded, recognised, searched in the gallery, decided, evidence crops stored, observations committed, the register
drawn. The bare loop does what no recogniser can do without, one thing after the other: decode, pyramid, detector,
landmarks, chips, embedder, in batches as large as the engine's. The default pack averages a probe with its mirror
image, which doubles the chips: "bare" embeds both, "plain" only the face as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from hub.db import ledger
from hub.plugin import Frame
from hub.plugin.media import decode, encode_jpeg
from hub.running import Hub
from plugins.recognizers.onnx_local import usable_cores
from plugins.recognizers.onnx_local.dlib.aligner import DlibAligner
from plugins.recognizers.onnx_local.dlib.embedder import SIZE, DlibFaceNet
from plugins.recognizers.onnx_local.dlib.landmarks import ShapePredictor
from plugins.recognizers.onnx_local.dlib.mmod import WINDOW, MmodDetector
from plugins.recognizers.onnx_local.engine import FRAMES
from plugins.recognizers.onnx_local.sessions import Session
from plugins.recognizers.onnx_local.stages import Chips
from plugins.recognizers.onnx_local.vision import BATCH

from .frames import frames, shown
from .measure import Rounds, report
from .packs import ready
from .school import folder, pupils, running_hub

LEAST = 0.8
"""The share of the bare loop's speed that the hub must reach."""

CAMERAS = ("front", "back", "left", "right")
NO_CHIPS: Chips = np.empty((0, SIZE, SIZE, 3), np.uint8)
PORTRAITS = 3
"""Portraits of each of the ten people in the frames, who are enrolled."""

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
"""When the timetable's lecture begins."""


class Bare:
    """The models alone."""

    def __init__(self, min_face: int) -> None:
        manifest, files = ready("dlib")
        self.mirrored = manifest.thresholds.mirror_probes
        self._scale = WINDOW / min_face
        self._detector = MmodDetector(_session(files / manifest.detector.file, arena=False))
        self._aligner = DlibAligner(ShapePredictor.load(files / manifest.alignment.file))
        self._net = DlibFaceNet(_session(files / manifest.embedder.file, arena=True))

    def work(self, images: Sequence[bytes], mirrored: bool) -> int:
        """How many faces there were."""
        faces = waiting = 0
        chips: list[Chips] = []
        for image in images:
            picture = decode(image)
            found = self._detector.detect(picture.pixels, self._scale)
            chips.append(self._aligner.align(picture.pixels, found).chips)
            waiting += len(found)
            if waiting >= BATCH or len(chips) == FRAMES:
                self._embed(chips, mirrored)
                faces += waiting
                chips, waiting = [], 0
        self._embed(chips, mirrored)
        return faces + waiting

    def _embed(self, groups: Sequence[Chips], mirrored: bool) -> None:
        chips = np.concatenate([*groups, *(group[:, :, ::-1] for group in groups if mirrored)] or [NO_CHIPS])
        for start in range(0, len(chips), BATCH):
            self._net.embed(chips[start : start + BATCH])


def _session(file: Path, *, arena: bool) -> Session:
    return Session(file.read_bytes(), threads=usable_cores(), arena=arena)


def run(full: bool = False) -> None:
    """Frames of none, one, four and ten faces in turn, at both sizes of the smallest face."""
    images = [encode_jpeg(pixels) for pixels in frames().values()]
    for min_face, frames_a_round, rounds in ((80, 32, 4), (40, 16, 3)):
        mixed = images * (frames_a_round // len(images))
        asyncio.run(_compare(min_face, mixed, rounds * (3 if full else 1)))


async def _compare(min_face: int, images: Sequence[bytes], rounds: int) -> None:
    bare = Bare(min_face)
    people = pupils(sorted({portrait.parent for portrait in shown()}), PORTRAITS)
    with folder(min_face, CAMERAS) as paths:
        async with running_hub(paths, people) as (school, hub):
            delivery = Delivery(hub)
            await delivery.work(images)
            faces = await asyncio.to_thread(bare.work, images, bare.mirrored)
            works: dict[str, Callable[[], Awaitable[object]]] = {
                "plain": partial(asyncio.to_thread, bare.work, images, False),
                "bare": partial(asyncio.to_thread, bare.work, images, bare.mirrored),
                "hub": partial(delivery.work, images),
            }
            measured = Rounds()
            for _ in range(rounds):
                for name, work in works.items():
                    await asyncio.to_thread(measured.wait)
                    with measured.turn(name):
                        await work()
            async with school.database.read() as connection:
                outcomes = await ledger.outcomes(connection)
    times = measured.times
    ratio = times.ratio("bare", to="hub")
    report(
        "pipeline",
        min_face=min_face,
        frames=len(images),
        faces=faces,
        share_of_bare_speed=round(ratio, 3),
        target=LEAST,
        reached=ratio >= LEAST,
        share_of_plain_speed=round(times.ratio("plain", to="hub"), 3),
        cpu_to_bare=round(times.cpu_ratio("hub", to="bare"), 3),
        frames_a_second=round(len(images) / times.median("hub"), 2),
        others=times.others,
        outcomes={str(outcome): number for outcome, number in outcomes.items()},
    )


class Delivery:
    """Cameras that deliver as fast as they are let."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._numbers = count()

    async def work(self, images: Sequence[bytes]) -> None:
        """Returns once every frame is concluded and the register shows it."""
        shares = [images[start :: len(CAMERAS)] for start in range(len(CAMERAS))]
        await asyncio.gather(*(self._deliver(camera, share) for camera, share in zip(CAMERAS, shares, strict=True)))
        await self._hub.drained()

    async def _deliver(self, camera: str, images: Sequence[bytes]) -> None:
        for image in images:
            number = next(self._numbers)
            captured_at = MONDAY + timedelta(seconds=number % 3000)
            await self._hub.deliver(camera, Frame(epoch=1, seq=number, captured_at=captured_at, image=image))
