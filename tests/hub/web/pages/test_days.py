"""A day with more lectures than a page holds, and the day on which the hub began."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

from hub.attendance.timetable import Weekly
from tests.support.pages import ADA, Browser, lecture, taught
from tests.support.panel import MONDAY, Panel, at

DAY = f"/days/{MONDAY}"


async def test_a_day_of_many_lectures_has_pages_and_the_api_gives_it_whole(panel: Panel, browser: Browser) -> None:
    rooms = [f"r{number:03}" for number in range(120)]
    days = frozenset(range(5))
    timetable = tuple(Weekly("10A", f"Lesson {room}", room, days, time(9), time(10)) for room in rooms)
    panel.settings = replace(panel.settings, timetable=timetable)
    first, second = await browser.open(DAY), await browser.open(f"{DAY}?page=2")
    assert "Page 1 of 2" in first.main
    assert [page.main.count("Lesson r") for page in (first, second)] == [100, 20]
    async with browser.session.get(f"{browser.address}/api/v1{DAY}") as answer:
        held = (await answer.json())["lectures"]
    assert [one["room"] for one in held] == rooms
    async with browser.session.get(f"{browser.address}/api/v1/lectures?date={MONDAY}") as answer:
        assert (await answer.json())["items"] == held


async def test_hours_before_a_camera_first_watched_are_told_apart(panel: Panel, browser: Browser) -> None:
    """A hub set up at ten says nothing of nine o'clock, and why."""
    await panel.enrol(ADA)
    await panel.watched("door-101", at("10:02"), at("10:55"))
    panel.clock.moment = at("10:55")
    await panel.draw()
    told = "before 10:02, when a camera watched for the first time."
    day = await browser.open(DAY)
    assert "1 lecture 10:00–10:50 Physics" in day.main
    assert f"2 lectures {told} Show the whole day" in day.main
    assert f"/lectures/{lecture(panel, 'Mathematics')}" not in day.links
    whole = await browser.open(f"{DAY}?whole=1")
    assert f"/lectures/{lecture(panel, 'Mathematics')}" in whole.links
    assert told not in whole.main
    assert "of which no camera could say anything: none watched before 10:02" in (await browser.open("/")).main
    told = "This hub’s cameras watched for the first time at 10:02."
    assert told in (await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}")).main
    assert told not in (await browser.open(f"/lectures/{lecture(panel, 'Physics')}")).main


async def test_a_camera_that_is_silent_on_a_later_day_hides_nothing(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    friday = MONDAY - timedelta(days=3)
    await panel.watched("door-101", at("09:00", friday), at("10:55", friday))
    await panel.watched("door-101", at("10:02"), at("10:55"))
    panel.clock.moment = at("10:55")
    await panel.draw(friday, MONDAY)
    day = await browser.open(DAY)
    assert "3 lectures" in day.main
    assert f"/lectures/{lecture(panel, 'Mathematics')}" in day.links
    assert "for the first time" not in day.main


async def test_a_day_that_is_over_shows_the_lectures_it_was_drawn_with(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    art = Weekly("10A", "Pottery", "101", frozenset(range(5)), time(8), time(12))
    panel.settings = replace(panel.settings, timetable=(art,))
    panel.registers.follow(panel.settings.timetable, panel.settings.rooms, panel.settings.rules)
    assert "Pottery" in (await browser.open(DAY)).main, "it is not over yet"
    panel.clock.moment += timedelta(days=1)
    await panel.draw()
    told = (await browser.open(DAY)).main
    assert "Pottery" not in told
    assert "Mathematics" in told
