"""When the group is trained, who waits for it and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from hub.plugin import NotReady
from plugins.recognizers.azure_face.training import PATIENCE, REST
from tests.support.azure import FakeAzure, crop, serving
from tests.support.azure.client import ManualClock, opened, waiting
from tests.support.azure.gallery import Persisted, Person


@pytest_asyncio.fixture
async def azure() -> AsyncIterator[FakeAzure]:
    async with serving() as fake:
        yield fake


async def test_training_waits_for_the_end_of_changes(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, azure.endpoint, clock=clock, train_after="10 s") as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        (near,) = await recogniser.identify([crop("ada")])
        assert near[0].person == "ada", "a group that was never trained is trained at once"
        group = azure.gallery.groups["school"]
        await recogniser.enrol("bob", [crop("bob")])
        assert (await recogniser.identify([crop("bob")]))[0][0].person == "ada"
        assert group.trainings == 1
        clock.wall += timedelta(seconds=10)
        assert (await recogniser.identify([crop("bob")]))[0][0].person == "bob"
        assert group.trainings == 2
        await recogniser.identify([crop("bob")])
        assert group.trainings == 2


async def test_changes_wait_for_a_training_under_way(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.gallery.groups["school"].train(looks=5)  # somebody else's
        assert await recogniser.enrol("bob", [crop("bob")]) == [""]
        azure.gallery.groups["school"].train(looks=5)
        await recogniser.forget("ada")
        azure.gallery.groups["school"].train(looks=5)
        ((near,),) = await recogniser.identify([crop("bob")])
        assert near.person == "bob"


async def test_a_training_that_takes_long_is_waited_for_by_the_next(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.looks = 30
        with pytest.raises(NotReady, match="training at Azure Face goes on"):
            await recogniser.identify([crop("ada")])
        for _ in range(5):
            try:
                assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"
                break
            except NotReady:
                continue
        else:
            pytest.fail("never trained")
        assert azure.gallery.groups["school"].trainings == 1


async def test_nobody_waits_for_the_waiting_of_others(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, azure.endpoint, clock=clock) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.looks = 10**6
        began = clock.monotonic()
        told = await asyncio.gather(*(recogniser.identify([crop("ada")]) for _ in range(5)), return_exceptions=True)
        assert [str(one) for one in told] == [
            "training at Azure Face goes on; nobody is recognised until it is done"
        ] * 5
        assert clock.monotonic() - began < 2 * PATIENCE, "whoever waits in series is taken for hung"


async def test_a_training_under_way_is_adopted_by_whoever_opens_next(azure: FakeAzure, tmp_path: Path) -> None:
    azure.looks = 40
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        with pytest.raises(NotReady, match="training at Azure Face goes on"):
            await recogniser.identify([crop("ada")])
        given_up = asyncio.create_task(recogniser.identify([crop("ada")]))
        await asyncio.sleep(0.05)
        given_up.cancel()
        await asyncio.wait({given_up})
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("bob", [])
        for _ in range(8):
            with suppress(NotReady):
                await recogniser.identify([crop("ada")])
        assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"
    assert azure.gallery.groups["school"].trainings == 1
    assert waiting(tmp_path) == []


async def test_a_training_that_fails_is_said_and_asked_for_seldom(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, azure.endpoint, clock=clock) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        group = azure.gallery.groups["school"]
        group.fails = "Internal error."
        asked = azure.calls.total()
        began = clock.monotonic()
        while clock.monotonic() < began + REST:
            with pytest.raises(NotReady, match=r"training at Azure Face failed: Internal error\."):
                await recogniser.identify([crop("ada")])
            await clock.sleep(2)
        assert group.trainings == 1
        assert azure.calls.total() <= asked + 6
        group.fails = ""
        await clock.sleep(REST)
        assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"


async def test_a_group_that_cannot_be_trained_costs_little(azure: FakeAzure, tmp_path: Path) -> None:
    """One that somebody else filled: there is no change of ours."""
    async with opened(tmp_path, azure.endpoint) as (recogniser, context):
        group = azure.gallery.groups["school"]
        group.people["0f"] = Person("fras", "fras:ada", {"f": Persisted((230, 20, 20), None)})
        group.fails = "Internal error."
        for _ in range(25):
            with pytest.raises(NotReady, match="training at Azure Face failed"):
                await recogniser.identify([crop("ada")])
            await context.clock.sleep(2)
        assert group.trainings == 1
        assert azure.calls.total() <= 12


async def test_a_group_made_anew_while_it_trains(azure: FakeAzure, tmp_path: Path) -> None:
    """In the portal: then nothing is under way any more, whatever was noted."""
    async with opened(tmp_path, azure.endpoint) as (recogniser, context):
        await recogniser.enrol("ada", [crop("ada")])
        azure.looks = 10**6
        with pytest.raises(NotReady, match="goes on"):
            await recogniser.identify([crop("ada")])
        azure.gallery.groups.clear()
        azure.looks = 1
        assert await recogniser.enrol("ada", [crop("ada")]) == [""]
        with pytest.raises(NotReady, match="failed: none"):
            await recogniser.identify([crop("ada")])
        await context.clock.sleep(REST)
        assert (await recogniser.identify([crop("ada")]))[0][0].person == "ada"
