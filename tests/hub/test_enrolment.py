"""Portraits become templates: whatever the order, whenever interrupted, and only while consent stands."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import text

from hub.db import enrolments, templates
from hub.enrolment import NO_CONSENT, ImageResult, PersonResult
from hub.plugin import Picture, Sight, StorageFull
from hub.plugin.media import decode
from hub.portraits import Pupil
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from tests.support import colours
from tests.support.fras import save
from tests.support.services import Services, services
from tests.support.squares import Coarse, Squares

GRANTED = Signature(Consent.GRANTED, "x")


@dataclass
class Outcome:
    """The last word about each portrait (person, file) and about each person, and how many words there were."""

    images: dict[tuple[str, str], str]
    people: dict[str, int]
    known: set[tuple[str, str]]
    results: int


class Portraits:
    """A folder of portraits: each file shows whom its name begins with, a shade of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pupil(self, person: str, *shown: str) -> Pupil:
        """`shown` are "ada1" or "ada+bob1": who is to be seen, and which picture of them it is."""
        place = self.folder / person
        place.mkdir(parents=True, exist_ok=True)
        files = []
        for one in shown:
            who = one.rstrip("0123456789")
            number = int(one[len(who) :] or 0)
            files.append(save(place / f"{one}.png", *filter(None, who.split("+")), brightness=-number))
        return Pupil(person, None, None, tuple(files))


async def enrol(parts: Services, *pupils: Pupil, signature: Signature | None = GRANTED) -> Outcome:
    await register_people(parts.database, pupils, signature, parts.clock)
    return await enrolled(parts, *pupils)


async def enrolled(parts: Services, *pupils: Pupil) -> Outcome:
    outcome = Outcome({}, {}, set(), 0)
    enrolment = parts.enrolment()
    async for result in enrolment.enrol(pupils):
        outcome.results += 1
        if isinstance(result, PersonResult):
            outcome.people[result.person] = result.images
        else:
            outcome.images[result.person, result.path.stem] = result.refusal
            if not result.new:
                outcome.known.add((result.person, result.path.stem))
    return outcome


async def kept(parts: Services) -> dict[str, int]:
    """All there is of enrolled people; what results say must follow from it, and the storage from the rows."""
    async with parts.database.read() as connection:
        holders = await templates.images(connection)
        rows = (
            await connection.execute(
                text("SELECT person, state, embedding IS NOT NULL, crop_key FROM enrolment_images ORDER BY crop_key")
            )
        ).all()
    assert all((state == "accepted") == bool(embedding) == bool(key) for _, state, embedding, key in rows)
    assert [key for *_, key in rows if key] == await parts.stored()
    return holders


