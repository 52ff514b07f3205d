"""Frames by HTTP: kept before they are answered, counted once, and refused with a reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hub.nodes.entrances import PLACES
from hub.web.api import frames
from tests.support.site import API, Site, jpeg

ADA = jpeg("ada")


async def outcome(site: Site, frame: str) -> dict[str, object]:
    async with asyncio.timeout(10):
        while (found := (await site.get(f"{API}/frames/{frame}")).json)["outcome"] == "pending":
            await asyncio.sleep(0.02)
    return dict(found)


async def test_a_frame_is_kept_recognised_and_counted(site: Site) -> None:
    answer = await site.send(ADA, Captured_At="2026-11-17T09:05:00+01:00")
    assert answer.status == 202
    assert answer.json | {"frame": "", "epoch": 0, "seq": 0} == {
        "frame": "",
        "camera": "push",
        "epoch": 0,
        "seq": 0,
        "captured_at": "2026-11-17T08:05:00Z",
        "captured_at_by": "sender",
        "duplicate": False,
    }
    assert answer.headers["Location"] == f"{API}/frames/{answer.json['frame']}"
    found = await outcome(site, answer.json["frame"])
    assert (found["outcome"], found["faces"], found["bytes"]) == ("recognised", 1, len(ADA))
    await site.hub.drained()
    (mark,) = (await site.get(f"{API}/marks", date="2026-11-17", person="ada")).json["items"]
    assert (mark["status"], mark["cameras"]) == ("present", ["push"])


async def test_without_a_time_of_capture_that_of_arrival_is_said_to_be_the_hubs(site: Site) -> None:
    before = datetime.now(UTC)
    answer = await site.send(ADA)
    assert answer.json["captured_at_by"] == "hub"
    assert before <= datetime.fromisoformat(answer.json["captured_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "name",
    [
        {},
        {"Captured_At": "2026-11-17T08:05:00Z"},
        {"Idempotency_Key": "7f3a"},
        {"Frame_Epoch": "0", "Frame_Seq": "9223372036854775807"},
    ],
)
async def test_the_same_frame_again_counts_once(site: Site, name: dict[str, str]) -> None:
    first = await site.send(ADA, **name)
    assert (first.status, first.json["duplicate"]) == (202, False)
    again = await site.send(ADA, **name)
    assert (again.status, again.json["duplicate"]) == (200, True)
    assert again.json["frame"] == first.json["frame"]
    assert again.json["captured_at"] == first.json["captured_at"]
    assert (await site.get(f"{API}/health")).json["waiting"] in (0, 1)


async def test_the_same_frame_from_many_at_once_counts_once(site: Site) -> None:
    answers = await asyncio.gather(*(site.send(ADA, Idempotency_Key="one") for _ in range(PLACES)))
    assert {answer.status for answer in answers} <= {200, 202}
    assert len({answer.json["frame"] for answer in answers}) == 1


async def test_what_tells_frames_apart(site: Site) -> None:
    answers = [
        await site.send(ADA),
        await site.send(jpeg("ada", shade=1)),
        await site.send(ADA, Captured_At="2026-11-17T08:05:00Z"),
        await site.send(ADA, Captured_At="2026-11-17T08:05:01Z"),
        await site.send(ADA, Idempotency_Key="a"),
        await site.send(ADA, Idempotency_Key="b"),
        await site.send(ADA, Frame_Epoch="1", Frame_Seq="1"),
        await site.send(ADA, Frame_Epoch="1", Frame_Seq="2"),
    ]
    assert [answer.status for answer in answers] == [202] * 8
    assert len({answer.json["frame"] for answer in answers}) == 8


async def test_as_many_other_bytes_under_a_used_name_are_a_conflict(site: Site) -> None:
    assert (await site.send(ADA, Idempotency_Key="k")).status == 202
    assert (await site.send(ADA[:-1] + bytes([ADA[-1] ^ 1]), Idempotency_Key="k")).status == 409
    assert (await site.send(ADA, Idempotency_Key="k")).status == 200


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"Idempotency_Key": "k"}, {"Idempotency_Key": "k", "Captured_At": "2026-11-17T08:05:00Z"}),
        ({"Frame_Epoch": "1", "Frame_Seq": "1"}, None),
    ],
)
async def test_another_frame_under_a_used_name_is_a_conflict(
    site: Site, first: dict[str, str], second: dict[str, str] | None
) -> None:
    assert (await site.send(ADA, **first)).status == 202
    answer = await site.send(ADA if second else jpeg("ada", "bob"), **(second or first))
    assert (answer.status, answer.json["detail"]) == (409, "another frame was sent under this key or number")


def ahead(by: timedelta) -> str:
    return (datetime.now(UTC) + by).isoformat()


@pytest.mark.parametrize(
    ("headers", "image", "status", "said"),
    [
        ({"Content_Type": "application/x-www-form-urlencoded"}, ADA, 415, "image/jpeg, not application/x-www-form"),
        ({"Content_Type": "image/png"}, ADA, 415, "image/jpeg, not image/png"),
        ({}, b"GIF89a", 415, "this is no JPEG"),
        ({}, b"", 400, "the request is empty"),
        ({"Content_Encoding": "gzip"}, ADA, 400, "did not arrive whole"),
        ({"Captured_At": "2026-11-17T09:05:00"}, ADA, 400, "a time without a zone"),
        ({"Captured_At": "now"}, ADA, 400, "the header Captured-At is not a time"),
        ({"Frame_Epoch": "1"}, ADA, 400, "both Frame-Epoch and Frame-Seq"),
        ({"Frame_Seq": "0"}, ADA, 400, "both Frame-Epoch and Frame-Seq"),
        ({"Frame_Epoch": "1", "Frame_Seq": "1", "Idempotency_Key": "k"}, ADA, 400, "or by Idempotency-Key alone"),
        ({"Frame_Epoch": "-1", "Frame_Seq": "1"}, ADA, 400, "not a whole number from 0 to"),
        ({"Frame_Epoch": "9223372036854775808", "Frame_Seq": "1"}, ADA, 400, "not a whole number from 0 to"),
        ({"Idempotency_Key": "k" * 201}, ADA, 400, "not 1 to 200 characters long"),
    ],
)
async def test_what_is_refused_and_why(
    site: Site, headers: dict[str, str], image: bytes, status: int, said: str
) -> None:
    answer = await site.send(image, **headers)
    assert answer.status == status
    assert said in answer.json["detail"]
    assert answer.json.get("hint")


async def test_a_clock_that_runs_ahead_is_said(site: Site) -> None:
    assert (await site.send(ADA, Captured_At=ahead(timedelta(seconds=30)))).status == 202
    answer = await site.send(ADA, Captured_At=ahead(timedelta(minutes=2)))
    assert (answer.status, answer.json["detail"]) == (400, "Captured-At is ahead of the hub's clock")


async def test_a_frame_that_is_too_large_is_refused_before_it_is_read_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LARGEST", 100_000)
    assert (await site.send(ADA + bytes(200_000))).status == 413

    async def chunks() -> object:
        yield ADA
        for _ in range(10):
            yield bytes(50_000)

    headers = {"Content-Type": "image/jpeg"}
    answer = await site.ask("POST", f"{API}/cameras/push/frames", data=chunks(), headers=headers)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("camera", "status", "said"),
    [("nowhere", 404, "there is no such camera"), ("door", 409, "of the platform folder takes no frames over HTTP")],
)
async def test_cameras_that_take_none(site: Site, camera: str, status: int, said: str) -> None:
    await site.school.supervisor.ended("door")
    answer = await site.send(ADA, camera)
    assert answer.status == status
    assert said in answer.json["detail"]


async def test_a_camera_that_does_not_run_asks_for_the_frame_later(site: Site) -> None:
    await site.school.supervisor.stop("push")
    answer = await site.send(ADA)
    assert (answer.status, answer.json["detail"]) == (503, "camera push is not running")
    assert answer.headers["Retry-After"] == "5"


async def test_more_than_can_be_taken_is_told_to_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub holds every acknowledgement back; only so many frames wait in memory."""
    monkeypatch.setattr(frames, "ACCEPT_WITHIN", 0.5)
    held = asyncio.Event()

    async def never(camera: str, event: object) -> None:
        await held.wait()

    await site.school.supervisor.stop("push")
    part = next(part for part in site.school.settings.cameras if part.id == "push")
    spec = site.school.catalog.spec("camera", "http_push")
    site.school.supervisor.start_camera("push", spec, part.options, never)
    async with asyncio.timeout(5):
        while site.school.entrances.of("push") is None:
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*(site.send(jpeg("ada", shade=n)) for n in range(PLACES + 4)))
    statuses = [answer.status for answer in answers]
    assert (statuses.count(429), statuses.count(503)) == (4, PLACES)
    assert all(answer.headers["Retry-After"] == "5" for answer in answers)
    assert {answer.json["hint"] for answer in answers} == {"send it again, nothing counts twice"}
    held.set()
