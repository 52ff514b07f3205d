"""A filmed school, made once and copied: making it takes nine commands."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support import postgres
from tests.support.facts import KIND
from tests.support.fras import School

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
SEEN: dict[int, tuple[str, ...]] = {4: ("ada", "fay"), 5: ("ada",), 40: ("bob", "dee"), 41: ("eve",)}


@pytest.fixture(scope="session")
def filmed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filmed")
    with pytest.MonkeyPatch.context() as patch:
        school = School(folder)
        patch.syspath_prepend(school.site)
        school.enrol("ada", "bob", "cem")
        school.fras("people", "add", "dee")
        school.fras("people", "add", "eve")
        school.fras("people", "consent", "eve", "refused", "--signed-by", "eve")
        for number in range(104):
            school.frame(f"f{number:03}.png", NINE + timedelta(seconds=30 * (number - 2)), *SEEN.get(number, ()))
        answer = school.fras("run", "--until-done")
        assert answer.code == 0, answer.err
    return folder


@pytest.fixture
def filmed(filmed_once: Path, school: School) -> School:
    """A lecture filmed from 08:59 each half minute and recognised.

    ada is in time, bob late, cem never there; dee's consent is pending, eve refused; fay is a stranger.
    """
    for part in ("data", "incoming", "portraits"):
        shutil.copytree(filmed_once / part, school.folder / part, dirs_exist_ok=True)
    if KIND == "postgresql":
        postgres.copy_database(filmed_once, school.folder)
    return school
