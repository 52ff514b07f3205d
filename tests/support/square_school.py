"""A school whose people are coloured squares, with recognisers of this machine and the stand-in for Azure Face."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from hub import app
from hub.app import Paths, open_enrolment, open_school
from hub.enrolling import Result
from hub.plugin import SystemClock
from hub.portraits import read_pupils
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from hub.works import Works, open_works
from tests.support import squares
from tests.support.azure import FakeAzure, crop
from tests.support.azure.gallery import Person
from tests.support.azure.pictures import likeness
from tests.support.azure.server import KEY
from tests.support.colours import COLOURS
from tests.support.distributions import install
from tests.support.fras import School

LOCAL = "  - {id: local, platform: squares}\n"
CONSENT = Signature(Consent.GRANTED, "a parent", "")
REST = """\
hub: {{name: Test School, time_zone: Europe/Berlin}}
http: {{port: 0}}
storage: {{platform: local_disk}}
recognizer:
{recognisers}
cameras:
  - {{platform: folder, id: door, room: "101", path: door, mode: watch}}
  - {{platform: folder, id: gate, room: "102", path: gate, mode: watch{chosen}}}
"""


def furnish(school: School) -> School:
    """Installs the recogniser, and makes the folders of the cameras `door` and `gate`."""
    install(school.site, "fras-squares", "squares", Path(squares.__file__).read_text("utf-8"))
    for camera in ("door", "gate"):
        (school.folder / camera).mkdir()
    return school


def cloud(fake: FakeAzure, key: str = KEY) -> str:
    """The service as an entry of hub.yaml's `recognizer`."""
    options = f'endpoint: "{fake.endpoint}", key: {key}, group: school, train_after: 0 s, calls_per_second: 1000'
    return f"  - {{id: cloud, platform: azure_face, {options}}}\n"


def there(fake: FakeAzure, group: str = "school") -> dict[str, int]:
    """Whose faces the service holds, and how many of each: by their colour, for it hears no ids."""
    people = fake.gallery.groups[group].people.values() if group in fake.gallery.groups else ()
    return {name: len(one.faces) for name, one in zip(map(_face_of, people), people, strict=True)}


def called(fake: FakeAzure, person: str, group: str = "school") -> str:
    """What the service knows the person by."""
    (data,) = (str(one.data) for one in fake.gallery.groups[group].people.values() if _face_of(one) == person)
    return data.removeprefix("fras:")


def _face_of(person: Person) -> str:
    for face in person.faces.values():
        return max(COLOURS, key=lambda name: likeness(COLOURS[name], face.colour))
    return ""


def write(school: School, recognisers: str, gate: str = "") -> None:
    """Writes hub.yaml with these recognisers; `gate` is the one of that camera."""
    chosen = f", recognizer: {gate}" if gate else ""
    (school.folder / "hub.yaml").write_text(REST.format(recognisers=recognisers, chosen=chosen), "utf-8")


def portraits(school: School, *people: str, count: int = 2, first: int = 0) -> Path:
    """A folder of portraits, of a size that a service takes; others than those of another `first`."""
    folder = school.folder / "portraits"
    for person in people:
        (folder / person).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            shown = crop(person, face=150, brightness=-3 * number)
            Image.fromarray(shown.pixels).save(folder / person / f"{number}.png")
    return folder


def paths(school: School) -> Paths:
    return Paths.of(school.folder / "hub.yaml", None)


async def enrol(school: School, *people: str, first: int = 0) -> list[Result]:
    """As `fras enroll` does, with two portraits each."""
    folder = portraits(school, *people, first=first)
    async with open_school(paths(school)) as opened:
        pupils = [pupil for pupil in read_pupils(folder) if pupil.id in people]
        await register_people(opened.database, pupils, CONSENT, SystemClock())
        async with open_enrolment(opened) as enrolment:
            results = [result async for result in enrolment.enrol(pupils)]
            for gallery in enrolment.galleries.values():
                await gallery.settle()
    return results


@asynccontextmanager
async def hub(school: School, served: Callable[[str], None] | None = None) -> AsyncIterator[tuple[Works, app.School]]:
    async with open_school(paths(school), own=True) as opened, open_works(opened, served) as works:
        yield works, opened


def film(school: School, camera: str, *people: str) -> None:
    """A frame in a camera's folder, put there at once."""
    pixels = np.concatenate([crop(person, face=80).pixels for person in people or ("",)], axis=1)
    Image.fromarray(pixels).save(school.folder / "new.png")
    (school.folder / "new.png").rename(school.folder / camera / f"{len(list((school.folder / camera).iterdir()))}.png")
