from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from hub.attendance.marks import BY_HAND
from hub.attendance.records import Mark, Observation, Rules, Status
from hub.attendance.register import Register
from hub.attendance.roster import Person
from tests.support.school import ART, MATHS, MUCH_LATER, PEOPLE, ROOMS, at, every, saw, taken


def of(register: Register, person: str, lecture: str = "Mathematics") -> Mark:
    (identity,) = {found.id for found in register.lectures if found.name == lecture}
    (mark,) = (mark for mark in register.marks if (mark.person, mark.lecture) == (person, identity))
    return mark


def thin(lost_from: str, lost_to: str) -> Mapping[str, list[datetime]]:
    signals = every("08:00", lost_from) + every(lost_to, "12:00")
    return {"door-101": signals, "back-101": signals}


# present, late


def test_seen_in_time_is_present() -> None:
    mark = of(taken([saw("ada", "09:02", crop="c")]), "ada")
    assert (mark.status, mark.minutes, mark.crop) == (Status.PRESENT, None, "c")
    assert mark.why == "seen once from 09:02 at door-101, best score 0.71"
    assert (mark.first, mark.last, mark.sightings, mark.cameras) == (at("09:02"), at("09:02"), 1, ("door-101",))


def test_the_evidence_of_all_the_rooms_cameras_is_told() -> None:
    facts = [saw("ada", "09:02"), saw("ada", "09:30", score=0.8), saw("ada", "09:20", "back-101")]
    mark = of(taken(facts), "ada")
    assert mark.why == "seen 3 times from 09:02 at back-101 and door-101, best score 0.80"
    assert (mark.last, mark.best_score) == (at("09:30"), 0.8)


@pytest.mark.parametrize(
    ("clock", "status", "minutes"),
    [
        ("08:50:00", Status.PRESENT, None),
        ("09:10:00", Status.PRESENT, None),
        ("09:10:01", Status.LATE, 10),
        ("09:13:59", Status.LATE, 13),
        ("09:49:59", Status.LATE, 49),
        ("08:49:59", Status.ABSENT, None),
        ("09:50:00", Status.ABSENT, None),
    ],
)
def test_the_bounds(clock: str, status: Status, minutes: int | None) -> None:
    mark = of(taken([saw("ada", clock)], weekly=[MATHS]), "ada")
    assert (mark.status, mark.minutes) == (status, minutes)


def test_nobody_is_late_where_nobody_watched_those_who_came_in_time() -> None:
    mark = of(taken([saw("ada", "09:13")], thin("09:00", "09:12")), "ada")
    assert (mark.status, mark.minutes) == (Status.PRESENT, None)
    assert mark.why == (
        "seen once from 09:13 at door-101, best score 0.71; whether in time is not known: no camera watched until 09:10"
    )
    mark = of(taken([saw("ada", "09:13")], thin("09:02", "09:12")), "ada")
    assert mark.why.endswith("not known: the cameras watched only 20 % of the time until 09:10")


def test_late_admits_that_nobody_watched_for_a_while() -> None:
    mark = of(taken([saw("ada", "09:19")], thin("09:09", "09:18")), "ada")
    assert (mark.status, mark.minutes) == (Status.LATE, 19)
    assert mark.why.endswith("; may have come earlier, for the cameras were not watching 09:09–09:18")


def test_a_hub_that_starts_in_mid_lecture_calls_nobody_late_who_sits_there() -> None:
    signals = every("09:25", "12:00")
    drawn = taken([saw("ada", "09:25"), saw("bob", "09:40")], {"door-101": signals, "back-101": signals})
    assert {of(drawn, person).status for person in ("ada", "bob")} == {Status.PRESENT}


def test_where_late_begins_at_once_the_first_minute_must_have_been_watched() -> None:
    strict = Rules(late_after=timedelta())
    unwatched = every("09:00:40", "12:00", timedelta(seconds=10))
    mark = of(taken([saw("ada", "09:00:50")], {"door-101": unwatched}, rules=strict), "ada")
    assert mark.status is Status.PRESENT
    assert of(taken([saw("ada", "09:00:50")], rules=strict), "ada").status is Status.LATE


