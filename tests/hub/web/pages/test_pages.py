"""Each page in each of its states, over a real socket, and none of the seed's bugs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time, timedelta

import pytest

from hub.attendance.records import Status
from hub.attendance.timetable import Weekly
from hub.db import consent, observations, remote
from hub.db.people import Person
from hub.recognition.consent import Consent
from hub.runtime.health import Health, State
from tests.support.pages import ADA, BOB, Browser, lecture, taught
from tests.support.panel import MONDAY, Panel, at

EVERY_PAGE = ("/", "/people", "/images", "/attendance", "/days/2026-11-23", "/cameras")


@pytest.mark.parametrize("path", EVERY_PAGE)
async def test_an_empty_hub_has_something_to_say_on_every_page(browser: Browser, path: str) -> None:
    page = await browser.open(path)
    assert page.status == 200
    assert re.search(r"<title>[^<·]+ · FRAS</title>", page.html)
    assert len(page.main.split()) > 3


async def test_an_empty_hub_says_what_comes_first(browser: Browser) -> None:
    assert "Before the first register There is a camera. Register people" in (await browser.open("/")).main
    assert "fras enroll DIR --consent granted" in (await browser.open("/")).main
    assert "Nobody is registered yet." in (await browser.open("/people")).main
    assert "No pictures yet." in (await browser.open("/images")).main
    assert "No attendance was taken in November 2026." in (await browser.open("/attendance")).main


async def test_today_shows_what_runs_then_what_comes_then_what_was(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    panel.clock.moment = at("10:10")
    await panel.draw()
    page = await browser.open("/")
    now, then = page.main.index("Now"), page.main.index("Earlier today")
    assert now < page.main.index("Physics") < then < page.main.index("Mathematics")
    panel.clock.moment = at("09:30")
    page = await browser.open("/")
    order = [page.main.index(word) for word in ("Now", "Mathematics", "Next", "Physics")]
    assert order == sorted(order)


async def test_lectures_that_no_camera_watched_do_not_clutter_today(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    panel.clock.moment = at("11:00")
    await panel.draw()
    page = await browser.open("/")
    assert "Also 1 lecture of which no camera could say anything" in page.main
    assert "Mathematics 10A" in page.main
    assert "Art 10B" not in page.main
    assert "The whole day: 3 lectures" in page.main


async def test_today_counts_every_status_and_opens_the_register(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    panel.clock.moment = at("09:40")
    page = await browser.open("/")
    assert "1 present 1 late 1 absent 1 not observed 0 open" in page.main
    assert f"/lectures/{lecture(panel, 'Mathematics')}" in page.links
    assert page.main.index("Came last") < page.main.index("Bob") < page.main.index("Ada"), "who came last stands first"


async def test_a_lecture_that_runs_past_midnight_is_still_todays(panel: Panel, browser: Browser) -> None:
    late = Weekly("10A", "Astronomy", "101", frozenset(range(7)), time(23), time(1))
    panel.settings = replace(panel.settings, timetable=(late,))
    panel.clock.moment = at("00:10", MONDAY + timedelta(days=1))
    page = await browser.open("/")
    assert page.main.index("Now") < page.main.index("Astronomy")


async def test_without_lectures_today_the_next_one_is_named(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    panel.clock.moment = at("12:00", MONDAY - timedelta(days=1))
    page = await browser.open("/")
    assert "No lectures today. Next: Mathematics 10A · room 101, Monday 23 November 2026 at 09:00" in page.main


async def test_people_are_found_without_case_and_accents(panel: Panel, browser: Browser) -> None:
    await panel.enrol(Person("7", "Łucja Świątek", "10A"), Person("8", "Ruth", "10B"))
    page = await browser.open("/people?q=lucja+SWIATEK")
    assert "Łucja Świątek" in page.main
    assert "Ruth" not in page.main
    assert "Nobody matches “zzz”." in (await browser.open("/people?q=zzz")).main


async def test_five_thousand_people_come_in_pages(panel: Panel, browser: Browser) -> None:
    await panel.enrol(*(Person(f"{n:05}", f"Pupil {n:05}") for n in range(5000)), granted=False)
    first, last = await browser.open("/people"), await browser.open("/people?page=999")
    assert "Page 1 of 50" in first.main
    assert "Pupil 00099" in first.main
    assert "Pupil 00100" not in first.main
    assert "Page 50 of 50" in last.main
    assert "Pupil 04999" in last.main


@pytest.mark.parametrize("person", ["a/b", "..x", "%2F", "ريم", "a b?c#d&e", "'\"<b>"])
async def test_any_id_has_a_page_of_its_own(panel: Panel, browser: Browser, person: str) -> None:
    await panel.enrol(Person(person, "<script>alert(1)</script>"))
    link = next(link for link in (await browser.open("/people")).links if link.startswith("/people/"))
    async with browser.session.get(browser.address + link) as answer:
        html = await answer.text()
    assert answer.status == 200
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


async def test_what_services_made_of_portraits_is_on_the_page(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    assert "At services" not in (await browser.open("/people/ada")).main
    async with panel.database.write() as connection:
        for gallery in ("azure_face a/b", "azure_face c/d"):
            await remote.begin(connection, gallery, "ada", at("08:00"))
        refused = {"1": "Azure finds no <face> in it", "2": "Azure finds no <face> in it"}
        await remote.record(connection, "azure_face c/d", "ada", refused | {"3": ""}, at("08:00"))
    (part,) = panel.settings.recognizer.parts
    parts = (replace(part, id="cloud", gallery="azure_face c/d"),)
    panel.settings = replace(panel.settings, recognizer=replace(panel.settings.recognizer, parts=parts))
    main = (await browser.open("/people/ada")).main
    assert "azure_face a/b: perhaps still enrolled there, though hub.yaml does not name it any more" in main
    assert "cloud: 1 portrait enrolled there, 2 refused" in main
    assert "2 portraits refused: Azure finds no <face> in it" in main
    async with panel.database.write() as connection:
        await consent.append(
            connection, person="ada", signer="ada", state=Consent.WITHDRAWN, at=at("09:00"), notice_version=""
        )
    assert (await browser.open("/people/ada")).main.count("still to be deleted there") == 2


async def test_percentage_is_of_decided_days(panel: Panel, browser: Browser) -> None:
    """The seed computed present/absent, and divided by zero."""
    days = [MONDAY - timedelta(days=7 * back) for back in range(5)]
    await panel.enrol(ADA)
    for number, day in enumerate(days):
        if number < 4:  # nobody watched on the fifth
            await panel.watched("door-101", at("08:45", day), at("10:55", day))
            await panel.watched("back-101", at("08:45", day), at("10:55", day))
        if number < 3:
            await panel.seen([("ada", "door-101", at("08:59", day))])
    panel.clock.moment = at("18:00")
    await panel.draw(*days)
    page = await browser.open("/people/ada")
    assert "75 % of 4 decided days Days present 3 Days absent 1 1 more not decided" in page.main


async def test_percentage_of_nothing_is_a_dash(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    page = await browser.open("/people/ada")
    assert "Attendance – no day is decided yet Days present 0 Days absent 0" in page.main
    await panel.watched("door-101", at("08:45"), at("10:55"))
    await panel.watched("back-101", at("08:45"), at("10:55"))
    panel.clock.moment = at("18:00")
    await panel.draw()
    assert "Attendance 0 % of 1 decided day " in (await browser.open("/people/ada")).main


async def test_a_person_was_last_seen_where_and_most_often_by_whom(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    await panel.seen(
        [
            ("ada", "door-101", at("08:58")),
            ("ada", "door-101", at("09:02")),
            ("ada", "back-101", at("09:10")),
        ]
    )
    page = await browser.open("/people/ada")
    assert "Last seen 09:10 at back-101 Seen most by door-101 twice" in page.main


async def test_an_unknown_face_is_nobody(panel: Panel, browser: Browser) -> None:
    """The seed stored it as a person called null."""
    await taught(panel)
    images = await browser.open("/images")
    assert images.html.count("<figure>") == 2, "ada and bob; the stranger at 09:20 left no picture"
    for path in (*EVERY_PAGE, f"/lectures/{lecture(panel, 'Mathematics')}"):
        assert not re.search(r"\b(None|null|unknown)\b", (await browser.open(path)).main)
    assert (await browser.open("/people/None")).status == 404


async def test_images_are_the_last_twenty_newest_first(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA, BOB)
    await panel.seen([("ada", "door-101", at("09:00") + timedelta(minutes=n)) for n in range(25)])
    await panel.seen([("bob", "back-101", at("08:00"))])  # delivered late
    page = await browser.open("/images")
    times = re.findall(r">(09:\d\d|08:\d\d)</time>", page.html.partition("<main")[2].partition("</main>")[0])
    assert times == [f"09:{n:02}" for n in range(24, 4, -1)]


async def test_the_table_counts_absent_and_not_observed(panel: Panel, browser: Browser) -> None:
    """A day's absent count was always 0 in the seed."""
    await taught(panel)
    panel.clock.moment = at("18:00")
    await panel.draw()
    page = await browser.open("/attendance")
    assert "Mon 23 2 1 2 – 3" in page.main, "ada and bob came; cem was absent; dee and eve no camera could speak for"
    assert "/days/2026-11-23" in page.links


