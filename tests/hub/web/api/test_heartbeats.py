"""Heartbeats by HTTP: a room that was watched and empty is known to have been."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.site import API, Answer, Site, jpeg

NINE = datetime(2026, 11, 17, 8, 0, tzinfo=UTC)
"""In Berlin."""


async def beat(site: Site, camera: str = "push", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await site.ask("POST", f"{API}/cameras/{camera}/heartbeat", headers=sent)


async def statuses(site: Site) -> dict[str, str]:
    await site.hub.drained()
    found = await site.get(f"{API}/marks", date="2026-11-17")
    return {mark["person"]: mark["status"] for mark in found.json["items"]}


async def test_an_empty_room_that_was_watched_makes_absent_and_the_same_again_changes_nothing(site: Site) -> None:
    assert (await site.send(jpeg("ada"), Captured_At=(NINE + timedelta(minutes=1)).isoformat())).status == 202
    for _ in range(2):
        for minute in range(-1, 54):
            answer = await beat(site, Watched_Until=(NINE + timedelta(minutes=minute)).isoformat())
            assert answer.status == 200
        assert answer.json == {"camera": "push", "until": "2026-11-17T08:53:00Z", "until_by": "sender"}
        assert (await statuses(site))["ada"] == "present"
        assert (await statuses(site))["bob"] == "absent"
    (camera,) = [one for one in (await site.get(f"{API}/cameras")).json["items"] if one["id"] == "push"]
    assert camera["watermark"] == "2026-11-17T08:53:00Z"


async def test_without_a_time_it_is_the_time_of_arrival(site: Site) -> None:
    before = datetime.now(UTC)
    answer = await beat(site)
    assert (answer.status, answer.json["until_by"]) == (200, "hub")
    assert before <= datetime.fromisoformat(answer.json["until"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("camera", "headers", "status", "said"),
    [
        ("push", {"Watched_Until": "2099-11-17T08:05:00Z"}, 400, "Watched-Until is ahead of the hub's clock"),
        ("push", {"Watched_Until": "2026-11-17T09:05:00"}, 400, "a time without a zone"),
        ("nowhere", {}, 404, "there is no such camera"),
        ("door", {}, 409, "of the platform folder takes no frames over HTTP"),
    ],
)
async def test_what_is_refused_and_why(
    site: Site, camera: str, headers: dict[str, str], status: int, said: str
) -> None:
    await site.school.supervisor.ended("door")
    answer = await beat(site, camera, **headers)
    assert answer.status == status
    assert said in answer.json["detail"]
    assert status == 404 or answer.json["hint"]


async def test_a_camera_that_does_not_run_asks_for_it_later(site: Site) -> None:
    await site.school.supervisor.stop("push")
    answer = await beat(site)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
