"""Recognisers that refuse at the start: the rest of the hub works, and what waits for them is recognised in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession
from PIL import Image
from sqlalchemy import text

from hub import app
from hub.app import Paths, open_enrolment, open_school
from hub.db import ledger
from hub.plugin import NeedsHuman, SystemClock
from hub.portraits import read_pupils
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from hub.runtime.health import State
from hub.works import Works, open_works
from tests.support import squares
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.server import KEY
from tests.support.distributions import install
from tests.support.fras import School
from tests.support.services import until

REST = """\
hub: {{name: Test School, time_zone: Europe/Berlin}}
http: {{port: 0}}
storage: {{platform: local_disk}}
recognizer:
{recognisers}
cameras:
  - {{platform: folder, id: door, room: "101", path: door, mode: watch}}
  - {{platform: folder, id: gate, room: "102", path: gate, mode: watch, recognizer: {gate}}}
"""
LOCAL = "  - {id: local, platform: squares}\n"
LATER = "  - {id: later, platform: later, missing: key}\n"
"""A recogniser of this machine: not ready while its file `missing` is there, in need of somebody if that says so."""


@pytest.fixture
def place(school: School) -> School:
    plugin = Path(squares.__file__).read_text("utf-8")
    install(school.site, "fras-squares", "squares", plugin)
    refusing = """    missing = context.base_folder / config["missing"]
    if missing.exists():
        told = missing.read_text()
        raise (NeedsHuman if told else NotReady)(told or "the file is there", hint="remove it")
    yield Squares({"model": "later-1"})"""
    plugin = plugin.replace("    yield Squares(config)", refusing).replace('name="squares"', 'name="later"')
    plugin = plugin.replace("    NotReady,", "    NeedsHuman,\n    NotReady,").replace(
        'vol.Optional("away")', '"missing"'
    )
    install(school.site, "fras-later", "later", plugin)
    for camera in ("door", "gate"):
        (school.folder / camera).mkdir()
    return school


@pytest.fixture
async def fake() -> AsyncIterator[FakeAzure]:
    async with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK", 0.02), ("FIRST_RETRY", 0.05), ("LONGEST_RETRY", 0.1)):
        monkeypatch.setattr(f"hub.remote_galleries.{name}", seconds)
    monkeypatch.setattr("hub.pipeline.pipeline.PAUSE", 0.05)
    monkeypatch.setattr("plugins.cameras.folder.camera.POLL", 0.05)
    monkeypatch.setattr("plugins.cameras.folder.camera.SETTLED", 0.0)


def cloud(fake: FakeAzure, key: str = KEY) -> str:
    options = f'endpoint: "{fake.endpoint}", key: {key}, group: school, train_after: 0 s, calls_per_second: 1000'
    return f"  - {{id: cloud, platform: azure_face, {options}}}\n"


def write(school: School, recognisers: str, gate: str = "cloud") -> None:
    (school.folder / "hub.yaml").write_text(REST.format(recognisers=recognisers, gate=gate), "utf-8")


async def enrol(school: School, *people: str) -> None:
    folder = school.folder / "portraits"
    for person in people:
        (folder / person).mkdir(parents=True, exist_ok=True)
        Image.fromarray(crop(person, face=150).pixels).save(folder / person / "0.png")
    async with open_school(Paths.of(school.folder / "hub.yaml", None)) as opened:
        pupils = [*read_pupils(folder)]
        await register_people(opened.database, pupils, Signature(Consent.GRANTED, "a parent", ""), SystemClock())
        async with open_enrolment(opened) as enrolment:
            async for _ in enrolment.enrol(pupils):
                pass
            for gallery in enrolment.galleries.values():
                await gallery.settle()


@asynccontextmanager
async def hub(school: School, served: Callable[[str], None] | None = None) -> AsyncIterator[tuple[Works, app.School]]:
    paths = Paths.of(school.folder / "hub.yaml", None)
    async with open_school(paths, own=True) as opened, open_works(opened, served) as works:
        yield works, opened


def film(school: School, camera: str, *people: str) -> None:
    """A frame in a camera's folder, put there at once."""
    pixels = np.concatenate([crop(person, face=80).pixels for person in people], axis=1)
    Image.fromarray(pixels).save(school.folder / "new.png")
    (school.folder / "new.png").rename(school.folder / camera / f"{len(list((school.folder / camera).iterdir()))}.png")


async def seen(school: app.School) -> set[tuple[str, str | None]]:
    async with school.database.read() as connection:
        return {
            (camera, who) for camera, who in await connection.execute(text("SELECT camera, person FROM observations"))
        }


async def waiting(school: app.School) -> int:
    async with school.database.read() as connection:
        return await ledger.count_pending(connection)


