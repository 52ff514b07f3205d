"""Galleries at services: a receipt says "deleted" of nobody who is still there, and no id leaves the building."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial

import pytest
from aiohttp import web
from sqlalchemy import text

from hub import app
from hub.app import open_erasure, open_remote_galleries, open_school
from hub.db import recognisable, remote
from hub.leaving import forget_elsewhere
from hub.people import Roll
from hub.recognition.consent import Consent
from hub.reconciling import Drift
from tests.support.azure import FakeAzure, crop, faults
from tests.support.azure.gallery import Person
from tests.support.fras import School
from tests.support.services import until as eventually
from tests.support.square_school import (
    LOCAL,
    called,
    cloud,
    enrol,
    furnish,
    hub,
    paths,
    there,
    write,
)

pytestmark = pytest.mark.usefixtures("galleries_in_a_hurry")


@pytest.fixture
def place(school: School) -> School:
    return furnish(school)


async def withdraw(place: School, person: str) -> dict[str, str]:
    """As `fras people consent`, beside a running hub perhaps; what the receipt says of services."""
    async with open_school(paths(place)) as school:
        await Roll(school.database, school.clock).sign(person, Consent.WITHDRAWN, "a parent", "")
        return await forget_elsewhere(school, person)


async def holders_are(school: app.School, person: str, galleries: list[str]) -> bool:
    async with school.database.read() as connection:
        return await remote.holders(connection, person) == galleries


async def seen(place: School) -> list[str | None]:
    """Whom the first recogniser takes a picture of ada for."""
    async with open_school(paths(place)) as school, app.open_judge(school) as judge:
        (verdict,) = await judge.judge([crop("ada")])
    return [face.decision.person for face in verdict.faces]


async def settle(place: School) -> None:
    async with open_school(paths(place)) as school, open_remote_galleries(school) as galleries:
        for gallery in galleries.values():
            await gallery.reconcile()
            await gallery.settle()


async def test_whoever_is_at_a_former_place_is_not_called_deleted(
    place: School, fake: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    before = cloud(fake)
    after = before.replace("group: school", "group: newer")
    write(place, LOCAL + before)
    await enrol(place, "ada", "bob")
    write(place, LOCAL + after)
    fake.fault = faults.status(503)
    async with hub(place) as (_, school):
        async with school.database.read() as connection:
            assert not await recognisable.held(connection, "azure-recognition_04"), "nobody is in the new one"
        fake.fault = None
        former = f"azure_face {fake.endpoint.removeprefix('http://')}/school"
        assert f"people are enrolled at {former}, which is not in hub.yaml any more" in caplog.text

        async def sent_again() -> bool:
            return there(fake, "newer") == {"ada": 2, "bob": 2}

        await eventually(sent_again)
        said = await withdraw(place, "ada")
        assert said.pop("cloud", "") == "", "the hub may have been first"
        assert list(said) == [former]
        assert "it is not in hub.yaml any more; put its settings back under an id of their own" in said[former]
        await eventually(partial(holders_are, school, "ada", [former]))
    assert list(await withdraw(place, "ada")) == [former]
    assert there(fake) == {"ada": 2, "bob": 2}
    assert there(fake, "newer") == {"bob": 2}
    write(place, LOCAL + after + before.replace("id: cloud", "id: former"))
    assert await withdraw(place, "ada") == {"former": ""}
    assert await withdraw(place, "ada") == {}
    assert there(fake) == {"bob": 2}


async def test_an_id_that_names_no_service_any_more_deletes_nothing(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada")
    write(place, "  - {id: cloud, platform: squares}\n")
    for _ in range(2):
        assert ["not in hub.yaml any more" in said for said in (await withdraw(place, "ada")).values()] == [True]
    assert there(fake) == {"ada": 2}


async def test_the_service_hears_no_id_and_recognises_all_the_same(place: School, fake: FakeAzure) -> None:
    heard: list[bytes] = []

    async def listen(request: web.Request) -> web.StreamResponse | None:
        heard.append(request.raw_path.encode() + await request.read())
        return None

    fake.fault = listen
    write(place, cloud(fake) + LOCAL)
    await enrol(place, "ada")
    assert await seen(place) == ["ada"]
    assert await withdraw(place, "ada") == {"cloud": ""}
    assert there(fake) == {}
    assert heard
    assert not [one for one in heard if b"ada" in one]


async def test_whom_a_lost_database_knew_is_deleted_as_a_stranger(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada", "bob")
    lost = {called(fake, "ada"), called(fake, "bob")}
    async with open_school(paths(place)) as school, school.database.write() as connection:
        await connection.execute(text("DELETE FROM remote_people"))
        await connection.execute(text("DELETE FROM remote_portraits"))
        await connection.execute(text("DELETE FROM enrolment_images WHERE person = 'bob'"))
    async with open_school(paths(place)) as school, open_remote_galleries(school) as galleries:
        drift = await galleries["cloud"].reconcile()
        assert set(drift.forgotten) == {f"stranger/{one}" for one in lost}
        await galleries["cloud"].settle()
    assert there(fake) == {"ada": 2}
    assert called(fake, "ada") not in lost


async def test_a_backup_from_before_somebody_was_enrolled_anew(place: School, fake: FakeAzure) -> None:
    """It has a pseudonym that is no more, and knows nothing of the one there is; and a stranger there has none."""
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada")
    new = called(fake, "ada")
    async with open_school(paths(place)) as school, school.database.write() as connection:
        await connection.execute(text("UPDATE remote_people SET pseudonym = 'of the backup'"))
    fake.gallery.groups["school"].people["0f"] = Person("Somebody", None)
    async with open_school(paths(place)) as school, open_remote_galleries(school) as galleries:
        drift = await galleries["cloud"].reconcile()
        assert drift == Drift((f"stranger/{new}", "stranger/unknown/0f"), ("ada",))
        await galleries["cloud"].settle()
        assert await galleries["cloud"].reconcile() == Drift()
    assert there(fake) == {"ada": 2}


async def test_who_was_sent_by_an_older_fras_is_recognised_and_deleted(place: School, fake: FakeAzure) -> None:
    write(place, cloud(fake) + LOCAL)
    await enrol(place, "ada")
    (known,) = fake.gallery.groups["school"].people.values()
    known.data = "fras:ada"
    async with open_school(paths(place)) as school, school.database.write() as connection:
        await connection.execute(text("UPDATE remote_people SET gallery = 'cloud', pseudonym = 'ada'"))
        await connection.execute(text("UPDATE remote_portraits SET gallery = 'cloud'"))
    await settle(place)
    assert await seen(place) == ["ada"]
    assert called(fake, "ada") == "ada"
    assert await withdraw(place, "ada") == {"cloud": ""}
    assert there(fake) == {}


class Gate:
    """Holds up the first face that is enrolled until it is told to `go`."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse | None:
        if request.method == "POST" and request.path.endswith("/persistedfaces"):
            self.reached.set()
            await self.go.wait()
        return None


