"""Pictures from paths, judged and not stored."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from hub.identification import BATCH, Identified, identify_paths
from hub.plugin import NotReady
from hub.recognition.consent import Consent
from tests.support import colours
from tests.support.fras import save
from tests.support.media import gif_file
from tests.support.services import Services, services


async def identified(parts: Services, *targets: Path) -> list[Identified]:
    return [result async for result in identify_paths(parts.judge, targets)]


def who(result: Identified) -> list[str | None]:
    return [face.decision.person for face in result.faces]


async def test_images_folders_and_frames_of_videos_come_in_order(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob")
        folder = tmp_path / "in"
        folder.mkdir()
        for number in range(BATCH + 2):
            save(folder / f"{number}.png", "ada" if number % 2 else "bob", "fay")
        film = tmp_path / "film.gif"
        frames = [colours.picture("ada"), colours.picture("bob")]
        film.write_bytes(gif_file(frames, [timedelta(seconds=1)] * 2))
        results = await identified(parts, folder, film, tmp_path / "gone.png")
        assert [result.path.name for result in results] == [
            *(f"{number}.png" for number in range(BATCH + 2)),
            "film.gif",
            "film.gif",
            "gone.png",
        ]
        assert [who(result) for result in results[:2]] == [["bob", None], ["ada", None]]
        assert [(result.time, who(result)) for result in results[-3:-1]] == [
            (timedelta(0), ["ada"]),
            (timedelta(seconds=1), ["bob"]),
        ]
        assert results[-1].error is not None
        assert "cannot be read: No such file" in results[-1].error
        assert await parts.stored() == []
        assert await parts.seen() == []


async def test_whoever_has_not_consented_is_no_candidate(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada", "bob", "cem", "dee", "eve")
        for person, state in (("ada", Consent.WITHDRAWN), ("bob", Consent.REFUSED)):
            await parts.say(person, state)
        (result,) = await identified(parts, save(tmp_path / "all.png", "ada", "bob", "cem"))
        assert who(result) == [None, None, "cem"]
        named = {candidate.person for face in result.faces for candidate in face.decision.candidates}
        assert named == {"cem", "dee", "eve"}


async def test_what_is_no_picture_is_an_error_only_where_it_was_asked_for(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "notes.txt").write_text("hello")
        (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff")
        (folder / "empty.png").write_bytes(b"")
        closed = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
        save(closed, "ada")
        results = {result.path.name: result.error for result in await identified(parts, folder, folder / "notes.txt")}
        assert results.pop("notes.txt") == "neither an image nor a video"
        assert results.pop(closed.name) is None
        assert set(results) == {"cut.jpg", "empty.png"}
        assert all(results.values())


async def test_a_recogniser_that_fails_is_said_and_nothing_is_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(tmp_path) as parts:
        target = save(tmp_path / "1.png", "ada")
        (tmp_path / "wait").touch()
        monkeypatch.setenv("FRAS_TEST_NOT_READY", str(tmp_path / "wait"))
        tasks = len(asyncio.all_tasks())
        with pytest.raises(NotReady, match="the test says so"):
            await identified(parts, target)
        assert len(asyncio.all_tasks()) == tasks


async def test_a_picture_that_breaks_the_recogniser_costs_the_others_nothing(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        await parts.enrol("ada")
        for name, person in (("1", "ada"), ("2", "broken"), ("3", "ada")):
            save(tmp_path / f"{name}.png", person)
        first, second, third = await identified(parts, tmp_path)
        assert (first.error, third.error) == (None, None)
        assert [face.decision.person for one in (first, third) for face in one.faces] == ["ada", "ada"]
        assert "the recogniser fails on it" in (second.error or "")


async def test_leaving_early_closes_the_files(tmp_path: Path) -> None:
    async with services(tmp_path) as parts:
        for number in range(3 * BATCH):
            save(tmp_path / f"{number}.png", "ada")
        results = identify_paths(parts.judge, [tmp_path])
        await anext(results)
        await results.aclose()  # type: ignore[attr-defined]


async def test_stopped_while_a_file_is_read_it_waits_for_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, on = threading.Event(), threading.Event()

    def slow_disk(path: Path) -> bytes:
        reading.set()
        on.wait()
        return path.read_bytes()

    monkeypatch.setattr("hub.identification._bytes", slow_disk)
    async with services(tmp_path) as parts:
        task = asyncio.create_task(identified(parts, save(tmp_path / "1.png", "ada")))
        await asyncio.to_thread(reading.wait)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.05)
        on.set()
        assert not done
        with pytest.raises(asyncio.CancelledError):
            await task