async def test_others_go_on_and_a_new_key_brings_it_back(
    place: School, fake: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada", "bob")
    write(place, LOCAL + cloud(fake, "expired"))
    addresses: list[str] = []
    async with hub(place, addresses.append) as (works, school):
        assert "recognizer cloud: needs_human: Azure Face" in caplog.text
        film(place, "gate", "ada")
        film(place, "door", "bob")
        await eventually(seen, school, {("door", "bob")})
        await eventually(waiting, school, 1)
        async with ClientSession() as http, http.get(f"{addresses[0]}api/v1/health") as answer:
            health = await answer.json()
        (part,) = (part for part in health["parts"] if part["id"] == "recognizer cloud")
        assert (health["status"], part["state"], health["waiting"]) == ("degraded", "needs_human", 1)
        assert "does not accept the key" in part["last_error"]
        assert "copy KEY 1" in part["hint"]
        async with ClientSession() as http, http.get(f"{addresses[0]}cameras") as answer:
            assert "does not accept the key" in await answer.text()
        write(place, LOCAL + cloud(fake, "another-wrong-one"))
        with pytest.raises(NeedsHuman, match="does not accept the key"):
            await works.reload()
        assert works.whole
        film(place, "door", "ada")
        await eventually(seen, school, {("door", "bob"), ("door", "ada")})
        write(place, LOCAL + cloud(fake))
        await works.reload()
        await eventually(seen, school, {("door", "bob"), ("door", "ada"), ("gate", "ada")})
        assert await waiting(school) == 0
        assert school.supervisor.health["recognizer cloud"].state is State.RUNNING


async def test_the_only_one_refuses_and_frames_are_taken_in(
    place: School, fake: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approval is given at Azure, so hub.yaml stays as it is: a reload tries again."""
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada")
    write(place, cloud(fake))
    monkeypatch.setattr("hub.recognisers.SPARE", "squares")  # without the weights of the real one
    fake.approved = False
    async with hub(place) as (works, school):
        film(place, "door", "ada")
        film(place, "gate", "ada")
        await eventually(waiting, school, 2)
        assert await seen(school) == set()
        assert school.supervisor.health["recognizer cloud"].state is State.NEEDS_HUMAN
        fake.approved = True
        assert (await works.reload()).told() == ("recognizer cloud: tried again",)
        await eventually(seen, school, {("door", "ada"), ("gate", "ada")})


async def test_frames_wait_across_a_restart(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada")
    fake.fault = faults.status(401)
    for count in (1, 2):
        async with hub(place) as (_, school):
            film(place, "gate", "ada")
            await eventually(waiting, school, count)
    fake.fault = None
    async with hub(place) as (_, school):
        await eventually(waiting, school, 0)
        assert await seen(school) == {("gate", "ada")}


async def test_one_that_is_not_ready_is_tried_again_and_put_to_work(place: School) -> None:
    write(place, LOCAL + LATER, gate="later")
    await enrol(place, "ada")
    (place.folder / "key").touch()
    async with hub(place) as (works, school):
        film(place, "gate", "ada")
        film(place, "door", "ada")
        await eventually(seen, school, {("door", "ada")})
        await eventually(waiting, school, 1)
        assert school.supervisor.health["recognizer later"].state is State.RETRYING
        (place.folder / "key").unlink()
        await eventually(seen, school, {("door", "ada"), ("gate", "ada")})
        assert works.whole
        write(place, LOCAL, gate="local")
        await works.reload()
        assert "recognizer later" not in school.supervisor.health


@pytest.mark.parametrize(("told", "runs"), [("", True), ("no model pack", False)], ids=["not ready", "needs somebody"])
async def test_nobody_finds_faces(place: School, told: str, runs: bool) -> None:
    """What passes is waited for; what a person has to mend on this machine is for the page that says so."""
    write(place, LATER, gate="later")
    await enrol(place, "ada")
    (place.folder / "key").write_text(told)
    if not runs:
        with pytest.raises(NeedsHuman, match="no model pack"):
            async with hub(place):
                pytest.fail("runs")
        return
    async with hub(place) as (_, school):
        film(place, "door", "ada")
        film(place, "gate", "ada")
        await eventually(waiting, school, 2)
        (place.folder / "key").unlink()
        await eventually(seen, school, {("door", "ada"), ("gate", "ada")})


@pytest.mark.parametrize(
    ("combination", "found"),
    [("chain: [local, cloud]", {("gate", "ada"), ("gate", None)}), ("ensemble: [local, cloud]", set())],
    ids=["chain", "ensemble"],
)
async def test_together_with_others(
    place: School, fake: FakeAzure, combination: str, found: set[tuple[str, str | None]]
) -> None:
    """A chain goes on without a later member; those that must agree wait for all."""
    both = f"  - {{id: both, {combination}}}\n"
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada")
    write(place, LOCAL + cloud(fake, "expired") + both, gate="both")
    async with hub(place) as (_, school):
        film(place, "gate", "ada", "eve")
        film(place, "door", "ada")
        await eventually(seen, school, found | {("door", "ada")})
        await eventually(waiting, school, 0 if found else 1)


async def eventually(look: Callable[[app.School], Awaitable[object]], school: app.School, wanted: object) -> None:
    async def there() -> bool:
        return await look(school) == wanted

    await until(there, patience=60)