async def test_portraits_become_templates_and_the_others_are_told_why(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    ada = shown.pupil("ada", "ada1", "ada2", "0", "ada+bob3", "bob4", "ada5")
    unreadable = tmp_path / "portraits" / "ada" / "cut.jpg"
    unreadable.write_bytes(b"\xff\xd8\xff")
    gone = tmp_path / "portraits" / "ada" / "gone.jpg"
    async with services(tmp_path) as parts:
        outcome = await enrol(parts, Pupil("ada", None, None, (*ada.portraits, unreadable, gone)))
        assert outcome.people == {"ada": 3}
        assert {one for (_, one), refusal in outcome.images.items() if not refusal} == {"ada1", "ada2", "ada5"}
        assert outcome.images["ada", "0"] == "there is no face in it"
        assert outcome.images["ada", "ada+bob3"] == "there are several faces in it"
        assert outcome.images["ada", "bob4"] == "it does not look like the person's other images"
        assert outcome.images["ada", "cut"].startswith("the file is not an image that can be read: ")
        assert "No such file" in outcome.images["ada", "gone"]
        assert await kept(parts) == {"ada": 3}


@pytest.mark.parametrize("embedder", [Squares, Coarse])
async def test_a_kept_portrait_shows_nobody_else_and_the_face_as_large_as_services_want_it(
    tmp_path: Path, embedder: type[Squares]
) -> None:
    """A sibling beside and somebody in the background: they do not spoil the portrait, and are not kept in it."""
    pixels = np.full((900, 900, 3), 128, np.uint8)
    pixels[300:650, 290:540] = colours.COLOURS["ada"]
    pixels[400:500, 560:660] = colours.COLOURS["dee"]
    pixels[200:270, 300:370] = colours.COLOURS["eve"]
    place = tmp_path / "ada.png"
    Image.fromarray(pixels).save(place)
    async with services(tmp_path) as parts:
        parts.embedder = embedder({"model": "colours-1"})
        outcome = await enrol(parts, Pupil("ada", None, None, (place,)))
        assert outcome.images == {("ada", "ada"): ""}
        (key,) = await parts.stored()
        kept = decode(await parts.storage.get(key))
        for person, there in (("ada", True), ("dee", False), ("eve", False)):
            close = np.abs(kept.pixels.astype(int) - colours.COLOURS[person]).max(axis=2) < 60
            assert close.any() == there, person
        ((face,),) = [sight.faces for sight in await parts.embedder.analyse([kept])]
        assert face.quality.size >= 200


async def test_a_second_run_looks_only_at_what_did_not_serve_and_says_why_again(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    ada = shown.pupil("ada", "ada1", "ada2", "0")
    async with services(tmp_path) as parts:
        first = await enrol(parts, ada)
        before, stored = await kept(parts), await parts.stored()
        again = await enrol(parts, ada)
        assert (again.images, again.people) == (first.images, first.people)
        assert again.known == {("ada", "ada1"), ("ada", "ada2")}
        assert (await kept(parts), await parts.stored()) == (before, stored)
        more = await enrol(parts, shown.pupil("ada", "ada3"), Pupil("bob", None, None, ()))
        assert more.people == {"ada": 3, "bob": 0}
        assert (await enrol(parts, Pupil("ada", None, None, ()))).people == {"ada": 3}, "as it was"


async def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    async with services(tmp_path) as parts:
        ada = shown.pupil("ada", "ada1", "ada2")
        await enrol(parts, ada)
        async with parts.database.read() as connection:
            before = await templates.version(connection)
        await enrolled(parts, ada)
        async with parts.database.read() as connection:
            assert await templates.version(connection) == before


async def test_two_people_with_each_others_photo_are_both_told(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    ada, bob = shown.pupil("ada", "ada1", "ada2", "bob9"), shown.pupil("bob", "bob1", "bob2", "ada9")
    for pupils in ((ada, bob), (bob, ada)):
        with tempfile.TemporaryDirectory() as place:
            async with services(Path(place)) as parts:
                outcome = await enrol(parts, *pupils)
                assert outcome.images["ada", "bob9"] == "it looks like somebody else: bob"
                assert outcome.images["bob", "ada9"] == "it looks like somebody else: ada"
                assert await kept(parts) == {person: images for person, images in outcome.people.items() if images}


portraits = st.lists(st.sampled_from(sorted(colours.COLOURS)[:3]), min_size=1, max_size=4)


@given(st.dictionaries(st.sampled_from(["p1", "p2", "p3"]), portraits, min_size=2), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_order_of_people_makes_no_difference(mixed: dict[str, list[str]], chance: Any) -> None:
    outcomes = []
    for shuffle in (False, True):
        with tempfile.TemporaryDirectory() as place:
            shown = Portraits(Path(place) / "portraits")
            numbers = iter(range(1, 100))
            pupils = [
                shown.pupil(person, *(f"{who}{next(numbers)}" for who in whose))
                for person, whose in sorted(mixed.items())
            ]
            if shuffle:
                chance.shuffle(pupils)
            async with services(Path(place)) as parts:
                outcome = await enrol(parts, *pupils)
                assert await kept(parts) == {person: images for person, images in outcome.people.items() if images}
                async with parts.database.read() as connection:
                    owners = await enrolments.owners(connection, "colours-1")
                assert len(owners) == sum(not refusal for refusal in outcome.images.values())
                outcomes.append((outcome.images, outcome.people))
    assert outcomes[0] == outcomes[1]


async def test_the_same_file_twice_counts_once_and_serves_one_person_only(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    ada = shown.pupil("ada", "ada1", "ada2")
    twin = tmp_path / "portraits" / "ada" / "copy.png"
    twin.write_bytes(ada.portraits[0].read_bytes())
    stolen = tmp_path / "portraits" / "stolen.png"
    stolen.write_bytes(ada.portraits[1].read_bytes())
    async with services(tmp_path) as parts:
        outcome = await enrol(
            parts, Pupil("ada", None, None, (*ada.portraits, twin)), Pupil("eve", None, None, (stolen,))
        )
        assert outcome.people == {"ada": 2, "eve": 0}
        assert outcome.known == {("ada", "copy")}
        assert outcome.images["ada", "copy"] == ""
        assert outcome.images["eve", "stolen"] == "it is a picture of somebody else, too: ada"
        later = await enrol(parts, Pupil("fay", None, None, (stolen,)))
        assert later.images == {("fay", "stolen"): "it is a picture of somebody else, too: ada"}
        assert await kept(parts) == {"ada": 2}
        await parts.erasure.person("ada")
        async with parts.database.read() as connection:
            rows = await connection.execute(text("SELECT reason FROM enrolment_images"))
            assert not any("ada" in reason for reason in rows.scalars())
        assert (await enrol(parts, Pupil("fay", None, None, (stolen,)))).people == {"fay": 1}


async def test_portraits_of_somebody_enrolled_before_are_refused_with_whom(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    async with services(tmp_path) as parts:
        await enrol(parts, shown.pupil("ada", "ada1", "ada2"))
        outcome = await enrol(parts, shown.pupil("eve", "ada3"))
        assert outcome.images == {("eve", "ada3"): "it looks like somebody else: ada"}
        assert await kept(parts) == {"ada": 2}
        async with parts.database.read() as connection:
            (row,) = await enrolments.of_person(connection, "eve")
        assert row.reason == "it looks like somebody else"
        await parts.erasure.person("ada")
        assert (await enrol(parts, shown.pupil("eve", "ada3"))).people == {"eve": 1}


async def test_without_consent_nothing_is_enrolled(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    ada = shown.pupil("ada", "ada1")
    async with services(tmp_path) as parts:
        assert await register_people(parts.database, [ada], None, parts.clock) == {"ada": Consent.PENDING}
        outcome = await enrolled(parts, ada)
        assert (outcome.images, outcome.people) == ({("ada", "ada1"): NO_CONSENT}, {"ada": 0})
        assert await kept(parts) == {}
        assert await parts.stored() == []


class Slow(colours.Colours):
    """Lets something happen while it looks."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Any = None

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        sights = await super().analyse(pictures, mirror=mirror)
        if self.meanwhile is not None:
            await self.meanwhile()
        return sights


def slow(recogniser: Slow) -> Any:
    from hub.plugin import RecognizerSpec

    @asynccontextmanager
    async def opened(config: object, context: object) -> AsyncIterator[Slow]:
        yield recogniser

    return RecognizerSpec(name="slow", config_schema={}, open=opened)


@pytest.mark.parametrize("end", ["withdrawn", "expired", "removed"])
async def test_consent_that_ends_while_portraits_are_looked_at_counts(tmp_path: Path, end: str) -> None:
    shown = Portraits(tmp_path / "portraits")
    recogniser = Slow()
    async with services(tmp_path, recogniser=slow(recogniser)) as parts:
        ada = shown.pupil("ada", "ada1", "ada2")
        await parts.enrol("ada", expires=parts.clock.now() + timedelta(hours=1))

        async def meanwhile() -> None:
            if end == "withdrawn":
                await parts.roll.sign("ada", Consent.WITHDRAWN, "x", "")
                await parts.erasure.pictures("ada")
            elif end == "removed":
                await parts.erasure.person("ada")
            else:
                parts.clock.wall += timedelta(hours=2)

        recogniser.meanwhile = meanwhile
        outcome = await enrolled(parts, ada)
        assert outcome.images == {("ada", "ada1"): NO_CONSENT, ("ada", "ada2"): NO_CONSENT}
        assert outcome.people == {"ada": 0}
        assert await parts.stored() == []
        await parts.erasure.lapsed()
        assert await kept(parts) == {}


async def test_granting_anew_enrols_anew(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    ada = shown.pupil("ada", "ada1", "ada2")
    async with services(tmp_path) as parts:
        await enrol(parts, ada)
        await parts.roll.sign("ada", Consent.WITHDRAWN, "x", "")
        await parts.erasure.pictures("ada")
        assert await kept(parts) == {}
        assert await parts.stored() == []
        outcome = await enrol(parts, ada)
        assert (outcome.people, outcome.known) == ({"ada": 2}, set())
        assert await kept(parts) == {"ada": 2}


async def test_an_expired_grant_may_be_signed_again_and_the_same_word_is_not_written_twice(tmp_path: Path) -> None:
    ada = Pupil("ada", None, None, ())
    async with services(tmp_path) as parts:
        await parts.enrol("ada", expires=parts.clock.now() + timedelta(hours=1))
        assert await register_people(parts.database, [ada], GRANTED, parts.clock) == {}
        assert len(await parts.roll.consent_of("ada")) == 1
        parts.clock.wall += timedelta(hours=2)
        assert await register_people(parts.database, [ada], None, parts.clock) == {"ada": Consent.PENDING}
        assert await register_people(parts.database, [ada], GRANTED, parts.clock) == {}
        assert len(await parts.roll.consent_of("ada")) == 2


async def test_a_folder_without_people_csv_changes_no_names(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.roll.add("ada", "Ada Lovelace", "10A")
        await register_people(parts.database, [Pupil("ada", None, None, ())], None, parts.clock)
        known = await parts.roll.one("ada")
        assert (known.name, known.class_name) == ("Ada Lovelace", "10A")
        await register_people(parts.database, [Pupil("ada", "Ada King", "11B", ())], None, parts.clock)
        known = await parts.roll.one("ada")
        assert (known.name, known.class_name) == ("Ada King", "11B")


async def test_a_storage_without_room_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Portraits(tmp_path / "portraits")
    async with services(tmp_path) as parts:
        put, room = type(parts.storage).put, 3

        async def full(storage: Any, key: str, data: bytes) -> None:
            nonlocal room
            room -= 1
            if room < 0:
                raise StorageFull("no room", hint="free some space")
            await put(storage, key, data)

        pupils = [shown.pupil("ada", "ada1", "ada2"), shown.pupil("bob", "bob1", "bob2")]
        with monkeypatch.context() as patch:
            patch.setattr(type(parts.storage), "put", full)
            with pytest.raises(StorageFull):
                await enrol(parts, *pupils)
        assert await kept(parts) == {"ada": 2}
        assert (await enrol(parts, *pupils)).people == {"ada": 2, "bob": 2}
        assert await kept(parts) == {"ada": 2, "bob": 2}


async def test_a_change_of_model_keeps_the_other_models_templates(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        async with parts.database.write() as connection:
            await templates.replace(connection, "ada", "another", np.ones(5, np.float32), 7, at=parts.clock.now())
        await enrolled(parts, shown.pupil("ada", "0"))
        async with parts.database.read() as connection:
            assert (await templates.all(connection, "another"))[0] == ["ada"]
            assert (await templates.all(connection, "colours-1"))[0] == []


async def test_stopping_in_the_middle_loses_nothing_that_was_said(tmp_path: Path) -> None:
    shown = Portraits(tmp_path / "portraits")
    pupils = [shown.pupil(person, *(f"{person}{number}" for number in range(1, 5))) for person in ("ada", "bob", "cem")]
    async with services(tmp_path) as parts:
        await register_people(parts.database, pupils, GRANTED, parts.clock)
        said = 0
        enrolment = parts.enrolment()
        results = enrolment.enrol(pupils)
        async for result in results:
            said += isinstance(result, ImageResult)
            if isinstance(result, PersonResult):
                break
        await results.aclose()
        again = await enrolled(parts, *pupils)
        assert len(again.known) >= said == 4
        assert again.people == {"ada": 4, "bob": 4, "cem": 4}
        assert await kept(parts) == again.people
