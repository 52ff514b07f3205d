"""A running hub's gallery: half a second behind the database at most, and never a lapsed consent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.db import templates
from hub.db.errors import DatabaseError
from hub.pipeline.galleries import FRESH
from hub.recognition.consent import Consent
from tests.support.services import Services, services

PROBE = np.array([[0.8, -0.8, -0.8]], np.float32)


async def names(parts: Services) -> list[str]:
    return [candidate.person for candidate in (await parts.gallery.search(PROBE, 9))[0]]


def count_reads(parts: Services, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    reads: list[None] = []
    read = parts.database.read

    def counted() -> Any:
        reads.append(None)
        return read()

    monkeypatch.setattr(parts.database, "read", counted)
    return reads


@pytest.mark.memory
async def test_the_database_is_asked_once_a_while_however_many_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        reads = count_reads(parts, monkeypatch)
        assert await asyncio.gather(*(names(parts) for _ in range(20))) == [["ada", "bob"]] * 20
        assert len(reads) == 1
        parts.clock._monotonic += FRESH
        await asyncio.gather(*(names(parts) for _ in range(20)))
        assert len(reads) == 2


@pytest.mark.memory
async def test_changes_are_seen_within_half_a_second(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        assert await names(parts) == []
        await parts.enrol("ada", "bob")
        assert await names(parts) == []
        parts.clock._monotonic += FRESH
        assert await names(parts) == ["ada", "bob"]
        await parts.say("ada", Consent.WITHDRAWN)
        parts.clock._monotonic += FRESH
        assert await names(parts) == ["bob"]
        await parts.erasure.person("bob")
        parts.clock._monotonic += FRESH
        assert await names(parts) == []


@pytest.mark.parametrize("state", [Consent.PENDING, Consent.REFUSED, Consent.WITHDRAWN])
async def test_a_template_without_standing_consent_is_not_in_it(tmp_path: Path, state: Consent) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", state=state)
        assert await names(parts) == []
        assert await parts.gallery.consenting() == frozenset()


async def test_an_expiry_counts_at_once_and_without_any_event(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        expires = parts.clock.now() + timedelta(seconds=10)
        await parts.enrol("ada", expires=expires)
        assert await names(parts) == ["ada"]
        parts.clock.wall = expires - timedelta(microseconds=1)
        assert await names(parts) == ["ada"]
        parts.clock.wall = expires
        assert await names(parts) == []


async def test_a_withdrawal_dated_ahead_counts_when_it_comes_due(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        due = parts.clock.now() + timedelta(days=3)
        await parts.say("ada", Consent.WITHDRAWN, at=due)
        assert await names(parts) == ["ada"]
        parts.clock.wall = due
        assert await names(parts) == []


async def test_templates_of_another_model_are_not_in_it_and_nobody_needs_one(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob", "cem")
        async with parts.database.write() as connection:
            await templates.remove(connection, "ada", at=parts.clock.now())
            await templates.replace(connection, "ada", "colours-2", np.ones(128, np.float32), 1, at=parts.clock.now())
            await templates.remove(connection, "bob", at=parts.clock.now())
        assert await names(parts) == ["cem"]
        assert await parts.gallery.consenting() == {"ada", "bob", "cem"}


async def test_a_failing_database_is_asked_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        with monkeypatch.context() as patch:

            def broken() -> Any:
                raise DatabaseError("the disk reports an error")

            patch.setattr(parts.database, "read", broken)
            with pytest.raises(DatabaseError):
                await names(parts)
        assert await names(parts) == ["ada"]
