"""Whoever moves to another storage hears of what still waits for the one before: faces, and promises to erase them."""

from __future__ import annotations

import json

import pytest

from plugins.storage.s3.spool import Spool
from tests.support.fras import School

ELSEWHERE = {"platform": "s3", "bucket": "crops-b", "endpoint": "http://127.0.0.1:9", "access_key": "a"}


def test_what_waits_for_a_storage_that_is_named_no_more_is_said(
    school: School, caplog: pytest.LogCaptureFixture
) -> None:
    folder = school.folder / "data" / "plugins" / "storage" / "s3"
    spool = Spool(folder, 1000)
    (folder / "bucket.json").write_text('{"bucket": "crops", "endpoint": "", "prefix": ""}', "utf-8")
    (folder.parent / "gone_altogether").mkdir()
    assert school.fras("check").out == ""
    spool.keep("crops/a.jpg", b"x")
    spool.doom("crops/b.jpg")
    waits = "storage s3: 1 picture and 1 deletion wait for bucket crops at AWS"
    (problem,) = school.fras("check", "--json").lines
    assert (problem["severity"], problem["message"]) == ("warning", waits)
    assert school.fras("check").code == 0
    assert "put that storage back until it has them" in problem["hint"]
    assert school.fras("run", "--until-done").code == 0
    assert waits in caplog.text
    config = school.folder / "hub.yaml"
    section = json.dumps({**ELSEWHERE, "secret_key": "b"})
    config.write_text(config.read_text("utf-8").replace("{platform: local_disk}", section), "utf-8")
    (problem,) = school.fras("check", "--json").lines
    assert problem["message"] == waits
    answer = school.fras("run", "--until-done")
    assert answer.code == 1
    assert "1 deletion wait for bucket crops at AWS, which hub.yaml does not name any more" in answer.err
