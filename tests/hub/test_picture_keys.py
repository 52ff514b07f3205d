"""Names of pictures in storage: they tell when and by which hub, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.failure import Failure
from hub.picture_keys import BITS, NAME, PictureKeys, keys_of
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


@pytest.mark.parametrize("content", ["", "no number"])
def test_a_damaged_mark_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(Failure, match=r"storage-mark: it does not hold a number; .* delete it"):
        keys_of(tmp_path)
