"""Recognisers that refuse at the start: the rest of the hub works, and what waits for them is recognised in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from aiohttp import ClientSession
from sqlalchemy import text

from hub import app
from hub.db import ledger
from hub.leaving import forget_elsewhere
from hub.people import Roll
from hub.plugin import NeedsHuman
from hub.recognition.consent import Consent
from hub.runtime.health import State
from tests.support.azure import FakeAzure, faults
from tests.support.fras import School
from tests.support.services import until
from tests.support.square_school import LOCAL, cloud, enrol, film, furnish, hub, paths, write

T = TypeVar("T")

LATER = "  - {id: later, platform: squares, model: later-1, missing: key}\n"


pytestmark = pytest.mark.usefixtures("galleries_in_a_hurry")


@pytest.fixture
def place(school: School) -> School:
    return furnish(school)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.pipeline.pipeline.PAUSE", 0.05)
    monkeypatch.setattr("plugins.cameras.folder.camera.POLL", 0.05)
    monkeypatch.setattr("plugins.cameras.folder.camera.SETTLED", 0.0)


async def seen(school: app.School) -> set[tuple[str, str | None]]:
    async with school.database.read() as connection:
        return {
            (camera, who) for camera, who in await connection.execute(text("SELECT camera, person FROM observations"))
        }


async def waiting(school: app.School) -> int:
    async with school.database.read() as connection:
        return await ledger.count_pending(connection)


async def cloud_is(school: app.School) -> State:
    return school.supervisor.health["recognizer cloud"].state


async def test_others_go_on_and_a_new_key_brings_it_back(
    place: School, fake: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    write(place, LOCAL + cloud(fake), gate="cloud")
    await enrol(place, "ada", "bob")
    write(place, LOCAL + cloud(fake, "expired"), gate="cloud")
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
        write(place, LOCAL + cloud(fake, "another-wrong-one"), gate="cloud")
        with pytest.raises(NeedsHuman, match="does not accept the key"):
            await works.reload()
        assert works.whole
        film(place, "door", "ada")
        await eventually(seen, school, {("door", "bob"), ("door", "ada")})
        write(place, LOCAL + cloud(fake), gate="cloud")
        await works.reload()
        await eventually(seen, school, {("door", "bob"), ("door", "ada"), ("gate", "ada")})
        assert await waiting(school) == 0
        assert school.supervisor.health["recognizer cloud"].state is State.RUNNING


async def test_the_only_one_refuses_and_frames_are_taken_in(
    place: School, fake: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approval is given at Azure, so hub.yaml stays as it is: a reload tries again."""
    write(place, LOCAL + cloud(fake), gate="cloud")
    await enrol(place, "ada")
    write(place, cloud(fake), gate="cloud")
    monkeypatch.setattr("hub.recognisers.SPARE", "squares")  # without the weights of the real one
    fake.approved = False
    async with hub(place) as (works, school):
        film(place, "door", "ada")
        film(place, "gate", "ada")
        await eventually(waiting, school, 2)
        await eventually(cloud_is, school, State.NEEDS_HUMAN)
        assert await seen(school) == set()
        assert "no approval" in school.supervisor.health["recognizer cloud"].last_error
        fake.approved = True
        assert (await works.reload()).told() == ("recognizer cloud: tried again",)
        await eventually(seen, school, {("door", "ada"), ("gate", "ada")})


async def test_without_approval_people_are_deleted_all_the_same(place: School, fake: FakeAzure) -> None:
    """By a command, and by the hub itself, with an approval that Microsoft has taken back."""
    write(place, LOCAL + cloud(fake), gate="cloud")
    await enrol(place, "ada", "bob")
    fake.approved = False
    async with app.open_school(paths(place)) as school:
        await Roll(school.database, school.clock).sign("bob", Consent.WITHDRAWN, "a parent", "")
        assert await forget_elsewhere(school, "bob") == {"cloud": ""}
        assert await held(fake) == 1
    async with hub(place) as (_, school):
        assert "no approval" in school.supervisor.health["recognizer cloud"].progress
        await Roll(school.database, school.clock).sign("ada", Consent.WITHDRAWN, "a parent", "")
        await eventually(held, fake, 0)


async def held(fake: FakeAzure) -> int:
    return sum(len(group.people) for group in fake.gallery.groups.values())


async def test_frames_wait_across_a_restart(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake), gate="cloud")
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
    write(place, LOCAL + cloud(fake), gate="cloud")
    await enrol(place, "ada")
    write(place, LOCAL + cloud(fake, "expired") + both, gate="both")
    async with hub(place) as (_, school):
        film(place, "gate", "ada", "eve")
        film(place, "door", "ada")
        await eventually(seen, school, found | {("door", "ada")})
        await eventually(waiting, school, 0 if found else 1)


async def eventually(look: Callable[[T], Awaitable[object]], where: T, wanted: object) -> None:
    async def there() -> bool:
        return await look(where) == wanted

    await until(there, patience=60)
