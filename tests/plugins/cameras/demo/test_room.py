"""The pictures of demo cameras, and those they are made of."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from plugins.cameras.demo import PORTRAITS, REFUSED, room
from plugins.cameras.demo.camera import cast_of
from plugins.cameras.demo.script import Presence, Script
from plugins.cameras.demo.studio.poses import figures

NOW = datetime(2026, 11, 22, 12, 4, tzinfo=UTC)
CAST = Path(room.FIGURES).parent


def picture(number: int, present: list[Presence], now: datetime = NOW) -> bytes:
    return room.picture(number, present, cast_of().pupils, now, "12:04:00")


def test_everybody_has_every_figure_and_those_who_consent_have_portraits() -> None:
    cast = cast_of()
    with (PORTRAITS / "people.csv").open(encoding="utf-8") as file:
        listed = [row["id"] for row in csv.DictReader(file)]
    assert tuple(listed) == cast.pupils
    assert cast.refused == REFUSED
    for person in (*listed, cast.stranger):
        assert {file.stem for file in (room.FIGURES / person).iterdir()} == set(figures(0))
        portraits = list(PORTRAITS.glob(f"{person}/*.jpg"))
        assert len(portraits) == (0 if person in (cast.refused, cast.stranger) else 6)


def test_the_cast_is_small() -> None:
    assert sum(file.stat().st_size for file in CAST.rglob("*") if file.is_file()) < 3_000_000


@pytest.mark.parametrize("number", [0, 1])
def test_a_picture_is_the_same_for_the_same_moment(number: int) -> None:
    present = Script(cast_of(), timedelta(minutes=10), ZoneInfo("UTC")).present(0, NOW)
    assert len(present) >= 8
    first = picture(number, present)
    assert first == picture(number, present)
    assert first != picture(number, present[1:])
    with Image.open(io.BytesIO(first)) as image:
        assert (image.format, image.size) == ("JPEG", room.SIZE)


@pytest.mark.parametrize("way", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("leaving", [False, True])
def test_everybody_can_be_drawn_everywhere(way: float, leaving: bool) -> None:
    cast = cast_of()
    everybody = [Presence(person, way, leaving) for person in (*cast.pupils, cast.stranger)]
    assert picture(0, everybody)
