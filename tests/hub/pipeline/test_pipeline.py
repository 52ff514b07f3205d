"""Every acknowledged frame comes to its end, whatever fails on the way, and nobody without consent leaves a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.db.errors import DatabaseFull
from hub.inbox import Inbox
from hub.pipeline.pipeline import ATTEMPTS, PAUSE
from hub.plugin import (
    Box,
    Detections,
    Face,
    NeedsHuman,
    NotReady,
    Picture,
    Quality,
    RecognizerSpec,
    Sight,
    Storage,
    StorageFull,
    StorageSpec,
)
from hub.plugin.media import decode, encode_jpeg
from hub.recognition.consent import Consent
from tests.support import colours, squares
from tests.support.services import (
    LOCAL_DISK,
    NINE,
    Services,
    done,
    frame,
    image,
    recognised,
    recognising,
    services,
    until,
)


async def test_frames_become_observations_and_crops_of_those_who_are_known(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        told: list[None] = []
        async with recognising(parts, lambda: told.append(None)) as pipeline:
            for one in (frame(1, "ada", "fay"), frame(2), frame(3, "bob")):
                await parts.inbox.accept("door", one)
            async with asyncio.timeout(10):
                while pipeline.concluded_frames < 3:
                    await asyncio.sleep(0.01)
        assert await parts.outcomes() == {1: ("recognised", ""), 2: ("empty", ""), 3: ("recognised", "")}
        assert await parts.seen() == [(1, "ada"), (1, None), (3, "bob")]
        assert await parts.stored() == await parts.pointers()
        assert len(await parts.pointers()) == 2
        assert told


async def test_files_that_cannot_be_read_are_rejected_with_the_reason(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await recognised(parts, [replace(frame(1), image=b"no image"), replace(frame(2), image=image("ada")[:90])])
        outcomes = await parts.outcomes()
        assert {outcome for outcome, _ in outcomes.values()} == {"rejected"}
        assert "not an image" in outcomes[1][1]


async def test_a_frame_that_breaks_the_recogniser_is_rejected_and_the_others_are_not(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await recognised(parts, [frame(seq, "broken" if seq == 4 else "ada") for seq in range(9)])
        outcomes = await parts.outcomes()
        outcome, reason = outcomes.pop(4)
        assert outcome == "rejected"
        assert reason.startswith(f"it could not be recognised in {ATTEMPTS} tries (fault of the plugin: ValueError: ")
        assert set(outcomes.values()) == {("recognised", "")}
        assert len(await parts.seen()) == 8
        assert await parts.stored() == await parts.pointers()


class Moody(colours.Colours):
    """Fails as told, first of all."""

    def __init__(self, failures: list[BaseException]) -> None:
        super().__init__()
        self.failures = failures
        self.calls = 0

    async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
        self.calls += 1
        if self.failures:
            raise self.failures.pop()
        return await super().analyse(pictures, mirror=mirror)


def moody(recogniser: Moody) -> RecognizerSpec:
    @asynccontextmanager
    async def opened(config: object, context: object) -> AsyncIterator[Moody]:
        yield recogniser

    return RecognizerSpec(name="moody", config_schema={}, open=opened)


@pytest.mark.parametrize("failure", [NotReady("later"), NeedsHuman("a wrong key"), ValueError("always"), MemoryError()])
async def test_a_recogniser_that_fails_on_everything_costs_no_frame(tmp_path: Path, failure: Exception) -> None:
    recogniser = Moody([failure] * 60)
    async with services(tmp_path, recogniser=moody(recogniser)) as parts:
        await parts.enrol("ada")
        await recognised(parts, [frame(seq, "ada") for seq in range(12)])
        assert set((await parts.outcomes()).values()) == {("recognised", "")}
        pauses = sum(seconds == PAUSE for seconds in parts.clock.slept)
        assert pauses >= 60 / 10, "it is left alone between the tries"


async def test_a_crop_that_is_kept_shows_nobody_else(tmp_path: Path) -> None:
    """Neither a neighbour who was looked at nor one too far away for that."""
    pixels = np.full((200, 300, 3), 128, np.uint8)
    pixels[50:150, 50:150] = colours.COLOURS["ada"]
    pixels[60:120, 155:215] = colours.COLOURS["dee"]
    pixels[160:180, 60:80] = colours.COLOURS["eve"]

    @asynccontextmanager
    async def opened(config: object, context: object) -> AsyncIterator[squares.Squares]:
        yield squares.Squares({"model": "colours-1"})

    async with services(tmp_path, recogniser=RecognizerSpec(name="squares", config_schema={}, open=opened)) as parts:
        await parts.enrol("ada")
        await recognised(parts, [replace(frame(1), image=encode_jpeg(pixels, quality=95))])
        (key,) = await parts.stored()
        kept = decode(await parts.storage.get(key)).pixels.astype(int)
        for person, there in (("ada", True), ("dee", False), ("eve", False)):
            assert (np.abs(kept - colours.COLOURS[person]).max(axis=2) < 60).any() == there, person


class Full:
    """A storage in front of another that has room for `room` crops only."""

    def __init__(self, disk: Storage, failure: Exception) -> None:
        self.disk = disk
        self.failure = failure
        self.room = 0

    async def put(self, key: str, data: bytes) -> None:
        if not self.room:
            raise self.failure
        self.room -= 1
        await self.disk.put(key, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.disk, name)

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        return self.disk.list(prefix)

    async def get(self, key: str) -> bytes:
        return await self.disk.get(key)

    async def delete(self, key: str) -> None:
        await self.disk.delete(key)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        return None


@pytest.mark.parametrize("failure", [StorageFull("no room"), NeedsHuman("no right"), OSError("broken plugin")])
async def test_a_storage_that_fails_holds_frames_back_and_leaves_no_orphans(tmp_path: Path, failure: Exception) -> None:
    made: list[Full] = []

    @asynccontextmanager
    async def opened(config: Any, context: Any) -> AsyncIterator[Full]:
        async with LOCAL_DISK.open(config, context) as disk:
            made.append(Full(disk, failure))
            yield made[0]

    async with services(tmp_path, storage=StorageSpec(name="full", config_schema={}, open=opened)) as parts:
        await parts.enrol("ada", "bob")
        (storage,) = made
        async with recognising(parts):
            storage.room = 3
            for seq in range(4):
                await parts.inbox.accept("door", frame(seq, "ada", "bob"))
            while sum(seconds == PAUSE for seconds in parts.clock.slept) < 20:
                await asyncio.sleep(0.01)
            assert await parts.stored() == await parts.pointers()
            storage.room = 1000
            await done(parts)
        assert set((await parts.outcomes()).values()) == {("recognised", "")}
        assert await parts.stored() == await parts.pointers()
        assert len(await parts.pointers()) == 8


async def test_a_full_database_holds_every_kind_of_frame_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        full = True
        tried = 0
        write = parts.database.write

        def refused() -> Any:
            nonlocal tried
            tried += 1
            if full:
                raise DatabaseFull("the database has no room left", hint="free some space")
            return write()

        for seq, persons in enumerate([("ada",), (), ("broken",)]):
            await parts.inbox.accept("door", frame(seq, *persons))
        for seq in (7, 8, 9):
            await parts.inbox.accept("door", frame(seq, "ada", live=True))
        monkeypatch.setattr(parts.database, "write", refused)
        async with recognising(parts):
            while tried < 12:
                await asyncio.sleep(0.01)
            assert {outcome for outcome, _ in (await parts.outcomes()).values()} == {"pending"}
            full = False
            await done(parts)
        outcomes = {seq: outcome for seq, (outcome, _) in (await parts.outcomes()).items()}
        assert {seq: outcomes[seq] for seq in (0, 1, 2, 9)} == {
            0: "recognised",
            1: "empty",
            2: "rejected",
            9: "recognised",
        }
        assert {outcomes[seq] for seq in (7, 8)} <= {"superseded", "recognised"}
        assert await parts.stored() == await parts.pointers()


async def test_live_frames_that_are_overtaken_are_superseded_and_spooled_ones_never(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        for seq in range(5):
            await parts.inbox.accept("door", frame(seq, live=seq % 2 == 0))
        async with recognising(parts):
            await done(parts)
        outcomes = [outcome for outcome, _ in (await parts.outcomes()).values()]
        assert outcomes == ["superseded", "empty", "superseded", "empty", "empty"]


def detections(seq: int, model: str, embedding: np.ndarray) -> Detections:
    found = Face(Box(0, 0, 64, 64), 1.0, Quality(64, 100.0), embedding.astype(np.float32))
    return Detections(1, seq, NINE + timedelta(seconds=seq), model, (found,))


async def test_faces_that_a_camera_found_itself_are_judged_if_the_model_is_ours(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        red = np.array([0.8, -0.8, -0.8])
        async with recognising(parts):
            await parts.inbox.accept("door", detections(1, "colours-1", red))
            await parts.inbox.accept("door", detections(2, "another", red))
            await parts.inbox.accept("door", detections(3, "colours-1", np.ones(128)))
            await done(parts)
        assert await parts.seen() == [(1, "ada")]
        assert await parts.outcomes() == {
            1: ("recognised", ""),
            2: ("rejected", "its faces were embedded by model another, and this hub uses colours-1"),
            3: ("rejected", "its embeddings are not the 3 numbers that colours-1 gives"),
        }
        assert await parts.stored() == []


async def test_faces_that_wait_for_a_recogniser_hold_up_no_pictures(tmp_path: Path) -> None:
    """They may be of the model of one that is not open yet."""
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        later = NotReady("a pack is being built")

        def foreign(camera: str, model_id: str, faces: Sequence[Face], invented: bool) -> str:
            if model_id == "later":
                raise later
            return ""

        parts.judge.foreign = foreign  # type: ignore[method-assign]
        async with recognising(parts):
            await parts.inbox.accept("node", detections(1, "later", np.zeros(3)))
            for seq in range(2, 12):
                await parts.inbox.accept("door", frame(seq, "ada"))
            async with asyncio.timeout(20):
                while len(await parts.seen()) < 10:
                    await asyncio.sleep(0.01)
        outcomes = await parts.outcomes()
        assert {outcome for seq, (outcome, _) in outcomes.items() if seq > 1} == {"recognised"}
        assert outcomes[1] == ("pending", "")


async def test_detections_need_no_recogniser(tmp_path: Path) -> None:
    recogniser = Moody([NotReady("not today")] * 1000)
    async with services(tmp_path, recogniser=moody(recogniser)) as parts:
        await parts.enrol("ada")
        async with recognising(parts):
            await parts.inbox.accept("door", detections(1, "colours-1", np.array([0.8, -0.8, -0.8])))
            await done(parts)
        assert await parts.seen() == [(1, "ada")]
        assert recogniser.calls == 0


async def test_a_recogniser_that_comes_back_with_another_model_names_nobody(tmp_path: Path) -> None:
    recogniser = Moody([])
    async with services(tmp_path, recogniser=moody(recogniser)) as parts:
        await parts.enrol("ada")
        recogniser.model = replace(recogniser.model, id="colours-2")
        async with recognising(parts):
            await parts.inbox.accept("door", frame(1, "ada"))
            while PAUSE not in parts.clock.slept:
                await asyncio.sleep(0.01)
            assert await parts.outcomes() == {1: ("pending", "")}
            recogniser.model = colours.Colours.model
            await done(parts)
        assert await parts.seen() == [(1, "ada")]


async def conclude_after(parts: Services, monkeypatch: pytest.MonkeyPatch, happening: Any) -> None:
    """Recognises a frame of ada and lets something happen when the verdict is there and not yet stored."""
    conclude = Inbox.conclude

    async def late(inbox: Inbox, conclusions: Any) -> Any:
        assert conclusions[0].observations[0].person == "ada"
        await happening()
        return await conclude(inbox, conclusions)

    async def nothing_is_stored() -> bool:
        return await parts.stored() == []

    monkeypatch.setattr(Inbox, "conclude", late)
    async with recognising(parts):
        await parts.inbox.accept("door", frame(1, "ada"))
        await done(parts)
        await until(nothing_is_stored)


@pytest.mark.parametrize("state", [Consent.WITHDRAWN, Consent.REFUSED])
async def test_an_objection_between_verdict_and_conclusion_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Consent
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await conclude_after(parts, monkeypatch, lambda: parts.say("ada", state))
        assert await parts.seen() == [(1, None)]
        assert await parts.pointers() == []


async def test_an_expiry_between_verdict_and_conclusion_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", expires=parts.clock.now() + timedelta(hours=1))

        async def time_passes() -> None:
            parts.clock.wall += timedelta(hours=2)

        await conclude_after(parts, monkeypatch, time_passes)
        assert await parts.seen() == [(1, None)]


async def test_removal_between_verdict_and_conclusion_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        await conclude_after(parts, monkeypatch, lambda: parts.erasure.person("ada"))
        assert await parts.seen() == [(1, None)]


async def test_stopping_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
    for after in (0.0, 0.005, 0.02, 0.05, 0.1):
        async with services(tmp_path) as parts, recognising(parts):
            base = 100 * round(after * 1000)
            for seq in range(base, base + 8):
                await parts.inbox.accept("door", frame(seq, "ada"))
            await asyncio.sleep(after)
    async with services(tmp_path) as parts:
        async with recognising(parts):
            await done(parts)
        assert set((await parts.outcomes()).values()) == {("recognised", "")}
        assert len(await parts.seen()) == len(await parts.outcomes()) == 40
        pointers = await parts.pointers()
        assert len(pointers) == 40
        assert set(pointers) <= set(await parts.stored())
        parts.clock.wall += timedelta(days=1)
        await parts.crops.sweep_orphans()
        assert await parts.stored() == pointers
    assert list((tmp_path / "inbox").iterdir()) == []
