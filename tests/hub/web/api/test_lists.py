"""What the API answers about a filmed school, page by page."""

from __future__ import annotations

import pytest

from tests.support.site import API, Site

DAY = {"date": "2026-11-16"}


async def test_people(site: Site) -> None:
    people = await site.all("/people")
    assert [(one["id"], one["consent"], one["images"]) for one in people] == [
        ("ada", "granted", 2),
        ("bob", "granted", 2),
        ("cem", "granted", 2),
        ("dee", "pending", 0),
        ("eve", "refused", 0),
    ]
    assert await site.all("/people", **{"class": "10A"}) == []


async def test_a_person(site: Site) -> None:
    ada = (await site.get(f"{API}/people/ada")).json
    assert ada["last_seen"] == {"at": "2026-11-16T08:01:30Z", "camera": "door"}
    assert (ada["days_present"], ada["days_absent"], ada["percentage"]) == (1, 0, 100.0)
    cem = (await site.get(f"{API}/people/cem")).json
    assert (cem["days_present"], cem["days_absent"], cem["percentage"], cem["last_seen"]) == (0, 1, 0.0, None)
    dee = (await site.get(f"{API}/people/dee")).json
    assert (dee["days_present"], dee["percentage"]) == (0, None), "not observed is neither present nor absent"


async def test_enrolments(site: Site) -> None:
    found = await site.all("/enrolments", person="ada")
    assert [(one["person"], one["state"], one["reason"]) for one in found] == [("ada", "accepted", "")] * 2
    assert await site.all("/enrolments", state="refused") == []
    assert len(await site.all("/enrolments")) == 6


async def test_observations(site: Site) -> None:
    everyone = await site.all("/observations", **DAY)
    assert [one["captured_at"] for one in everyone] == sorted(one["captured_at"] for one in everyone)
    assert [one["person"] for one in everyone].count(None) == 3, "a stranger, a refusal, and one without consent"
    assert len({one["id"] for one in everyone}) == 6
    ada = await site.all("/observations", person="ada")
    assert [one["person"] for one in ada] == ["ada", "ada"]
    assert await site.all("/observations", camera="nowhere", **DAY) == []
    assert await site.all("/observations") == [], "without a date: today's"
    one = (await site.get(f"{API}/observations/{ada[0]['id']}")).json
    assert one == ada[0]


async def test_a_crop_is_a_jpeg_and_only_of_those_recognised(site: Site) -> None:
    for one in await site.all("/observations", **DAY):
        async with site.client.get(f"{site.address.rstrip('/')}{API}/observations/{one['id']}/crop") as answer:
            assert answer.status == (404 if one["person"] is None else 200)
            if one["person"] is not None:
                assert (answer.content_type, one["crop"]) == ("image/jpeg", answer.url.path)
                assert (await answer.read()).startswith(b"\xff\xd8")
            else:
                assert one["crop"] is None


async def test_sightings(site: Site) -> None:
    found = await site.all("/sightings", limit=1, **DAY)
    assert [(one["person"], one["count"], one["confirmed"]) for one in found] == [("ada", 2, True), ("bob", 1, True)]
    assert [one["person"] for one in await site.all("/sightings", person="bob", **DAY)] == ["bob"]


async def test_days_and_lectures(site: Site) -> None:
    (day,) = (await site.get(f"{API}/days", first="2026-11-01", last="2026-11-20")).json["items"]
    assert (day["date"], day["lectures"]) == ("2026-11-16", 1)
    expected = {"present": 2, "late": 0, "left_early": 0, "absent": 1, "excused": 0, "not_observed": 2, "open": 0}
    assert day["people"] == expected, "late is present, by the day"
    details = (await site.get(f"{API}/days/2026-11-16")).json
    (lecture,) = (await site.get(f"{API}/lectures", **DAY)).json["items"]
    assert details["lectures"] == [lecture]
    assert (lecture["name"], lecture["class"], lecture["room"]) == ("Mathematics", "10A", "101")
    assert (lecture["start"], lecture["end"]) == ("2026-11-16T08:00:00Z", "2026-11-16T08:50:00Z")
    assert (lecture["marks"]["present"], lecture["marks"]["late"], lecture["marks"]["absent"]) == (1, 1, 1)
    assert (await site.get(f"{API}/lectures/{lecture['id']}")).json == lecture


