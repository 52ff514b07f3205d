"""`fras calibrate` says what it rests on, and exits 1 when that is too little."""

from __future__ import annotations

import pytest

from tests.support.fras import School


def test_too_few_people_are_said(school: School) -> None:
    school.enrol("ada", "bob", "cem")
    answer = school.fras("calibrate")
    assert answer.code == 1
    assert "are too few to speak of 1 % false matches (300 needed); the model's thresholds stand" in answer.err
    assert "threshold 0.900" in answer.err
    (line,) = school.fras("calibrate", "--json").lines
    assert (line["measured"], line["people"], line["thresholds"]["threshold"]) == (False, 3, 0.9)


@pytest.mark.sqlite  # fras check looks into a file, and connects to a server only when asked to
def test_enough_searches_are_measured_and_kept(school: School) -> None:
    school.enrol("ada", "bob", "cem", "dee", "eve", "fay")
    answer = school.fras("calibrate", "--target", "0.2")
    assert answer.code == 1, "12 searches of 15"
    school.portraits("ada", "bob", "cem", "dee", "eve", "fay", count=4)
    assert school.fras("enroll", str(school.folder / "portraits")).code == 0
    answer = school.fras("calibrate", "--target", "0.2")
    assert answer.code == 0, answer.err
    assert "kept; a running hub uses it after fras reload" in answer.err
    assert school.fras("check").out == ""
    school.portraits("ada", count=5)
    assert school.fras("enroll", str(school.folder / "portraits")).code == 0
    checked = school.fras("check")
    stale = "the thresholds were measured on 6 enrolled people, and the gallery has changed since: 6 people"
    assert checked.code == 0
    assert checked.out.replace("\n", " ").strip() == f"hub.yaml: warning: {stale}; run fras calibrate, then fras reload"
    assert f"until now {stale}" in school.fras("calibrate", "--target", "0.2").err
    assert school.fras("check").out == ""


def test_a_target_out_of_reach_is_wrong_usage(school: School) -> None:
    assert school.fras("calibrate", "--target", "0.5").code == 2