async def test_the_table_goes_from_month_to_month_that_has_marks(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    autumn = MONDAY.replace(month=9, day=21)
    await panel.draw(autumn, MONDAY)
    november = await browser.open("/attendance")
    assert "/attendance?month=2026-09" in november.links
    september = await browser.open("/attendance?month=2026-09")
    assert "Attendance in September" in september.main
    assert "/attendance?month=2026-11" in september.links


async def test_a_days_lectures_stand_in_order_of_time(panel: Panel, browser: Browser) -> None:
    """The seed's lectures had no order; the timetable here names Physics first."""
    await taught(panel)
    page = await browser.open("/days/2026-11-23")
    assert page.main.index("Mathematics") < page.main.index("Art") < page.main.index("Physics")
    opened = [link for link in page.links if link.startswith("/lectures/")]
    assert opened == [f"/lectures/{lecture(panel, name)}" for name in ("Mathematics", "Art", "Physics")]
    assert "1 present 1 late 1 absent 1 not observed 0 open" in page.main


async def test_a_lecture_shows_everybody_by_status(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    page = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}")
    order = [page.main.index(words) for words in ("Present 1 ", "Ada", "Late 1 ", "Bob 19 min", "Absent 1 ", "Cem")]
    assert order == sorted(order)
    assert "Not observed 1 D Dee not taken by camera; mark by hand" in page.main
    assert "Eve" not in page.main.split(), "she is of another class"
    only = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}?show=not+observed")
    assert "Dee" in only.main
    assert "Cem" not in only.main


