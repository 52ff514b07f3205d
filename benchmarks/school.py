"""A school in a temporary folder, wired by the hub's own composition root."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from hub.app import Paths, School, open_enrolment, open_school
from hub.enrolment import ImageResult
from hub.portraits import Pupil
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from hub.running import Hub
from hub.works import open_hub

from .packs import MODELS, ready

HUB_YAML = """\
hub: {{name: Bench, time_zone: UTC}}
recognizer: {{platform: onnx_local, pack: dlib, min_face: {min_face}, models_folder: "{models}"}}
storage: {storage}
cameras:
{cameras}
attendance:
  timetable:
    - {{class: 10A, lecture: Mathematics, room: "101", days: mon-fri, start: "09:00", end: "09:50"}}
"""
CAMERA = '  - {{platform: folder, id: {id}, room: "101", path: incoming, mode: once}}'


@contextmanager
def folder(
    min_face: int, cameras: Sequence[str] = ("door",), storage: str = "{platform: local_disk}"
) -> Iterator[Paths]:
    """A new school's hub.yaml and data folder, with the default pack built; the cameras have nothing to show."""
    ready("dlib")
    logging.getLogger("fras").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="fras-bench-") as place:
        base = Path(place)
        (base / "incoming").mkdir()
        listed = "\n".join(CAMERA.format(id=camera) for camera in cameras)
        text = HUB_YAML.format(min_face=min_face, models=MODELS, cameras=listed, storage=storage)
        (base / "hub.yaml").write_text(text, "utf-8")
        yield Paths.of(base / "hub.yaml", None)


@asynccontextmanager
async def running_hub(paths: Paths, pupils: Sequence[Pupil]) -> AsyncIterator[tuple[School, Hub]]:
    """The whole hub as `fras run` opens it, after `pupils` were enrolled."""
    async with open_school(paths, own=True) as school:
        await enrol(school, pupils)
        async with open_hub(school) as hub:
            yield school, hub


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How many portraits were accepted and refused, and in how many seconds, once everything was open."""

    accepted: int
    refused: int
    seconds: float


async def enrol(school: School, pupils: Sequence[Pupil]) -> Enrolled:
    signature = Signature(Consent.GRANTED, "a parent")
    refusals: dict[Path, str] = {}
    async with open_enrolment(school) as enrolment:
        start = perf_counter()
        await register_people(school.database, pupils, signature, school.clock)
        async for result in enrolment.enrol(pupils):
            if isinstance(result, ImageResult):
                refusals[result.path] = result.refusal
        seconds = perf_counter() - start
    refused = sum(1 for refusal in refusals.values() if refusal)
    return Enrolled(len(refusals) - refused, refused, seconds)


def pupils(folders: Sequence[Path], most: int) -> list[Pupil]:
    """A pupil of class 10A for each folder of portraits, of which the first `most` are taken."""
    return [Pupil(folder.name, folder.name, "10A", tuple(sorted(folder.glob("*.jpg"))[:most])) for folder in folders]
