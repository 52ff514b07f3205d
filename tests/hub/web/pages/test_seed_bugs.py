"""Bugs of the seed that only show when a page is looked at twice: docs/developing.md lists them all."""

from __future__ import annotations

from datetime import timedelta

from tests.support.pages import ADA, Browser, lecture, taught
from tests.support.panel import MONDAY, Panel, at

TUESDAY = MONDAY + timedelta(days=1)


async def test_the_day_turns_while_the_hub_runs(panel: Panel, browser: Browser) -> None:
    """The seed took number, start and end of the lecture when the program was loaded."""
    await panel.enrol(ADA)
    panel.clock.moment = at("09:10")
    monday = await browser.open("/")
    assert "Monday 23 November 2026 Now 09:00–09:50 Mathematics" in monday.main
    panel.clock.moment = at("10:20", TUESDAY)
    await panel.draw(TUESDAY)
    tuesday = await browser.open("/")
    assert "Tuesday 24 November 2026 Now 10:00–10:50 Physics" in tuesday.main
    ids = [link for link in tuesday.links if link.startswith("/lectures/")]
    assert ids
    assert all(link.startswith("/lectures/2026-11-24-") for link in ids)


async def test_what_is_delivered_late_counts_where_it_was_captured(panel: Panel, browser: Browser) -> None:
    """The seed took the time at which the server had received a frame for that of its capture."""
    await panel.enrol(ADA)
    await panel.watched("door-101", at("08:45"), at("10:55"))
    await panel.watched("back-101", at("08:45"), at("10:55"))
    panel.clock.moment = at("13:07")
    await panel.seen([("ada", "door-101", at("08:58"))])
    await panel.draw()
    register = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}")
    assert "Present 1 08:58 Ada seen once from 08:58 at door-101" in register.main
    assert "Absent 1 A Ada" in (await browser.open(f"/lectures/{lecture(panel, 'Physics')}")).main
    assert "Last seen 08:58 at door-101" in (await browser.open("/people/ada")).main
    assert "08:58 at door-101" in (await browser.open("/people")).main
    assert "Ada 08:58 · door-101" in (await browser.open("/images")).main
    assert "Last frame 08:58 4 h ago" in (await browser.open("/cameras")).main
    for path in ("/people/ada", "/people", "/images", "/cameras"):
        assert "13:07" not in (await browser.open(path)).main


async def test_a_day_drawn_up_again_is_there_once(panel: Panel, browser: Browser) -> None:
    """The seed could have a day twice, each with half of the lectures."""
    await taught(panel)
    panel.clock.moment = at("18:00")
    await panel.draw()
    paths = ("/attendance", "/days/2026-11-23", f"/lectures/{lecture(panel, 'Mathematics')}", "/people/ada")
    before = [(await browser.open(path)).main for path in paths]
    assert before[0].count("Mon 23") == 1
    assert before[1].count("Mathematics") == 1
    await panel.draw(MONDAY, MONDAY)
    assert [(await browser.open(path)).main for path in paths] == before


async def test_the_days_and_the_lectures_counts_are_of_the_same_people(panel: Panel, browser: Browser) -> None:
    """The seed's day always had nobody absent."""
    await taught(panel)
    panel.clock.moment = at("18:00")
    await panel.draw()
    day = await browser.open("/days/2026-11-23")
    assert "2 present 1 absent 2 not observed 3 lectures" in day.main
    assert "09:00–09:50 Mathematics 10A · room 101 1 present 1 late 1 absent 1 not observed 0 open" in day.main
    assert "10:00–10:50 Physics 10A · room 101 0 present 0 late 0 absent 4 not observed 0 open" in day.main