async def test_a_mark_opens_what_it_rests_on(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    register = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}")
    link = next(link for link in register.links if link.endswith("/people/bob"))
    page = await browser.open(link)
    assert "Late 19 min Seen once from 09:19 at door-101, best score 0.72." in page.main
    assert "Score 0.72 Threshold 0.56 Ahead of the next person by 0.21" in page.main
    assert "Cameras door-101 Coverage 100 % of the whole lecture; 80 % needed to call anybody absent" in page.main
    assert page.html.count('class="watched"') == 2, "a timeline of each of the room's cameras"
    assert page.html.count('class="tick"') == 1
    crop = re.search(r'<img src="(/crops/[^"]+)"', page.html)
    assert crop
    async with browser.session.get(browser.address + crop[1]) as answer:
        assert answer.content_type == "image/jpeg"


async def test_absence_shows_what_it_rests_on_too(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    page = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}/people/cem")
    assert "Absent Not seen; the cameras watched 100 % of the lecture." in page.main
    assert "No picture: not seen in this lecture." in page.main


async def test_a_crop_past_its_retention_leaves_the_rest_of_the_evidence(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    async with panel.database.read() as connection:
        crops = await observations.crops_of(connection, "bob")
    await panel.crops.remove(crops)
    page = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}/people/bob")
    assert "The picture is past its retention." in page.main
    assert "Score 0.72" in page.main


async def test_gaps_in_coverage_are_named(panel: Panel, browser: Browser) -> None:
    await panel.enrol(ADA)
    await panel.watched("door-101", at("08:55"), at("09:20"))
    await panel.watched("door-101", at("09:32"), at("09:55"))
    panel.clock.moment = at("09:55")
    await panel.draw()
    page = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}")
    assert "The cameras watched 76 %. Not watched: 09:20–09:32" in page.main


async def test_a_lecture_of_five_thousand_comes_in_pages(panel: Panel, browser: Browser) -> None:
    await panel.enrol(*(Person(f"{n:05}", f"Pupil {n:05}") for n in range(5000)), granted=False)
    await panel.draw()
    page = await browser.open(f"/lectures/{lecture(panel, 'Mathematics')}")
    assert "Page 1 of 25" in page.main
    assert page.main.count("Pupil") == 200