def test_capture_time_decides_not_when_it_was_processed() -> None:
    facts = [saw("ada", "09:02")]
    assert of(taken(facts, as_of=at("09:03")), "ada") == of(taken(facts, as_of=MUCH_LATER), "ada")


def test_only_cameras_of_the_lectures_room_count() -> None:
    assert of(taken([saw("ada", "09:02", "door-102")]), "ada").status is Status.ABSENT


def test_being_seen_in_the_lecture_before_is_not_coming_early_to_the_next() -> None:
    register = taken([saw("ada", "09:45")])
    assert of(register, "ada", "Mathematics").status is Status.LATE
    assert of(register, "ada", "Physics").status is Status.ABSENT


def test_coming_early_while_another_class_is_still_in_the_room_counts() -> None:
    weekly = [MATHS, ART.__class__("10B", "Chemistry", "101", MATHS.days, MATHS.end, ART.end.replace(hour=10))]
    assert of(taken([saw("cem", "09:45")], weekly=weekly), "cem", "Chemistry").status is Status.PRESENT


def test_sitting_through_two_lectures_in_view_is_being_present_in_both() -> None:
    register = taken([saw("ada", f"09:{minute}") for minute in range(40, 60)])
    assert of(register, "ada", "Physics").status is Status.PRESENT


def test_being_last_seen_early_is_not_leaving_early() -> None:
    assert of(taken([saw("ada", "09:00")]), "ada").status is Status.PRESENT


# absent, not observed


def test_not_seen_though_the_cameras_watched_is_absent() -> None:
    mark = of(taken([], thin("09:20", "09:22")), "ada")
    assert (mark.status, mark.first, mark.best_score) == (Status.ABSENT, None, None)
    assert mark.why == "not seen; the cameras watched 96 % of the lecture"
    assert mark.coverage == pytest.approx(0.96)


def test_thin_coverage_is_not_absence_and_says_what_was_lost() -> None:
    mark = of(taken([], thin("09:12", "09:43")), "ada")
    assert mark.status is Status.NOT_OBSERVED
    assert mark.why == "not seen, but the cameras watched only 38 % of it (lost 09:12–09:43)"


def test_a_lecture_that_nobody_watched_has_no_absentees() -> None:
    mark = of(taken([], {}), "ada")
    assert (mark.status, mark.why) == (Status.NOT_OBSERVED, "no camera watched")


def test_many_gaps_are_summed_up() -> None:
    signals = [moment for start in range(0, 50, 5) for moment in every(f"09:{start:02}", f"09:{start + 1:02}")]
    mark = of(taken([], {"door-101": signals}, rooms={"door-101": "101"}), "ada")
    assert mark.why.endswith("(lost 09:01–09:05, 09:06–09:10, 09:11–09:15 and 7 more)")


def test_a_camera_that_watched_an_empty_room_still_covered_it() -> None:
    assert {mark.status for mark in taken([]).marks if mark.person == "ada"} == {Status.ABSENT}


def test_one_uncertain_sighting_is_neither_presence_nor_absence() -> None:
    mark = of(taken([saw("ada", "09:02", alone=False, crop="c")]), "ada")
    assert (mark.status, mark.sightings, mark.crop) == (Status.NOT_OBSERVED, 0, "c")
    assert mark.why == "one uncertain sighting, at 09:02 at door-101, best score 0.71; look at it"


def test_several_uncertain_sightings_are_counted() -> None:
    mark = of(taken([saw("ada", "09:02", alone=False), saw("ada", "09:20", alone=False)]), "ada")
    assert mark.why == "2 uncertain sightings, first at 09:02 at door-101, best score 0.71; look at it"


def test_an_uncertain_sighting_earlier_does_not_make_anybody_come_earlier() -> None:
    mark = of(taken([saw("ada", "09:02", alone=False), saw("ada", "09:15")]), "ada")
    assert (mark.status, mark.minutes) == (Status.LATE, 15)


