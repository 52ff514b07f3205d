"""Lights of a board, on a folder in the place of /sys/class/leds."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from node.leds import RHYTHMS, NoLeds, make_leds
from node.parts import Sign


@pytest.fixture
def led(tmp_path: Path) -> Path:
    folder = tmp_path / "ACT"
    folder.mkdir()
    (folder / "trigger").write_text("none timer [mmc0] heartbeat\n")
    (folder / "brightness").write_text("0\n")
    (folder / "max_brightness").write_text("255\n")
    return folder


def level(led: Path) -> str:
    """Read at once, as from sysfs: the next reading of a file would be of what it holds by then."""
    with (led / "brightness").open("rb", buffering=0) as file:
        return file.read(8).decode()


def levels(led: Path, count: int) -> list[str]:
    """So many changes of it."""
    seen = [level(led)]
    end = time.monotonic() + 20
    while len(seen) < count + 1:
        assert time.monotonic() < end, f"it showed {seen}"
        if (now := level(led)) and now != seen[-1]:
            seen.append(now)
    return seen[1:]


def test_every_sign_has_a_rhythm_of_its_own_that_goes_dark() -> None:
    assert set(RHYTHMS) == set(Sign) - {Sign.OFF}
    assert len({tuple(rhythm) for rhythm in RHYTHMS.values()}) == len(RHYTHMS)
    assert all(len(rhythm) % 2 == 0 for rhythm in RHYTHMS.values())


def test_it_blinks_and_is_given_back(led: Path) -> None:
    leds = make_leds(led.parent)
    leds.show(Sign.NO_NETWORK)
    assert (led / "trigger").read_text() == "none"
    assert set(levels(led, 4)) == {"0", "255"}
    leds.show(Sign.HERE)
    levels(led, 2)
    leds.show(Sign.OFF)
    assert (led / "trigger").read_text() == "mmc0"
    assert (led / "brightness").read_text() == "0"
    time.sleep(0.7)
    assert (led / "brightness").read_text() == "0", "a rhythm goes on"


def test_signs_that_follow_fast_leave_one_rhythm(led: Path) -> None:
    leds = make_leds(led.parent)
    for _ in range(20):
        for sign in RHYTHMS:
            leds.show(sign)
    leds.show(Sign.OFF)
    assert (led / "brightness").read_text() == "0"
    assert (led / "trigger").read_text() == "mmc0"


@pytest.mark.parametrize(("there", "used"), [(["ACT", "PWR"], "ACT"), (["PWR"], "PWR"), (["led0", "led1"], "led0")])
def test_the_green_light_else_the_red_one(there: list[str], used: str, led: Path, tmp_path: Path) -> None:
    for name in there:
        if name != led.name:
            shutil.copytree(led, tmp_path / name)
    if "ACT" not in there:
        shutil.rmtree(led)
    leds = make_leds(tmp_path)
    leds.show(Sign.HERE)
    assert [name for name in there if (tmp_path / name / "trigger").read_text() == "none"] == [used]
    leds.show(Sign.OFF)


def test_a_light_that_was_simply_on_is_on_again(led: Path) -> None:
    """As the red one is, which shows that there is power."""
    (led / "trigger").write_text("[none] timer mmc0 heartbeat\n")
    (led / "brightness").write_text("255\n")
    leds = make_leds(led.parent)
    leds.show(Sign.NO_NETWORK)
    levels(led, 2)
    leds.show(Sign.OFF)
    assert (led / "trigger").read_text() == "none"
    assert (led / "brightness").read_text() == "255"


def test_a_board_without_lights(tmp_path: Path) -> None:
    leds = make_leds(tmp_path)
    assert isinstance(leds, NoLeds)
    leds.show(Sign.HERE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_light_that_may_not_be_written(led: Path) -> None:
    (led / "trigger").chmod(0o444)
    assert isinstance(make_leds(led.parent), NoLeds)


def test_a_light_that_goes_away_harms_nobody(led: Path) -> None:
    leds = make_leds(led.parent)
    led.rename(led.with_name("gone"))
    leds.show(Sign.NO_NETWORK)
    leds.show(Sign.OFF)
    assert not led.exists()
