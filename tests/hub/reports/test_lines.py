"""The register as flat lines, in the order staff look for people."""

from __future__ import annotations

from hub.attendance.register import Register
from hub.reports.lines import lines
from tests.support.school import BERLIN, PHYSICS, saw, taken

NAMES = {"ada": "zoe", "bob": "Änne", "cem": "Cem", "dee": "abel"}


def test_lines_are_by_lecture_and_then_by_name_in_local_time() -> None:
    found = lines(taken([saw("bob", "09:02")]), NAMES, BERLIN)
    assert [(line.lecture, line.start, line.person) for line in found] == [
        ("Mathematics", "09:00", "dee"),
        ("Mathematics", "09:00", "bob"),
        ("Mathematics", "09:00", "ada"),
        ("Art", "09:00", "cem"),
        ("Physics", "09:50", "dee"),
        ("Physics", "09:50", "bob"),
        ("Physics", "09:50", "ada"),
    ]
    (bob,) = (line for line in found if (line.person, line.lecture) == ("bob", "Mathematics"))
    assert (bob.name, bob.status, bob.minutes, bob.end) == ("Änne", "present", None, "09:50")


def test_one_lecture_by_name_or_by_id() -> None:
    register = taken([])
    (physics,) = (lecture for lecture in register.lectures if lecture.name == PHYSICS.lecture)
    by_name = lines(register, NAMES, BERLIN, "Physics")
    assert by_name == lines(register, NAMES, BERLIN, physics.id)
    assert {line.lecture for line in by_name} == {"Physics"}
    assert lines(register, NAMES, BERLIN, "Latin") == []


def test_whoever_has_no_name_any_more_is_called_by_id() -> None:
    assert {line.name for line in lines(taken([]), {}, BERLIN)} == {"ada", "bob", "cem", "dee"}
    assert lines(Register((), (), ()), NAMES, BERLIN) == []