def test_fewer_confirmed_sightings_than_asked_for_is_to_be_looked_at() -> None:
    rules = Rules(present_after=2)
    assert of(taken([saw("ada", "09:02")], rules=rules), "ada").status is Status.NOT_OBSERVED
    assert of(taken([saw("ada", "09:02"), saw("ada", "09:20")], rules=rules), "ada").status is Status.PRESENT
    assert of(taken([saw("ada", "09:02"), saw("ada", "09:04")], rules=rules), "ada").status is Status.PRESENT


def test_whoever_cameras_do_not_recognise_is_never_absent_and_not_singled_out() -> None:
    mark = of(taken([]), "dee")
    assert (mark.status, mark.why) == (Status.NOT_OBSERVED, BY_HAND)
    no_camera = taken([], rooms={"door-102": "102"})
    assert of(no_camera, "ada").why == of(no_camera, "dee").why == BY_HAND


def test_a_withdrawal_later_does_not_unmake_what_was_seen() -> None:
    assert of(taken([saw("dee", "09:02")]), "dee").status is Status.PRESENT


# open


def test_nobody_is_absent_before_every_camera_has_delivered_the_end() -> None:
    watermarks = {"door-101": at("12:00"), "back-101": at("09:49")}
    early = taken([saw("ada", "09:02")], watermarks=watermarks, as_of=at("10:00"))
    assert of(early, "ada").status is Status.PRESENT
    assert {of(early, person).status for person in ("bob", "dee")} == {Status.OPEN}
    assert of(early, "bob").why == of(early, "dee").why


def test_patience_with_a_silent_camera_runs_out() -> None:
    watermarks = {"door-101": at("12:00")}
    assert of(taken(watermarks=watermarks, as_of=at("10:49:59")), "ada").status is Status.OPEN
    assert of(taken(watermarks=watermarks, as_of=at("10:50:00")), "ada").status is Status.ABSENT


def test_all_watermarks_past_the_end_decide_at_once() -> None:
    assert of(taken(as_of=at("09:50:01")), "ada").status is Status.ABSENT


def test_a_room_without_cameras_waits_for_nobody_but_the_clock() -> None:
    nothing: dict[str, str] = {}
    assert of(taken(rooms=nothing, as_of=at("09:30")), "ada").status is Status.OPEN
    assert of(taken(rooms=nothing), "ada").status is Status.NOT_OBSERVED


# rosters, versions


def test_the_roster_is_the_class_and_whoever_has_none() -> None:
    register = taken([], people=[*PEOPLE, Person("eve")])
    by_lecture = {
        lecture.name: [mark.person for mark in register.marks if mark.lecture == lecture.id]
        for lecture in register.lectures
    }
    assert by_lecture["Mathematics"] == ["ada", "bob", "dee", "eve"]
    assert by_lecture["Art"] == ["cem", "eve"]


def test_somebody_listed_twice_has_one_mark() -> None:
    register = taken([saw("ada", "09:02")], people=[*PEOPLE, Person("ada", "10A"), Person("ada", "")])
    pairs = [(mark.person, mark.lecture) for mark in register.marks]
    assert len(pairs) == len(set(pairs))


def test_a_visitor_of_another_class_gets_no_mark_there() -> None:
    register = taken([saw("cem", "09:02", "door-101")])
    assert of(register, "cem", "Art").status is Status.ABSENT
    assert [mark.lecture for mark in register.marks if mark.person == "cem"] == [of(register, "cem", "Art").lecture]


def test_a_mark_names_the_rules_and_their_settings() -> None:
    one, same, other = Rules(), Rules(), Rules(late_after=timedelta(minutes=5))
    assert one.version == same.version != other.version
    assert of(taken([], rules=other), "ada").rule_version == other.version


def test_unknown_cameras_count_nowhere() -> None:
    stray = Observation(at("09:02"), "no such camera", "ada", "1", 0.9, True)
    assert of(taken([stray]), "ada").status is Status.ABSENT
    assert set(ROOMS) == {"door-101", "back-101", "door-102"}
