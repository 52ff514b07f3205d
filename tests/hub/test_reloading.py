"""What a changed hub.yaml asks for, and slots whose content is exchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from hub.plugin import NeedsHuman, NotReady
from hub.reloading import Slot, StorageInUse, changes
from hub.runtime.catalog import Catalog
from hub.settings import Settings, read_settings
from tests.support.disks import local_disk
from tests.support.fras import School


def settings(school: School, old: str = "", new: str = "") -> Settings:
    text = (school.folder / "hub.yaml").read_text("utf-8")
    assert old in text
    file = school.folder / "other.yaml"
    file.write_text("\n\n" + (text.replace(old, new) if old else text), "utf-8")
    return read_settings(file, Catalog())


CAMERA = '- {platform: folder, id: door, room: "101", path: incoming, mode: once}'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("", "", ("nothing has changed",)),
        ("Test School", "Other", ("school: name in force",)),
        ("Europe/Berlin", "Europe/Rome", ("hub->time_zone has changed: the hub starts anew",)),
        pytest.param(
            "time_zone: Europe/Berlin",
            'time_zone: Europe/Berlin, database: "sqlite:///x.db"',
            ("hub->database has changed: the hub starts anew",),
            marks=pytest.mark.sqlite,
        ),
        ("platform: local_disk", "platform: local_disk, keep: {crops: 1 day}", ("keep: in force",)),
        ("storage:", "policy: {margin: 0.5}\nstorage:", ("policy: in force",)),
        ('start: "09:00"', 'start: "09:05"', ("timetable: in force",)),
        ("mode: once", "mode: loop", ("camera door: restarted",)),
        ("id: door", "id: back", ("camera door: removed", "camera back: added")),
        ('room: "101", path', 'room: "102", path', ("cameras: rooms in force",)),
        (f"  {CAMERA}", f"  {CAMERA}\n  {CAMERA.replace('door', 'back')}", ("camera back: added",)),
    ],
)
def test_what_is_asked_for(school: School, old: str, new: str, told: tuple[str, ...]) -> None:
    before = settings(school)
    assert changes(before, settings(school, old, new)).told() == told
    assert bool(changes(before, settings(school, old, new))) == bool(old)


class Things:
    """Opens numbers and tells what happened; `refused` cannot be opened."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refused: set[int] = set()

    def opener(self, number: int) -> Callable[[], AbstractAsyncContextManager[int]]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[int]:
            if number in self.refused:
                raise NeedsHuman(f"no {number}")
            self.told.append(f"open {number}")
            yield number
            self.told.append(f"close {number}")

        return opened


async def test_a_slot_holds_one_thing_at_a_time() -> None:
    things = Things()
    async with Slot(things.opener(1)) as slot:
        assert slot.now == 1
        await slot.exchange(things.opener(2))
        assert slot.now == 2
    assert things.told == ["open 1", "close 1", "open 2", "close 2"]
    assert slot.empty


async def test_what_does_not_open_gives_way_to_what_was_there() -> None:
    things = Things()
    things.refused = {2}
    async with Slot(things.opener(1)) as slot:
        with pytest.raises(NeedsHuman, match="no 2"):
            await slot.exchange(things.opener(2))
        assert slot.now == 1
        things.refused = {1, 2}
        with pytest.raises(NeedsHuman):
            await slot.exchange(things.opener(2))
        assert slot.empty
        with pytest.raises(NotReady, match="being exchanged"):
            slot.now  # noqa: B018


async def test_whoever_keeps_the_storage_gets_the_one_in_use(tmp_path: Path) -> None:
    first, then = tmp_path / "first", tmp_path / "then"
    first.mkdir()
    then.mkdir()
    async with Slot(lambda: local_disk(first)) as slot:
        storage = StorageInUse(slot)
        await storage.put("crops/a.jpg", b"1")
        await slot.exchange(lambda: local_disk(then))
        await storage.put("crops/b.jpg", b"2")
        assert [key async for key in storage.list()] == ["crops/b.jpg"]
        assert await storage.get("crops/b.jpg") == b"2"
        await storage.delete("crops/b.jpg")
        assert [key async for key in storage.list()] == []
    assert (first / "own/crops/a.jpg").exists()
