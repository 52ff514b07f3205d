"""Whoever Azure holds without consent is deleted there, and whoever it lacks is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.db import consent
from hub.plugin import NotReady
from hub.recognition.consent import INVENTED, Consent
from hub.reconciling import Drift, reconcile
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
