"""How fast portraits are enrolled, and what large phone photos cost in time and memory.

Portraits go through the hub's enrolment (read, decoded, found, embedded with their mirror images, judged together,
stored) and, in the same run, through the models alone; the ratio says what everything around the models costs. Phone
photos are portraits enlarged into the middle of 12 megapixels, each run in a process of its own, whose largest
resident size is compared with that of one that enrolled small portraits only.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hub.app import open_school
from hub.enrolment import BATCH
from hub.plugin import Pixels
from hub.plugin.media import decode, encode_jpeg
from hub.portraits import Pupil
from plugins.recognizers.onnx_local.vision import Vision

from . import school
from .frames import read
from .measure import Rounds, report, shared
from .packs import vision

MIN_FACE = 40
"""As in the shipped hub.yaml."""

PORTRAITS, EACH = 60, 3
"""How many portraits, and how many of them are of the same person."""

WIDTH, HEIGHT = 4000, 3000
FACES = 1500
"""Pixels on each side of the enlarged portrait in a phone photo."""

MANY = 16
"""Phone photos enrolled in one go: more than are decoded at once."""


def run(full: bool = False) -> None:
    folders = sorted(path for path in shared("data/faces/enrol").iterdir() if len(list(path.glob("*.jpg"))) >= EACH)
    people = school.pupils(folders[: PORTRAITS // EACH], EACH)
    _portraits(people, 9 if full else 3)
    _phone_photos(people[0].portraits)


def _portraits(people: Sequence[Pupil], rounds: int) -> None:
    models = vision("dlib", MIN_FACE)
    images = [portrait.read_bytes() for pupil in people for portrait in pupil.portraits]
    measured = Rounds()
    enrolled: list[school.Enrolled] = []
    for _ in range(rounds):
        measured.wait()
        with measured.turn("alone"):
            _models_alone(models, images)
        measured.wait()
        enrolled.append(_enrolled(people))
    times = measured.times
    times = replace(times, taken={**times.taken, "enrolment": [one.seconds for one in enrolled]})
    report(
        "enrol",
        portraits=len(images),
        accepted=enrolled[-1].accepted,
        refused=enrolled[-1].refused,
        portraits_a_minute=round(60 * len(images) / times.median("enrolment"), 1),
        share_of_models_alone=round(times.ratio("alone", to="enrolment"), 3),
        others=times.others,
    )


def _models_alone(models: Vision, images: Sequence[bytes]) -> None:
    for start in range(0, len(images), BATCH):
        looked = [models.look(decode(image)) for image in images[start : start + BATCH]]
        models.embed(looked, [True] * len(looked))


def _enrolled(people: Sequence[Pupil]) -> school.Enrolled:
    """Enrols `people` in a new school."""

    async def work() -> school.Enrolled:
        with school.folder(MIN_FACE) as paths:
            async with open_school(paths, own=True) as opened:
                return await school.enrol(opened, people)

    return asyncio.run(work())


def _phone_photos(portraits: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place, "small"), Path(place, "large")
        for folder in (small, large):
            folder.mkdir()
        for number, portrait in enumerate(portraits):
            (small / f"{number}.jpg").write_bytes(portrait.read_bytes())
        photo = phone_photo(read(portraits[0]))
        for number in range(MANY):  # Bytes after the end of the image make each a file of its own.
            (large / f"{number:02}.jpg").write_bytes(photo + bytes([number + 1]))
        before = _in_a_process(small, EACH)
        for count in (1, MANY):
            after = _in_a_process(large, count)
            grown = after["peak_mb"] - before["peak_mb"]
            each = after["seconds"] / count
            report(
                "enrol",
                phone_photos=count,
                megapixels=WIDTH * HEIGHT / 1e6,
                accepted=after["accepted"],
                seconds_each=round(each, 2),
                times_a_portrait=round(each / (before["seconds"] / EACH), 1),
                peak_growth_mb=round(grown),
                times_one_decoded=round(grown / (WIDTH * HEIGHT * 3 / 1e6), 1),
            )


def phone_photo(portrait: Pixels) -> bytes:
    """A JPEG of 12 megapixels with the portrait large in the middle, on noise that compresses as a scene does."""
    noise = np.random.default_rng(7).integers(60, 200, (HEIGHT // 50, WIDTH // 50, 3), np.uint8)
    canvas = np.asarray(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    top, left = (HEIGHT - FACES) // 2, (WIDTH - FACES) // 2
    canvas[top : top + FACES, left : left + FACES] = cv2.resize(portrait, (FACES, FACES))
    return encode_jpeg(canvas)


def _in_a_process(folder: Path, most: int) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(folder), str(most)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _measured(folder: Path, most: int) -> dict[str, Any]:
    """What `_in_a_process` prints: enrols the first `most` pictures of `folder` as one person's."""
    (pupil,) = school.pupils([folder], most)
    done = _enrolled([replace(pupil, id="person")])
    # Not getrusage's ru_maxrss, which begins with what the parent had.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"seconds": done.seconds, "accepted": done.accepted, "peak_mb": int(status["VmHWM"].split()[0]) * 1024 / 1e6}


if __name__ == "__main__":
    print(json.dumps(_measured(Path(sys.argv[1]), int(sys.argv[2]))))
