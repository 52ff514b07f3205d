"""Enrolling, identifying and forgetting: what is asked of Azure, how often, and what leaves the building."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from hub.plugin import NotReady
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.client import opened
from tests.support.azure.gallery import Persisted, Person
from tests.support.azure.pictures import faces_in
from tests.support.colours import COLOURS

DETECT, IDENTIFY, TRAIN = "POST /detect", "POST /identify", "POST /largepersongroups/train"
ADD_PERSON, ADD_FACE = "POST /largepersongroups/persons", "POST /largepersongroups/persons/persistedfaces"


@pytest_asyncio.fixture
async def azure() -> AsyncIterator[FakeAzure]:
    async with serving() as fake:
        yield fake


async def test_a_frame_with_many_faces_takes_a_call_for_ten(azure: FakeAzure, tmp_path: Path) -> None:
    names = list(COLOURS)
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        for name in names:
            assert await recogniser.enrol(name, [crop(name)]) == [""]
        azure.calls.clear()
        found = await recogniser.identify([crop(names[index % 6], brightness=index) for index in range(23)])
    assert [near[0].person for near in found] == [names[index % 6] for index in range(23)]
    assert all(len(near) == 6 for near in found), "the hub decides: candidates come whatever their score"
    assert (azure.calls[DETECT], azure.calls[IDENTIFY]) == (3, 3)


async def test_each_alone_where_that_is_wished(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint, together=1) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.calls.clear()
        found = await recogniser.identify([crop("ada"), crop("bob"), crop("ada")])
    assert [near[0].score > 0.9 for near in found] == [True, False, True]
    assert (azure.calls[DETECT], azure.calls[IDENTIFY]) == (3, 1)


async def test_crops_of_any_size_and_a_neighbour_at_the_edge(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        for name in ("ada", "bob", "cem"):
            await recogniser.enrol(name, [crop(name, face=200)])
        crops = [
            crop("bob", face=300),
            crop("ada", neighbour="bob"),
            crop("cem", face=80),
            crop("ada", face=40),  # of too little quality
            crop("ada", face=20),  # not found at all
            crop("", face=160, neighbour="bob"),  # and not the neighbour instead
        ]
        found = await recogniser.identify(crops)
    assert [near[0].person if near else None for near in found] == ["bob", "ada", "cem", None, None, None]


async def test_nothing_is_asked_where_there_is_nothing_to_ask(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        azure.calls.clear()
        assert await recogniser.identify([]) == []
        assert azure.calls.total() == 0
        for _ in range(5):
            assert await recogniser.identify([crop("ada")] * 3) == [(), (), ()]
        assert azure.calls.total() == 1, "the group is empty, and known to be"


async def test_only_faces_leave_the_building_and_no_names(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        azure.bodies.clear()
        await recogniser.enrol("p-17", [crop("ada", face=300)])
        await recogniser.identify([crop("ada", face=200)] * 12)
    sent = []
    for body in azure.bodies:
        with Image.open(io.BytesIO(body)) as image:
            sent.append((image.size, len(faces_in(body))))
            assert not image.getexif()
    portrait, ten, two = (600 + 32, 600 + 32), (5 * 376 + 16, 2 * 376 + 16), (2 * 376 + 16, 376 + 16)
    assert sent[:2] == [(portrait, 1)] * 2, "found, and added"
    assert sorted(sent[2:]) == [(two, 2), (ten, 10)], "just the crops, side by side, with 16 pixels between"
    group = azure.gallery.groups["school"]
    (person,) = group.people.values()
    assert (group.name, group.data, person.name, person.data) == ("fras", None, "fras", "fras:p-17")
    assert all(len(face.data or "") == 32 for face in person.faces.values())
    assert all(face.model == "recognition_04" for face in azure.gallery.cached.values())


async def test_enrolling_takes_the_best_only_and_each_once(azure: FakeAzure, tmp_path: Path) -> None:
    pictures = [crop("ada"), crop("ada", face=70), crop("ada", face=20), crop("ada", brightness=5)]
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        said = await recogniser.enrol("ada", pictures)
        assert said == ["", "Azure calls its quality medium, and enrolling takes high", "Azure finds no face in it", ""]
        before = azure.calls[ADD_FACE]
        assert await recogniser.enrol("ada", pictures) == said
        assert azure.calls[ADD_FACE] == before == 2
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        assert await recogniser.enrol("ada", pictures[:1]) == [""]
    assert azure.calls[ADD_FACE] == before
    assert [len(person.faces) for person in azure.gallery.groups["school"].people.values()] == [2]


async def test_a_person_has_at_most_248_pictures(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        (person,) = azure.gallery.groups["school"].people.values()
        (face,) = person.faces.values()
        for number in range(247):
            person.faces[f"{number:036}"] = face
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        said = await recogniser.enrol("ada", [crop("ada", brightness=1), crop("ada")])
    assert said == ["Azure keeps 248 pictures of a person, and has them", ""]


@pytest.mark.parametrize("fault", [faults.cut, faults.status(500), faults.garbage])
async def test_what_may_have_been_added_is_not_added_again(fault: faults.Fault, tmp_path: Path) -> None:
    async with serving() as azure, opened(tmp_path, azure.endpoint) as (recogniser, _):
        azure.fault = faults.once("persons", faults.after(fault))
        await recogniser.enrol("ada", [])
        assert (azure.calls[ADD_PERSON], len(azure.gallery.groups["school"].people)) == (1, 1)
        azure.fault = faults.once("persistedfaces", faults.after(fault))
        assert await recogniser.enrol("ada", [crop("ada"), crop("ada", brightness=9)]) == ["", ""]
    (person,) = azure.gallery.groups["school"].people.values()
    assert len(person.faces) == 2
    assert azure.calls[ADD_FACE] == 2


async def test_forgetting_leaves_nothing_and_looks(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        await recogniser.enrol("bob", [crop("bob")])
        await recogniser.identify([crop("ada")])
        group = azure.gallery.groups["school"]
        group.people["twin"] = Person("fras", "fras:ada", {"f": Persisted((230, 20, 20), None)})  # added by two at once
        await recogniser.forget("ada")
        assert [person.data for person in group.people.values()] == ["fras:bob"]
        assert await recogniser.people() == ["bob"]
        (near,) = await recogniser.identify([crop("ada")])
        assert [candidate.person for candidate in near] == ["bob"]
        trained = group.trainings
        await recogniser.forget("ada")
        await recogniser.identify([crop("ada")])
        assert group.trainings == trained, "nothing was forgotten: nothing to train"


async def test_a_deletion_that_did_not_happen_is_said(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])

        async def lie(request: faults.web.Request) -> faults.web.StreamResponse | None:
            return faults.web.Response() if request.method == "DELETE" else None

        azure.fault = lie
        with pytest.raises(NotReady, match="still there"):
            await recogniser.forget("ada")
        azure.fault = None
        await recogniser.forget("ada")
        assert await recogniser.people() == []


async def test_strangers_in_the_group_are_listed_and_can_be_forgotten(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.gallery.groups["school"].people["0f"] = Person(
            "Somebody Else", None, {"f": Persisted((20, 230, 20), None)}
        )
        azure.gallery.groups["school"].people["1f"] = Person("Nobody", "fras:")
        assert await recogniser.people() == ["ada", "unknown/0f", "unknown/1f"]
        await recogniser.forget("unknown/0f")
        await recogniser.forget("unknown/1f")
        assert await recogniser.people() == ["ada"]


async def test_more_people_than_a_page(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        group = azure.gallery.groups["school"]
        group.people |= {f"{number:036}": Person("fras", f"fras:{number:04}") for number in range(2000)}
        azure.calls.clear()
        assert await recogniser.people() == [f"{number:04}" for number in range(2000)]
        assert azure.calls["GET /largepersongroups/persons"] == 3


async def test_another_process_enrols_and_this_one_trains(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (hub, _):
        assert await hub.identify([crop("ada")]) == [()]
        async with opened(tmp_path, azure.endpoint) as (command, _):
            await command.enrol("ada", [crop("ada")])
        assert (await hub.identify([crop("ada")]))[0][0].person == "ada"
        async with opened(tmp_path, azure.endpoint) as (command, _):
            await command.forget("ada")
        assert await hub.identify([crop("ada")]) == [()]
    assert list((tmp_path / "data" / "untrained").iterdir()) == []


async def test_what_was_enrolled_elsewhere_is_named(azure: FakeAzure, tmp_path: Path) -> None:
    """Another machine's hub, without a folder in common."""
    async with opened(tmp_path / "a", azure.endpoint) as (one, _), opened(tmp_path / "b", azure.endpoint) as (other, _):
        await one.enrol("ada", [crop("ada")])
        await one.identify([crop("ada")])
        assert (await other.identify([crop("ada")]))[0][0].person == "ada"
        await one.enrol("bob", [crop("bob")])
        await one.identify([crop("bob")])
        assert (await other.identify([crop("bob")]))[0][0].person == "bob"
        await one.forget("bob")
    async with opened(tmp_path / "b", azure.endpoint) as (other, _):
        azure.calls.clear()
        for _ in range(3):  # until it is trained again Azure names whom it does not have
            assert [near.person for near in (await other.identify([crop("bob")]))[0]] == ["ada"]
        assert azure.calls["GET /largepersongroups/persons"] <= 2