async def test_withdrawn_while_a_portrait_is_on_its_way(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL)
    await enrol(place, "ada")
    write(place, LOCAL + cloud(fake))
    gate = fake.fault = Gate()
    async with hub(place) as (_, school):
        await asyncio.wait_for(gate.reached.wait(), 20)
        ((name, reason),) = (await withdraw(place, "ada")).items()
        assert (name, reason.partition(";")[0]) == ("cloud", "a portrait was on its way there at this moment")
        gate.go.set()
        await eventually(partial(holders_are, school, "ada", []))
        assert there(fake) == {}


async def test_stopped_while_a_portrait_is_on_its_way(place: School, fake: FakeAzure) -> None:
    """Nothing says that anything arrived, and it is deleted all the same."""
    write(place, LOCAL)
    await enrol(place, "ada")
    write(place, LOCAL + cloud(fake))
    gate = fake.fault = Gate()
    async with open_school(paths(place)) as school:
        async with open_remote_galleries(school) as galleries:
            task = asyncio.create_task(galleries["cloud"].settle())
            await asyncio.wait_for(gate.reached.wait(), 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        gate.go.set()
        fake.fault = None
        async with school.database.read() as connection:
            assert await remote.sent(connection, school.settings.gallery_of("cloud")) == {}
    assert len(fake.gallery.groups["school"].people) == 1
    assert await withdraw(place, "ada") == {"cloud": ""}
    assert there(fake) == {}


async def test_whoever_comes_back_is_there_with_the_new_portraits_only(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada", "bob")
    before = called(fake, "ada")
    fake.fault = faults.status(401)
    async with open_school(paths(place)) as school, open_erasure(school) as erasure:
        await erasure.person("ada")
    shutil.rmtree(place.folder / "portraits" / "ada")
    fake.fault = None
    await enrol(place, "ada", first=2)
    assert there(fake) == {"ada": 2, "bob": 2}
    assert called(fake, "ada") != before


async def test_one_gallery_by_two_ids_is_one(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake) + cloud(fake).replace("id: cloud", "id: again"))
    await enrol(place, "ada")
    await settle(place)
    assert there(fake) == {"ada": 2}
