"""Names of pictures in storage: they tell when and by which hub, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.failure import Failure
from hub.picture_keys import BITS, NAME, PictureKeys, keys_of, succeed
from hub.plugin.keys import is_key

MARKS = st.integers(0, (1 << BITS) - 1)
FIRST, LAST = (datetime(year, 1, 1) for year in (2020, 2200))  # noqa: DTZ001 (as hypothesis wants them)
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(MARKS, MARKS, MOMENTS)
def test_a_hub_knows_its_own_and_no_others(mark: int, other: int, moment: datetime) -> None:
    key = PictureKeys(mark).new("crops/", moment)
    assert is_key(key)
    stored = PictureKeys(mark).stored_at(key)
    assert stored is not None
    assert timedelta(0) <= moment - stored < timedelta(milliseconds=1)
    assert (PictureKeys(other).stored_at(key) is None) is (mark != other)


@given(MARKS, MOMENTS)
def test_no_two_pictures_of_one_moment_have_one_name(mark: int, moment: datetime) -> None:
    keys = PictureKeys(mark)
    assert len({keys.new("crops/", moment) for _ in range(50)}) == 50


@given(MARKS, st.text())
def test_what_others_keep_there_is_not_ours(mark: int, name: str) -> None:
    assert PictureKeys(mark).stored_at(f"crops/{name}") is None
    assert PictureKeys(mark).stored_at("crops/c2b9f6d2-5e1c-4a63-9d1c-0a0a0a0a0a0a.jpg") is None  # version 4


def test_a_data_folder_keeps_its_mark_and_another_has_another(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    with ThreadPoolExecutor(8) as together:
        marks = {keys.mark for keys in together.map(keys_of, [one] * 8)}
    assert marks == {keys_of(one).mark}
    assert keys_of(other) != keys_of(one)
    assert [file.name for file in one.iterdir()] == [NAME]


@pytest.mark.parametrize("content", [b"", b"no number\n", b"\xff\x00"])
def test_a_damaged_mark_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    keys = keys_of(tmp_path)
    assert keys == keys_of(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


def test_a_disk_without_hard_links_keeps_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    assert keys_of(tmp_path) == keys_of(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


def test_a_mark_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(Failure, match=r"storage-mark cannot be kept: .*; give the user that runs fras the right"):
        keys_of(tmp_path)


@given(st.lists(MARKS, max_size=3), st.lists(MARKS, max_size=3))
def test_a_successor_knows_what_those_before_it_stored(here: list[int], there: list[int]) -> None:
    with TemporaryDirectory() as place:
        files = [Path(place, name) for name in "ab"]
        for file, marks in zip(files, (here, there), strict=True):
            file.write_text("".join(f"{mark:x}\n" for mark in marks))
        succeed(Path(place, NAME), *files)
        keys = keys_of(Path(place))
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    for mark in (*here, *there):
        assert keys.stored_at(PictureKeys(mark).new("crops/", moment)) == moment
    assert keys.mark == (here + there)[0] if here + there else not keys.succeeded