async def test_a_lecture_no_longer_in_the_timetable_is_still_itself(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    gone = lecture(panel, "Mathematics")
    panel.settings = replace(panel.settings, timetable=panel.settings.timetable[:1])
    day = await browser.open("/days/2026-11-23")
    assert "Mathematics (no longer in the timetable)" in day.main
    assert day.main.index("Mathematics") < day.main.index("Physics")
    page = await browser.open(f"/lectures/{gone}")
    assert "09:00–09:50 Mathematics (no longer in the timetable) 10A · room 101" in page.main
    assert "Bob 19 min" in page.main
    assert "The cameras watched 100 %" in page.main
    assert "Mathematics" in (await browser.open(f"/lectures/{gone}/people/bob")).main
    assert "Mathematics (no longer in the timetable) Late" in (await browser.open("/people/bob")).main


async def test_a_lecture_of_before_lectures_were_kept_goes_by_its_id(panel: Panel, browser: Browser) -> None:
    await taught(panel)
    gone = lecture(panel, "Mathematics")
    panel.settings = replace(panel.settings, timetable=panel.settings.timetable[:1])
    async with panel.database.write() as connection:
        await connection.exec_driver_sql("UPDATE lectures SET start = NULL, name = ''")
    assert "09:00 101 10a (no longer in the timetable)" in (await browser.open("/days/2026-11-23")).main
    page = await browser.open(f"/lectures/{gone}")
    assert (page.status, "Bob 19 min" in page.main) == (200, True)
    assert (await browser.open(f"/lectures/{gone}/people/bob")).status == 200


async def test_cameras_say_how_they_are_and_what_to_do(panel: Panel, browser: Browser) -> None:
    await panel.watched("door-101", at("09:00"), at("09:29"))
    await panel.seen([(None, "door-101", at("09:28"))])
    since = at("08:00")
    panel.health |= {
        "door-101": Health(State.RUNNING, since, last_event_at=at("09:29:30")),
        "back-101": Health(State.RUNNING, since, last_event_at=at("09:20")),
        "door-102": Health(State.NEEDS_HUMAN, since, "the folder incoming is not there", "make it"),
    }
    page = await browser.open("/cameras")
    assert "door-101 room 101 · folder Works Last frame 09:28 2 min ago" in page.main
    assert "Complete until 09:29 Frames today 1" in page.main
    assert "back-101 room 101 · folder Silent for 10 min: nothing comes from it" in page.main
    assert "Needs you The folder incoming is not there. What to do: make it" in page.main
    panel.health["door-102"] = Health(State.RUNNING, at("09:29"), "the folder incoming is not there", "make it", 1)
    page = await browser.open("/cameras")
    assert "Works Last problem: The folder incoming is not there." in page.main
    assert "What to do" not in page.main


async def test_a_camera_of_the_past_is_remembered(panel: Panel, browser: Browser) -> None:
    await panel.watched("gone", at("09:00"), at("09:10"))
    assert "gone No longer in hub.yaml; what it saw is kept" in (await browser.open("/cameras")).main


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/people/nobody",
        "/people/%00",
        "/days/2026-02-30",
        "/days/0001-01-01",
        "/days/9999-12-31",
        "/attendance?month=2026-13",
        "/attendance?month=x",
        "/lectures/2026-11-23-0900-101-10a-00000000",
        "/lectures/x",
        "/lectures/9999-12-31-0900-101-10a-00000000",
        "/lectures/2026-11-23-0900-101-10a-00000000/people/ada",
        "/static/../keys.py",
        "/static/nothing.js",
    ],
)
async def test_what_is_not_there_is_said_in_the_panels_clothes(browser: Browser, path: str) -> None:
    page = await browser.open(path)
    assert page.status == 404
    assert re.search(r"<title>[^<]+ · FRAS</title>", page.html)
    assert "What to do:" in page.main


@pytest.mark.parametrize(
    "query", ["page=x", "page=-1", "page=99999999999999999999", "show=everything", "q=%00", "q=%F0"]
)
async def test_strange_questions_are_answered(panel: Panel, browser: Browser, query: str) -> None:
    await taught(panel)
    for path in (*EVERY_PAGE, f"/lectures/{lecture(panel, 'Mathematics')}"):
        assert (await browser.open(f"{path}?{query}")).status == 200


async def test_no_page_asks_more_of_the_database_when_the_school_grows(panel: Panel, browser: Browser) -> None:
    """The seed asked once a person on every page."""
    await taught(panel)
    paths = [*EVERY_PAGE, "/people/ada", f"/lectures/{lecture(panel, 'Mathematics')}"]
    paths.append(f"{paths[-1]}/people/ada")
    before = {}
    for path in paths:
        await browser.open(path)
        before[path] = len(browser.statements)
    more = [Person(f"{n:04}", f"Pupil {n}", "10A") for n in range(300)]
    await panel.enrol(*more)
    await panel.seen([(one.id, "door-101", at("09:01")) for one in more], crop=False)
    await panel.draw()
    for path in paths:
        await browser.open(path)
        assert len(browser.statements) == before[path], path
        assert 0 < len(browser.statements) <= 8, path


def test_statuses_are_those_the_panel_draws() -> None:
    """A status without symbol and colour would be invisible."""
    from hub.web.pages.static import FILES
    from hub.web.pages.templates import FOLDER
    from hub.web.pages.words import slug

    symbols, style = (FOLDER / "symbols.svg").read_text("utf-8"), FILES["fras.css"].decode()
    for status in Status:
        assert f'id="m-{slug(status)}"' in symbols
        assert f".s-{slug(status)} " in style
