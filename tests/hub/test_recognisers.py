"""Several recognisers in one hub: services kept in step with consent, people moved from one model to another."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import text

from config import Invalid
from hub import app
from hub.app import open_erasure, open_school
from hub.db import remote, templates
from hub.enrolling import Stopped
from hub.enrolment import ImageResult
from hub.leaving import forget_elsewhere
from hub.people import Roll
from hub.recognisers import Recogniser, finders_of, open_recognisers, spare_finder
from hub.recognition.consent import Consent
from hub.runtime.catalog import Catalog
from hub.settings import RecognizerPart, read_settings
from tests.support import squares
from tests.support.azure import FakeAzure, crop, faults
from tests.support.azure.client import opened
from tests.support.fras import School
from tests.support.services import until as eventually
from tests.support.square_school import LOCAL, called, cloud, enrol, film, furnish, hub, paths, there, write

PATIENCE = 20.0

pytestmark = pytest.mark.usefixtures("galleries_in_a_hurry")


@pytest.fixture
def place(school: School) -> School:
    return furnish(school)


async def until(what: str, condition: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < end, what
        await asyncio.sleep(0.02)


async def seen(opened_school: app.School) -> list[tuple[str, str | None, str]]:
    """Camera, person and model of each face."""
    async with opened_school.database.read() as connection:
        query = "SELECT camera, person, model_id FROM observations ORDER BY captured_at, id"
        return [(camera, person, model) for camera, person, model in await connection.execute(text(query))]


async def look(opened_school: app.School, faces: int) -> list[tuple[str, str | None, str]]:
    end = asyncio.get_running_loop().time() + PATIENCE
    while len(found := await seen(opened_school)) < faces:
        assert asyncio.get_running_loop().time() < end, found
        await asyncio.sleep(0.05)
    return found


async def test_enrolled_people_are_at_the_service_and_nothing_is_sent_twice(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake), gate="cloud")
    await enrol(place, "ada", "bob")
    assert there(fake) == {"ada": 2, "bob": 2}
    fake.bodies.clear()
    await enrol(place, "ada", "bob")
    async with hub(place) as (_, opened_school):
        film(place, "gate")
        film(place, "gate", "ada")
        film(place, "door", "bob")
        found = await look(opened_school, 2)
    assert sorted(found) == [("door", "bob", "squares-1"), ("gate", "ada", "azure-recognition_04")]
    assert len(fake.bodies) == 1 + 2  # a face; and, at each of two starts, whether the resource may identify
    assert there(fake) == {"ada": 2, "bob": 2}


async def test_withdrawn_while_the_service_is_away_across_restarts(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada", "bob")
    fake.fault = faults.status(503)
    async with hub(place):
        async with open_school(paths(place)) as beside, open_erasure(beside) as erasure:
            await Roll(beside.database, beside.clock).sign("ada", Consent.WITHDRAWN, "a parent", "")
            await erasure.person("bob")
        await asyncio.sleep(0.3)
        assert there(fake) == {"ada": 2, "bob": 2}
    async with hub(place) as (_, opened_school):
        await asyncio.sleep(0.2)
        fake.fault = None
        await until("both are deleted there", lambda: there(fake) == {})

        async def noted() -> bool:
            async with opened_school.database.read() as connection:
                return await remote.sent(connection, "cloud") == {}

        await eventually(noted)


async def test_a_receipt_says_what_is_still_to_be_deleted(
    place: School, fake: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada", "bob")
    async with open_school(paths(place)) as opened_school:
        roll = Roll(opened_school.database, opened_school.clock)
        await roll.sign("ada", Consent.WITHDRAWN, "a parent", "")
        assert await forget_elsewhere(opened_school, "ada") == {"cloud": ""}
        assert await forget_elsewhere(opened_school, "ada") == {}
        assert there(fake) == {"bob": 2}
        await roll.sign("bob", Consent.WITHDRAWN, "a parent", "")
        fake.fault = faults.status(401)
        ((name, reason),) = (await forget_elsewhere(opened_school, "bob")).items()
        assert name == "cloud"
        assert reason
        gallery = opened_school.settings.gallery_of("cloud")
    write(place, LOCAL)
    async with hub(place):
        assert f"people are enrolled at {gallery}, which is not in hub.yaml any more" in caplog.text
    async with open_school(paths(place)) as opened_school:
        assert "not in hub.yaml any more" in (await forget_elsewhere(opened_school, "bob"))[gallery]


async def test_the_service_is_compared_with_consent_at_the_start(
    place: School, fake: FakeAzure, tmp_path: Path
) -> None:
    write(place, LOCAL + cloud(fake))
    await enrol(place, "ada", "bob")
    async with opened(tmp_path / "elsewhere", fake.endpoint) as (service, _):
        await service.forget(called(fake, "bob"))  # in the portal, say
        await service.enrol("eve", [crop("eve")])
    assert set(there(fake)) == {"ada", "eve"}
    async with hub(place):
        await until("as consent says", lambda: there(fake) == {"ada": 2, "bob": 2})


async def test_one_who_cannot_be_enrolled_there_holds_up_no_other(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL)
    await enrol(place, "ada", "bob", "cem")
    write(place, LOCAL + cloud(fake))

    bad: list[bytes] = []

    async def fault(request: web.Request) -> web.StreamResponse | None:
        """Azure takes the second, bob, for a bad argument."""
        if request.method == "POST" and request.path.endswith("/persons"):
            bad.append(await request.read())
            if bad[1:2] == bad[-1:]:
                return await faults.status(400)(request)
        return None

    fake.fault = fault
    async with hub(place):
        await until("the others are enrolled", lambda: there(fake) == {"ada": 2, "cem": 2})
        fake.fault = None
        await until("and in the end all are", lambda: there(fake) == {"ada": 2, "bob": 2, "cem": 2})


async def spans_are(opened_school: app.School, wanted: list[tuple[str, bool]]) -> bool:
    """Whether these are whom the service has been able to recognise, and whether it still is."""
    async with opened_school.database.read() as connection:
        query = "SELECT person, until IS NULL FROM template_spans WHERE model_id LIKE 'azure%' ORDER BY since"
        return [(person, bool(still)) for person, still in await connection.execute(text(query))] == wanted


async def test_consent_given_while_the_hub_runs_is_followed(place: School, fake: FakeAzure) -> None:
    write(place, LOCAL)
    await enrol(place, "ada")
    write(place, LOCAL + cloud(fake))
    async with hub(place) as (_, opened_school):
        await until("ada is enrolled there", lambda: there(fake) == {"ada": 2})
        await eventually(partial(spans_are, opened_school, [("ada", True)]))
        await Roll(opened_school.database, opened_school.clock).sign("ada", Consent.WITHDRAWN, "a parent", "")
        await until("ada is deleted there", lambda: there(fake) == {})
        await eventually(partial(spans_are, opened_school, [("ada", False)]))


async def test_everybody_moves_to_another_model_without_the_photographs(place: School) -> None:
    write(place, "  - {id: a, platform: squares, model: pack-a}\n")
    await enrol(place, "ada", "bob", "cem")
    portraits = place.folder / "portraits"
    portraits.rename(place.folder / "away")
    async with hub(place) as (works, opened_school):
        await Roll(opened_school.database, opened_school.clock).sign("cem", Consent.WITHDRAWN, "a parent", "")
        write(place, "  - {id: b, platform: squares, model: pack-b, threshold: 0.95}\n")
        assert (await works.reload()).told() == ("recognizer: restarted",)
        await until("both have moved", lambda: not opened_school.supervisor.health["recognizer b"].progress)
        film(place, "door", "ada", "bob", "cem")
        found = await look(opened_school, 3)
    assert sorted((person or "-", model) for _, person, model in found) == [
        ("-", "pack-b"),
        ("ada", "pack-b"),
        ("bob", "pack-b"),
    ]
    (place.folder / "away").rename(portraits)
    shutil.rmtree(portraits / "cem")
    again = await enrol(place, "ada", "bob")
    assert [result.new for result in again if isinstance(result, ImageResult)] == [False] * 4


async def test_who_was_enrolled_while_one_did_not_work_is_made_up_for(
    place: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("LOOK", 0.02), ("QUIET", 0.1), ("FIRST_RETRY", 0.05), ("LONGEST_RETRY", 0.1)):
        monkeypatch.setattr(f"hub.moving.{name}", seconds)
    away = tmp_path / "away"
    write(place, LOCAL + f'  - {{id: other, platform: squares, model: other, away: "{away}"}}\n', gate="other")
    async with hub(place) as (_, opened_school):
        away.touch()
        assert [result.by for result in await enrol(place, "ada") if isinstance(result, Stopped)] == ["other"]
        away.unlink()

        async def moved() -> bool:
            async with opened_school.database.read() as connection:
                return (await templates.all(connection, "other"))[0] == ["ada"]

        await eventually(moved)
        film(place, "gate", "ada")
        assert await look(opened_school, 1) == [("gate", "ada", "other")]


async def test_a_reload_exchanges_only_what_changed(place: School) -> None:
    both = LOCAL + "  - {id: other, platform: squares, model: other}\n"
    write(place, both)
    async with hub(place) as (works, opened_school):
        recognisers = works._recognisers
        before = dict(recognisers.now)
        write(place, both.replace("model: other", "model: another") + "  - {id: both, ensemble: [local, other]}\n")
        await works.reload()
        assert recognisers.now["local"] is before["local"]
        assert recognisers.now["other"] is not before["other"]
        write(place, LOCAL)
        await works.reload()
        assert list(recognisers.now) == ["local"]
        assert recognisers.now["local"] is before["local"]
        assert set(opened_school.supervisor.health) >= {"recognizer local"}
        assert "recognizer other" not in opened_school.supervisor.health
        write(place, LOCAL + "  - {id: bad, platform: colours, fails: no}\n")
        with pytest.raises(Exception, match="no"):
            await works.reload()
        assert works.whole
        assert list(recognisers.now) == ["local"]
        film(place, "door", "ada")
        assert await look(opened_school, 1) == [("door", None, "squares-1")]


async def test_a_recogniser_that_is_away_holds_up_no_other_cameras(place: School, tmp_path: Path) -> None:
    away = tmp_path / "away"
    write(place, LOCAL + f'  - {{id: far, platform: squares, model: far, away: "{away}"}}\n', gate="far")
    await enrol(place, "ada")
    away.touch()
    async with hub(place) as (_, opened_school):
        for _ in range(30):
            film(place, "gate", "ada")
        for _ in range(10):
            film(place, "door", "ada")
        found = await look(opened_school, 10)
        assert {camera for camera, _, _ in found} == {"door"}
        away.unlink()
        found = await look(opened_school, 40)
        assert {person for _, person, _ in found} == {"ada"}


async def test_a_service_finds_no_faces_for_another(place: School, fake: FakeAzure) -> None:
    second = cloud(fake).replace("id: cloud", "id: second, finder: cloud")
    write(place, LOCAL + cloud(fake) + second)
    with pytest.raises(Invalid, match=r"line \d+: 'cloud' is a service, which finds no faces itself"):
        async with hub(place):
            pass


async def test_services_alone_get_a_finder_of_this_machine(place: School, fake: FakeAzure, tmp_path: Path) -> None:
    """Without the weights of the real one, which other tests open."""
    write(place, cloud(fake))
    settings = read_settings(place.folder / "hub.yaml", Catalog())
    spare = RecognizerPart("squares", "spare", {}, settings.recognizer.parts[0].place)

    @asynccontextmanager
    async def opener(part: RecognizerPart) -> AsyncIterator[Recogniser]:
        if part is spare:
            yield squares.Squares({})
        else:
            async with opened(tmp_path, fake.endpoint) as (service, _):
                yield service

    async with open_recognisers(settings.recognizer.parts, lambda: spare, opener) as recognisers:
        assert finders_of(recognisers.now, settings) == {"cloud": "spare"}
    assert spare_finder(Catalog()).options["pack"] == "dlib"