async def test_marks(site: Site) -> None:
    marks = await site.all("/marks", **DAY)
    statuses = {one["person"]: one["status"] for one in marks}
    assert statuses == {
        "ada": "present",
        "bob": "late",
        "cem": "absent",
        "dee": "not observed",
        "eve": "not observed",
    }
    lecture = marks[0]["lecture"]
    assert await site.all("/marks", lecture=lecture) == marks
    bobs = await site.all("/marks", person="bob")
    assert {one["person"] for one in bobs} == {"bob"}
    # On a school day the hub has drawn up today's register, too.
    assert [one["minutes"] for one in bobs if one["lecture"] == lecture] == [19]
    assert [one["person"] for one in await site.all("/marks", status="absent", **DAY)] == ["cem"]
    assert await site.all("/marks", lecture=lecture, date="2026-11-17") == []
    assert await site.all("/marks", lecture="nothing") == []


@pytest.mark.parametrize("path", ["/people", "/enrolments", "/observations", "/sightings", "/marks"])
async def test_pages_of_any_length_make_the_same_list(site: Site, path: str) -> None:
    query = {} if path in ("/people", "/enrolments") else DAY
    whole = await site.all(path, limit=500, **query)
    assert len(whole) >= 2
    for limit in (1, 2, len(whole), len(whole) + 1):
        assert await site.all(path, limit=limit, **query) == whole


async def test_cameras_and_health(site: Site) -> None:
    cameras = {one["id"]: one for one in (await site.get(f"{API}/cameras")).json["items"]}
    assert list(cameras) == ["push", "door"]
    assert (cameras["door"]["platform"], cameras["door"]["room"]) == ("folder", "101")
    assert cameras["door"]["last_frame"] is not None
    assert (await site.get(f"{API}/cameras/door")).json["id"] == "door"
    health = (await site.get(f"{API}/health")).json
    assert (health["status"], health["school"], health["waiting"]) == ("ok", "Test School", 0)
    assert {"push", "door"} <= {part["id"] for part in health["parts"]}


@pytest.mark.parametrize(
    "path",
    ["people/nobody", "observations/x", "lectures/x", "lectures/0001-01-01-0900-101-abcdef01", "cameras/x", "frames/x"],
)
async def test_what_is_not_there_is_a_problem(site: Site, path: str) -> None:
    answer = await site.get(f"{API}/{path}")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["status"] == 404


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("people?limit=0", "the query parameter limit is not a whole number from 1 to 500"),
        ("people?clas=7", "there is no query parameter 'clas'; do you mean class?"),
        ("health?x=1", "this address takes no query parameters"),
        ("people?after=%F0%9F", "the query parameter after is not as it should be: `next` of the page before."),
        ("people?after=WzFd", "after is not a page's `next`"),
        ("people?after=bm8", "after is not a page's `next`"),
        ("observations?after=WyJhIl0", "after is not a page's `next`"),
        ("marks?status=here", "none of present, late"),
        ("days?first=2026-01-01&last=2026-03-01", "are not 1 to 31 days"),
        ("days?first=2026-03-01&last=2026-01-01", "are not 1 to 31 days"),
    ],
)
async def test_a_wrong_question_is_told_what_would_be_right(site: Site, path: str, said: str) -> None:
    answer = await site.ask("GET", f"{API}/{path}")
    assert answer.status == 400
    assert said in answer.json["detail"]


async def test_an_unchanged_answer_is_not_sent_again(site: Site) -> None:
    first = await site.get(f"{API}/people")
    again = await site.get(f"{API}/people", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.text) == (304, "")
    other = await site.get(f"{API}/people", headers={"If-None-Match": '"another"'})
    assert other.status == 200


async def test_an_unknown_version_or_address_is_a_problem_not_a_page(site: Site) -> None:
    for path in ("/api/v1/nothing", "/api/v2/people", "/api/"):
        answer = await site.get(path)
        assert (answer.status, answer.json["detail"]) == (404, "the API has no such address")
