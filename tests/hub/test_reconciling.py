"""Whoever Azure holds without consent is deleted there, and whoever it lacks is named."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from hub.db import consent
from hub.plugin import NeedsHuman, NotReady
from hub.recognition.consent import INVENTED, Consent
from hub.reconciling import Drift, do_all, reconcile
from tests.support.azure import crop, faults, serving
from tests.support.azure.client import opened
from tests.support.azure.gallery import Person
from tests.support.services import NINE, services


async def test_nobody_stays_without_consent(tmp_path: Path) -> None:
    async with (
        services(tmp_path / "hub") as parts,
        serving() as azure,
        opened(tmp_path / "azure", azure.endpoint) as (identifier, context),
    ):
        await parts.enrol("ada", "bob", "cem", "dee")
        await parts.enrol("eve", state=Consent.REFUSED)
        await parts.enrol("fay", expires=NINE + timedelta(hours=1))
        for person in ("ada", "bob", "eve", "fay"):
            await identifier.enrol(person, [crop(person)])
        await identifier.enrol("of-another-hub", [crop("ada")])
        azure.gallery.groups["school"].people["0f"] = Person("Somebody", None)
        await parts.say("bob", Consent.WITHDRAWN)

        azure.fault = faults.status(503)
        with pytest.raises(NotReady):
            await reconcile(parts.database, identifier, ["ada"], parts.clock)
        azure.fault = None
        await context.clock.sleep(60)  # the circuit closes

        drift = await reconcile(parts.database, identifier, ["ada", "bob", "cem"], parts.clock)
        assert drift == Drift(("bob", "eve", "fay", "of-another-hub", "unknown/0f"), ("cem",))
        assert await identifier.people() == ["ada"]
        assert await reconcile(parts.database, identifier, ["ada"], parts.clock) == Drift()


async def test_one_who_cannot_be_deleted_holds_up_no_other(tmp_path: Path) -> None:
    async with (
        services(tmp_path / "hub") as parts,
        serving() as azure,
        opened(tmp_path / "azure", azure.endpoint) as (identifier, context),
    ):
        for person in ("bob", "cem", "dee"):
            await identifier.enrol(person, [crop(person)])
        (stuck,) = (key for key, one in azure.gallery.groups["school"].people.items() if one.data == "fras:cem")

        async def fault(request: web.Request) -> web.StreamResponse | None:
            ill = request.method == "DELETE" and request.path.endswith(stuck)
            return await faults.status(500)(request) if ill else None

        azure.fault = fault
        with pytest.raises(NotReady):
            await reconcile(parts.database, identifier, [], parts.clock)
        assert await identifier.people() == ["cem"]
        azure.fault = None
        await context.clock.sleep(60)
        assert await reconcile(parts.database, identifier, [], parts.clock) == Drift(("cem",))


async def test_a_service_that_goes_on_failing_is_left_alone() -> None:
    tried: list[int] = []

    async def fails(number: int) -> None:
        tried.append(number)
        raise NotReady("away") if number != 1 else NeedsHuman("a key")

    with pytest.raises(NotReady, match="away"):
        await do_all(partial(fails, number) for number in (0, 2, 3, 4, 5))
    assert tried == [0, 2, 3]
    with pytest.raises(NeedsHuman):
        await do_all(partial(fails, number) for number in (0, 1, 2))
    assert tried == [0, 2, 3, 0, 1]


async def test_invented_people_are_never_there(tmp_path: Path) -> None:
    async with (
        services(tmp_path / "hub") as parts,
        serving() as azure,
        opened(tmp_path / "azure", azure.endpoint) as (identifier, _),
    ):
        await parts.enrol("ada")
        async with parts.database.write() as connection:
            await consent.append(
                connection, person="ada", signer=INVENTED, state=Consent.GRANTED, at=NINE - timedelta(days=1)
            )
        await identifier.enrol("ada", [crop("ada")])
        assert await reconcile(parts.database, identifier, ["ada"], parts.clock) == Drift(("ada",))
