"""People, their consent, enrolments and templates: everything that goes when they go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hub.attendance.records import Sighting
from hub.db import attendance, consent, enrolments, gallery, people, templates
from hub.db.engine import Database
from hub.db.enrolments import EnrolmentImage, State
from hub.db.people import Person
from hub.recognition.consent import Consent, standing
from tests.support.facts import at

DAY = "2026-11-23"
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)


@given(st.lists(st.builds(Person, words, words, st.none() | words), max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_people_in_any_script_come_back_as_they_were(database: Database, persons: list[Person]) -> None:
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM people"))
        await people.add(connection, *persons)
        await people.add(connection, *persons)
        last = {person.id: person for person in persons}
        assert await people.all(connection) == sorted(last.values(), key=lambda person: person.id.encode())
        for person in persons:
            assert await people.get(connection, person.id) == last[person.id]


@pytest.mark.parametrize("bad", ["", "  ", "a\0b", "caf\udce9"])
def test_ids_that_no_database_keeps_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="a person's id"):
        Person(bad, "Ada")


async def test_adding_again_takes_the_new_name(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        await people.add(connection, Person("1", "Ada L.", "10A"))
        assert await people.all(connection) == [Person("1", "Ada L.", "10A"), Person("2", "Bob")]
        assert await people.get(connection, "3") is None
        assert await people.existing(connection, ["3", "2", "2"]) == {"2"}


async def test_many_people_are_added_and_found_in_batches(database: Database) -> None:
    async with database.write() as connection:
        everybody = [Person(f"{number:05}", "x") for number in range(1201)]
        await people.add(connection, *everybody)
        assert await people.all(connection) == everybody
        assert len(await people.existing(connection, [person.id for person in everybody])) == 1201


async def test_consent_is_kept_in_the_order_it_arrived(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        granted = await consent.append(
            connection,
            person="1",
            signer="mother",
            state=Consent.GRANTED,
            at=at(0),
            notice_version="2026-1",
            expires_at=at(100),
        )
        refused = await consent.append(connection, person="1", signer="father", state=Consent.REFUSED, at=at(0))
        other = await consent.append(connection, person="2", signer="mother", state=Consent.GRANTED, at=at(5))
        assert granted.order < refused.order < other.order
        assert await consent.events(connection, "1") == [granted, refused]
        assert await consent.events(connection) == [granted, refused, other]
        said = await consent.by_person(connection)
        assert said == {"1": [granted, refused], "2": [other]}
        assert standing(said["1"], at(10)) is Consent.REFUSED


async def test_consent_needs_a_person(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await consent.append(connection, person="nobody", signer="x", state=Consent.GRANTED, at=at(0))


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE consent_events SET state = 'granted'",
        "DELETE FROM consent_events",
        "DELETE FROM consent_events WHERE 1 > 0",
    ],
)
async def test_consent_cannot_be_rewritten(database: Database, forbidden: str) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"))
        event = await consent.append(connection, person="1", signer="x", state=Consent.REFUSED, at=at(0))
    with pytest.raises(IntegrityError, match="append-only"):
        async with database.write() as connection:
            await connection.exec_driver_sql(forbidden)
    async with database.read() as connection:
        assert await consent.events(connection) == [event]


def image(person: str, sha: str, state: State = State.ACCEPTED, vector: list[float] | None = None) -> EnrolmentImage:
    return EnrolmentImage(
        person=person,
        source_sha256=sha * 64,
        model_id="m",
        state=state,
        reason="" if state is State.ACCEPTED else "no face",
        quality={"size": 80.5},
        embedding=None if vector is None else np.array(vector, np.float32),
        crop_key="enrolment/1.png",
    )


async def test_enrolments_by_photograph_person_and_model(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        await enrolments.record(
            connection,
            image("1", "b", vector=[1, 2]),
            image("1", "a", vector=[3, 4]),
            image("1", "c", State.REFUSED, vector=[9, 9]),
            image("2", "a", vector=[5, 6]),
            at=at(0),
        )
        await enrolments.record(connection, image("1", "d", vector=[1, 2]), image("2", "d"), at=at(-5))
        await connection.execute(text("DELETE FROM enrolment_images WHERE created_at < '2026-11-23 08:00:00'"))
        assert await enrolments.owners(connection, "m") == {"a" * 64: "1", "b" * 64: "1", "c" * 64: "1"}
        assert await enrolments.owners(connection, "other") == {}
        assert await enrolments.kept_crops(connection, ["enrolment/1.png", "enrolment/2.png"]) == {"enrolment/1.png"}
        accepted = await enrolments.accepted(connection, "m")
        assert {person: rows.tolist() for person, rows in accepted.items()} == {"1": [[3, 4], [1, 2]], "2": [[5, 6]]}
        assert await enrolments.accepted(connection, "other") == {}


async def test_a_later_judgement_of_a_photograph_replaces_the_earlier(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"))
        await enrolments.record(connection, image("1", "a", vector=[1, 2]), at=at(0))
        await enrolments.record(connection, image("1", "a", State.REFUSED), at=at(1))
        (kept,) = await enrolments.of_person(connection, "1", "m")
        assert (kept.state, kept.reason, kept.embedding) == (State.REFUSED, "no face", None)
        assert kept.quality == {"size": 80.5}
        assert await enrolments.accepted(connection, "m") == {}


async def test_templates_of_one_model(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("2", "Bob"), Person("1", "Ada"))
        ids, matrix = await templates.all(connection, "m")
        assert (ids, matrix.shape) == ([], (0, 0))
        await templates.replace(connection, "2", "m", np.array([1, 2, 3], np.float32), 4, at=at(0))
        await templates.replace(connection, "1", "m", np.array([4, 5, 6], np.float32), 2, at=at(0))
        await templates.replace(connection, "1", "m", np.array([7, 8, 9], np.float32), 3, at=at(0))
        await templates.replace(connection, "1", "n", np.array([0], np.float32), 1, at=at(0))
        ids, matrix = await templates.all(connection, "m")
        assert ids == ["1", "2"]
        assert matrix.dtype == np.float32
        assert matrix.tolist() == [[7, 8, 9], [1, 2, 3]]
        await templates.remove(connection, "1", at=at(1))
        assert (await templates.all(connection, "m"))[0] == ["2"]
        assert (await templates.all(connection, "n"))[0] == []


async def test_the_gallery_version_rises_with_all_recognition_depends_on(database: Database) -> None:
    async with database.write() as connection:
        versions = [await templates.version(connection)]
        await people.add(connection, Person("1", "Ada"))
        versions.append(await gallery.version(connection))
        await consent.append(connection, person="1", signer="x", state=Consent.GRANTED, at=at(0))
        versions.append(await gallery.version(connection))
        await templates.replace(connection, "1", "m", np.zeros(3, np.float32), 1, at=at(0))
        versions.append(await gallery.version(connection))
        await templates.remove(connection, "1", at=at(1))
        versions.append(await gallery.version(connection))
        await people.remove(connection, "1")
        versions.append(await gallery.version(connection))
    assert versions == sorted(set(versions))


async def test_whoever_leaves_takes_everything_along(database: Database) -> None:
    async with database.write() as connection:
        await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
        for person in ("1", "2"):
            await consent.append(connection, person=person, signer="x", state=Consent.GRANTED, at=at(0))
            await enrolments.record(connection, image(person, "a", vector=[1, 2]), at=at(0))
            await templates.replace(connection, person, "m", np.zeros(2, np.float32), 1, at=at(0))
        seen = [Sighting(at(0), at(1), "c", person, 2, 0.9, True) for person in ("1", "2")]
        await attendance.replace_day(connection, DAY, seen, [])
        assert await people.remove(connection, "1")
        assert not await people.remove(connection, "1")
        assert list(await consent.by_person(connection)) == ["2"]
        assert list(await enrolments.accepted(connection, "m")) == ["2"]
        assert (await templates.all(connection, "m"))[0] == ["2"]
        assert [sighting.person for sighting in await attendance.sightings_of(connection, DAY)] == ["2"]