async def test_several_at_once(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        await recogniser.enrol("bob", [crop("bob")])
        results = await asyncio.gather(
            *(recogniser.identify([crop("ada"), crop("bob")]) for _ in range(6)), recogniser.enrol("cem", [crop("cem")])
        )
    assert all([near[0].person for near in found] == ["ada", "bob"] for found in results[:6])  # type: ignore[union-attr]


async def test_one_failure_ends_the_whole_call(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint, together=1) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.fault = faults.status(503)
        with pytest.raises(NotReady):
            await recogniser.identify([crop("ada")] * 8)
        assert [task for task in asyncio.all_tasks() if "_detect" in repr(task)] == []


async def test_what_somebody_deletes_in_the_portal_is_made_again(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.gallery.groups["school"].people.clear()
        assert await recogniser.enrol("ada", [crop("ada"), crop("ada", brightness=5)]) == ["", ""]
        assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"
        azure.gallery.groups.clear()
        with pytest.raises(NotReady, match="LargePersonGroupNotFound"):
            await recogniser.identify([crop("ada")])
        assert await recogniser.identify([crop("ada")]) == [()]
        assert await recogniser.people() == []
        azure.gallery.groups.clear()
        assert await recogniser.enrol("ada", [crop("ada")]) == [""]
        assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"


async def test_enrolling_while_the_list_is_read_makes_nobody_twice(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        for person in ("ada", "bob", "cem"):
            await asyncio.gather(recogniser.people(), recogniser.enrol(person, []), recogniser.people())
            await recogniser.enrol(person, [crop(person)])
    assert len(azure.gallery.groups["school"].people) == 3
