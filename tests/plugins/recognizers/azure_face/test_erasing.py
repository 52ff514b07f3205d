"""Who was deleted is in no training either, though nobody asks for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from hub.plugin import NotReady, SystemClock
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.client import emptied, opened, trained, waiting


@pytest_asyncio.fixture
async def azure() -> AsyncIterator[FakeAzure]:
    async with serving() as fake:
        yield fake


async def test_nothing_of_a_person_stays_in_the_training(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint, train_after="10 s") as (recogniser, _):
        for person in ("ada", "bob"):
            await recogniser.enrol(person, [crop(person)])
        await recogniser.identify([crop("ada")])
        group = azure.gallery.groups["school"]
        assert group.model_of is not None
        assert len(group.model_of) == 2
        await recogniser.forget("ada")
        await trained(tmp_path)
        assert group.model_of is not None
        assert group.model_of.keys() == group.people.keys()
        assert len(group.people) == 1


@pytest.mark.parametrize("cap", [100_000, 16])
async def test_with_the_last_face_the_group_goes(cap: int, azure: FakeAzure, tmp_path: Path) -> None:
    """Azure would not train it, and keep what it had learned."""
    async with opened(tmp_path, azure.endpoint, monthly_cap=cap) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        await recogniser.enrol("faceless", [])
        await recogniser.identify([crop("ada")])
        while cap < 100 and azure.calls.total() < cap:
            with suppress(NotReady):
                await recogniser.identify([crop("ada")])
        await recogniser.forget("ada")
        await emptied(azure)
        if cap > 100:
            assert await recogniser.identify([crop("ada")]) == [()]
            assert await recogniser.enrol("ada", [crop("ada")]) == [""]
            assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"


async def test_a_command_that_ends_at_once_begins_the_training(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        for person in ("ada", "bob", "cem"):
            await recogniser.enrol(person, [crop(person)])
        await recogniser.identify([crop("ada")])
    azure.looks = 10**6
    group = azure.gallery.groups["school"]
    async with opened(tmp_path, azure.endpoint, clock=SystemClock(), train_after="10 min") as (recogniser, _):
        await recogniser.forget("ada")
        await recogniser.forget("bob")
        assert group.trainings == 1
    assert group.trainings == 2
    assert waiting(tmp_path), "nobody has seen it succeed"
    group.looks_left = 0
    async with opened(tmp_path, azure.endpoint):
        await trained(tmp_path)
    assert group.trainings == 2
    assert group.model_of is not None
    assert group.model_of.keys() == group.people.keys()


async def test_azure_away_after_a_deletion(azure: FakeAzure, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def no_training(request: faults.web.Request) -> faults.web.StreamResponse | None:
        return await faults.status(503)(request) if request.path.endswith("/train") else None

    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        for person in ("ada", "bob"):
            await recogniser.enrol(person, [crop(person)])
        await recogniser.identify([crop("ada")])
        azure.fault = no_training
        with caplog.at_level(logging.WARNING):
            await recogniser.forget("ada")
            async with asyncio.timeout(60):
                while "still to be trained without those who were deleted" not in caplog.text:
                    await asyncio.sleep(0.01)
        azure.fault = None
        await trained(tmp_path)
    assert azure.gallery.groups["school"].trainings == 2


async def test_what_another_process_left_is_seen_to(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (hub, _):
        for person in ("ada", "bob"):
            await hub.enrol(person, [crop(person)])
        await hub.identify([crop("ada")])
        (tmp_path / "data" / "untrained" / "1-0f-erased").touch()
        await hub.people()
        await trained(tmp_path)
        assert azure.gallery.groups["school"].trainings == 2
