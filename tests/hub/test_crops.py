"""Crops: in storage before their row, gone when their time is over, never forgotten in storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.attendance.records import Sighting
from hub.crops import GRACE, Crop, Crops, delete_all
from hub.db import attendance, consent, observations, people
from hub.db.engine import Database
from hub.db.people import Person
from hub.inbox import Conclusion, Inbox, Outcome
from hub.picture_keys import PictureKeys
from hub.plugin import NotReady, Storage
from hub.recognition.consent import Consent
from tests.support.disks import local_disk
from tests.support.facts import KEYS, SetClock, at, face, frame, inbox_in

KEEP = timedelta(days=30)


@dataclass
class Scene:
    database: Database
    inbox: Inbox
    storage: Storage
    clock: SetClock
    crops: Crops

    async def observed(self, seq: int, person: str = "1") -> Crop:
        accepted = await self.inbox.accept("door", frame(seq))
        crop = await self.crops.put(f"crop {seq}".encode(), at(seq))
        await self.inbox.conclude([Conclusion(accepted.frame_id, Outcome.RECOGNISED, "", (face(person, crop=crop),))])
        return crop

    async def stored(self) -> list[str]:
        return [key async for key in self.storage.list()]

    async def pointers(self) -> list[str | None]:
        async with self.database.read() as connection:
            return [seen.crop for seen in await observations.between(connection, at(0), at(100))]

    async def rows(self) -> int:
        async with self.database.read() as connection:
            return int((await connection.execute(text("SELECT count(*) FROM crops"))).scalar_one())


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with inbox_in(tmp_path) as (database, inbox), local_disk(tmp_path) as storage:
        async with database.write() as connection:
            await people.add(connection, Person("1", "Ada"), Person("2", "Bob"))
            for person in ("1", "2"):
                await consent.append(connection, person=person, signer="x", state=Consent.GRANTED, at=at(0))
        clock = SetClock()
        yield Scene(database, inbox, storage, clock, Crops(database, storage, clock, KEEP, KEYS))


async def test_a_crop_is_stored_without_names_until_its_time_is_over(scene: Scene) -> None:
    crop = await scene.crops.put(b"jpeg", at(-86400))
    assert crop.key.startswith("crops/2026-11-22/")
    assert (crop.created_at, crop.expires_at) == (at(0), at(0) + KEEP)
    assert await scene.storage.get(crop.key) == b"jpeg"
    assert (await scene.crops.put(b"jpeg", at(-86400))).key != crop.key


async def test_retention_takes_crops_and_leaves_observations(scene: Scene) -> None:
    old = await scene.observed(1)
    async with scene.database.write() as connection:
        seen = Sighting(at(1), at(1), "door", "1", 1, 0.9, True, old.key)
        await attendance.replace_day(connection, "2026-11-23", [seen], [])
    scene.clock.moment += timedelta(days=1)
    new = await scene.observed(2)
    assert await scene.crops.sweep() == 0
    scene.clock.moment = old.expires_at
    assert await scene.crops.sweep() == 1
    assert await scene.stored() == [new.key]
    assert await scene.pointers() == [None, new.key]
    assert await scene.rows() == 1
    async with scene.database.read() as connection:
        (sighting,) = await attendance.sightings_of(connection, "2026-11-23")
    assert sighting.crop is None
    assert await scene.crops.sweep() == 0


async def test_orphans_go_once_their_row_can_no_longer_come(scene: Scene) -> None:
    kept = await scene.observed(1)
    orphan = await scene.crops.put(b"its hub was killed here", at(2))
    await scene.storage.put("crops/notes.txt", b"somebody else's")
    await scene.storage.put("enrolment/chip.png", b"not evidence")
    assert await scene.crops.sweep_orphans() == 0
    scene.clock.moment += GRACE + timedelta(seconds=1)
    fresh = await scene.crops.put(b"its row is on its way", at(3))
    assert await scene.crops.sweep_orphans() == 1
    assert await scene.stored() == sorted([kept.key, fresh.key, "crops/notes.txt", "enrolment/chip.png"])
    assert orphan.key not in await scene.stored()


async def test_what_another_hub_keeps_in_the_same_storage_is_no_orphan(scene: Scene) -> None:
    others = Crops(scene.database, scene.storage, scene.clock, KEEP, PictureKeys(KEYS.mark + 1))
    theirs = await others.put(b"in their database alone", at(1))
    ours = await scene.crops.put(b"its hub was killed here", at(1))
    scene.clock.moment += GRACE + timedelta(seconds=1)
    assert await scene.crops.sweep_orphans() == 1
    assert await scene.stored() == [theirs.key]
    assert ours.key != theirs.key


class Refusing:
    """A storage that notes what it is to delete, and deletes nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def delete(self, key: str) -> None:
        self.asked.append(key)
        raise NotReady(f"not {key}")


async def test_each_is_asked_for_though_the_first_cannot_be_deleted() -> None:
    storage = Refusing()
    with pytest.raises(NotReady, match="not a"):
        await delete_all(cast(Storage, storage), ["a", "b", "c"])
    assert storage.asked == ["a", "b", "c"]


async def test_a_crash_between_storage_and_row_is_finished_by_the_next_sweep(scene: Scene) -> None:
    crop = await scene.observed(1)
    await scene.storage.delete(crop.key)
    scene.clock.moment = crop.expires_at
    assert await scene.crops.sweep() == 1
    assert await scene.rows() == 0


async def test_a_shorter_time_holds_for_the_crops_there_are_and_a_longer_one_does_not(scene: Scene) -> None:
    await scene.observed(1)
    scene.crops.keep = timedelta(days=60)
    scene.clock.moment += timedelta(days=10)
    new = await scene.observed(2)
    scene.clock.moment += timedelta(days=21)
    assert await scene.crops.sweep() == 1
    assert await scene.stored() == [new.key]
    scene.crops.keep = timedelta(days=21)
    assert await scene.crops.sweep() == 1
    assert await scene.stored() == []
