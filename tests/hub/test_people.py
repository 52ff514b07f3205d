"""Taking leave: whatever is held of somebody goes, even while the hub looks at them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from hub.crops import PORTRAITS
from hub.db import enrolments, people, templates
from hub.db.enrolments import EnrolmentImage, State
from hub.failure import Failure
from hub.plugin import NotReady
from hub.recognition.consent import Consent
from tests.support.facts import KEYS
from tests.support.services import Services, frame, recognised, recognising, services


async def portrait(parts: Services, person: str, sha: str = "a") -> str:
    key = KEYS.new(PORTRAITS, parts.clock.now())
    await parts.storage.put(key, b"jpeg")
    async with parts.database.write() as connection:
        image = EnrolmentImage(person, sha * 64, "colours-1", State.ACCEPTED, crop_key=key)
        await enrolments.record(connection, image, at=parts.clock.now())
    return key


async def held(parts: Services) -> list[tuple[str, str]]:
    """Everything there is of anybody: table and person."""
    tables = ("templates", "enrolment_images", "consent_events", "sightings", "marks", "people")
    async with parts.database.read() as connection:
        found = []
        for table in tables:
            column = "id" if table == "people" else "person"
            rows = await connection.execute(text(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1"))
            found += [(table, person) for person in rows.scalars()]
    return found


async def test_whoever_is_removed_leaves_neither_pictures_nor_rows(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        await recognised(parts, [frame(1, "ada", "bob")])
        await parts.registers.project(parts.clock.now().date())
        await portrait(parts, "ada")
        bobs = await portrait(parts, "bob", "b")
        assert await parts.erasure.person("ada") == 2
        assert {person for _, person in await held(parts)} == {"bob"}
        assert await parts.seen() == [(1, None), (1, "bob")]
        assert await parts.stored() == sorted([*await parts.pointers(), bobs])
        with pytest.raises(Failure, match="nobody has the id 'ada'"):
            await parts.erasure.person("ada")


@pytest.mark.sqlite
@pytest.mark.parametrize("withdrawn", [True, False])
async def test_nothing_of_a_face_can_be_read_from_the_files_after(tmp_path: Path, withdrawn: bool) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        template = np.random.default_rng(1).normal(size=128).astype("<f4")
        async with parts.database.write() as connection:
            await templates.replace(connection, "ada", "colours-1", template, images=1, at=parts.clock.now())
            for number in range(20):
                image = EnrolmentImage("ada", f"{number:064}", "colours-1", State.ACCEPTED, embedding=template + number)
                await enrolments.record(connection, image, at=parts.clock.now())

        def readable() -> list[int]:
            written = b"".join(file.read_bytes() for file in tmp_path.glob("fras.db*"))
            return [number for number in range(20) if (template + number).tobytes()[:40] in written]

        assert readable() == list(range(20))
        if withdrawn:
            await parts.roll.sign("ada", Consent.WITHDRAWN, "x", "1")
            await parts.erasure.pictures("ada")
        else:
            await parts.erasure.person("ada")
        assert readable() == []


async def test_removal_while_the_hub_recognises_leaves_no_picture(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        async with recognising(parts):
            for seq in range(40):
                await parts.inbox.accept("door", frame(seq, "ada"))
            await asyncio.sleep(0.05)
            await parts.erasure.person("ada")
            async with asyncio.timeout(10):
                while set((await parts.outcomes()).values()) != {("recognised", "")} or await parts.stored():
                    await asyncio.sleep(0.02)
        assert {person for _, person in await parts.seen()} == {None}


@pytest.mark.parametrize("how", ["expired", "due", "interrupted"])
async def test_what_is_held_of_people_whose_consent_has_lapsed_is_swept(tmp_path: Path, how: str) -> None:
    async with services(tmp_path) as parts:
        expires = parts.clock.now() + timedelta(days=1) if how == "expired" else None
        await parts.enrol("ada", expires=expires)
        await parts.enrol("bob")
        await recognised(parts, [frame(1, "ada", "bob")])
        await portrait(parts, "ada")
        bobs = await portrait(parts, "bob", "b")
        assert await parts.erasure.lapsed() == 0
        if how == "due":
            await parts.say("ada", Consent.WITHDRAWN, at=parts.clock.now() + timedelta(days=1))
            assert await parts.erasure.lapsed() == 0
        if how == "interrupted":
            await parts.roll.sign("ada", Consent.REFUSED, "a parent", "")
        parts.clock.wall += timedelta(days=2)
        assert await parts.erasure.lapsed() == 1
        assert await parts.stored() == sorted([*await parts.pointers(), bobs])
        assert len(await parts.pointers()) == 1
        assert [one for one in await held(parts) if one[0] in ("templates", "enrolment_images")] == [
            ("templates", "bob"),
            ("enrolment_images", "bob"),
        ]
        assert await parts.erasure.lapsed() == 0


async def test_a_storage_that_is_not_ready_keeps_the_rows_until_the_pictures_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await portrait(parts, "ada")
        await parts.roll.sign("ada", Consent.WITHDRAWN, "x", "")

        async def unready(storage: object, key: str) -> None:
            raise NotReady("not now")

        with monkeypatch.context() as patch:
            patch.setattr(type(parts.storage), "delete", unready)
            with pytest.raises(NotReady):
                await parts.erasure.pictures("ada")
        assert len(await parts.stored()) == 1
        assert await parts.erasure.lapsed() == 1
        assert await parts.stored() == []


async def test_signing_ends_and_begins_consent_at_once(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        assert await parts.roll.sign("ada", Consent.REFUSED, "the other parent", "") is Consent.REFUSED
        assert (await parts.roll.one("ada")).images == 0
        assert await parts.roll.sign("ada", Consent.GRANTED, "x", "") is Consent.REFUSED, "one objection vetoes"
        assert await parts.roll.sign("ada", Consent.GRANTED, "the other parent", "") is Consent.GRANTED
        with pytest.raises(Failure, match="nobody has the id 'eve'"):
            await parts.roll.sign("eve", Consent.GRANTED, "x", "")


async def test_a_withdrawal_counts_although_the_clock_was_ahead_when_consent_was_given(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        async with parts.database.write() as connection:
            await people.add(connection, people.Person("ada", "Ada"))
        await parts.say("ada", Consent.GRANTED, at=parts.clock.now() + timedelta(days=300))
        assert await parts.roll.sign("ada", Consent.WITHDRAWN, "x", "") is Consent.WITHDRAWN
        parts.clock.wall += timedelta(days=400)
        assert (await parts.roll.one("ada")).consent is Consent.WITHDRAWN


async def test_everybody_is_by_id_with_what_is_known(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("bob", "ada")
        await parts.roll.add("cem", class_name="11B")
        known = await parts.roll.everybody()
        assert [(one.id, one.name, one.class_name, one.consent, one.images) for one in known] == [
            ("ada", "Ada", "10A", Consent.GRANTED, 2),
            ("bob", "Bob", "10A", Consent.GRANTED, 2),
            ("cem", "cem", "11B", Consent.PENDING, 0),
        ]
        assert [await parts.roll.one(one.id) for one in known] == known
