"""The motion gate on rooms made of numbers: what it keeps, what it never does, what it says of the lens."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.gate import block_means, make_gate
from node.orders import Motion, Orders
from node.parts import Gate, Verdict
from node.wire import Moment

Picture = npt.NDArray[np.uint8]


@cache
def shapes(seed: int) -> npt.NDArray[np.float32]:
    """640×480, of all sizes as a room has them."""
    chance = np.random.default_rng(seed)
    picture = np.zeros((480, 640), np.float32)
    for side in (120, 60, 30, 15, 5):
        picture += np.kron(chance.uniform(10, 45, (480 // side, 640 // side + 1)), np.ones((side, side)))[:, :640]
    return picture


@cache
def grain(look: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(look + 99).normal(0, 1, (480, 640)).astype(np.float32)


def room(seed: int = 0, light: float = 1.0, noise: float = 2.0, look: int = 0) -> Picture:
    return finish(shapes(seed) * np.float32(light), noise, look)


def finish(picture: npt.NDArray[np.float32], noise: float, look: int) -> Picture:
    """As a sensor sees it, whose noise differs from one look to the next."""
    return np.clip(picture + np.float32(noise) * grain(look % 7), 0, 255).astype(np.uint8)


def person(picture: Picture, x: int, luma: int = 250) -> Picture:
    """A face and shoulders of 60×100 pixels."""
    seen = picture.copy()
    seen[200:300, x : x + 60] = luma
    return seen


class Day:
    """A gate that looks once a second."""

    def __init__(self, **orders: object) -> None:
        self.gate: Gate = make_gate(Orders(**orders))  # type: ignore[arg-type]
        self.second = 0

    def sees(self, picture: Picture) -> Verdict:
        self.second += 1
        return self.gate.judge(picture, Moment(0, self.second * 1_000_000, 1))

    def stays(self, picture: Picture, seconds: int) -> list[Verdict]:
        return [self.sees(picture) for _ in range(seconds)]


QUICK = Motion(hold=0)


def test_the_first_look_is_kept_and_then_one_in_a_while() -> None:
    day = Day(keepalive=20.0)
    verdicts = [day.sees(room(look=second)) for second in range(60)]
    assert [second for second, verdict in enumerate(verdicts) if verdict.keep] == [0, 20, 40]
    assert not any(verdict.moved for verdict in verdicts)
    assert all(verdict.sees for verdict in verdicts)


def test_somebody_who_walks_through_is_kept_and_held() -> None:
    day = Day(motion=Motion(hold=5.0))
    day.stays(room(), 10)
    walking = [day.sees(person(room(look=x), x)) for x in range(0, 500, 100)]
    assert all(verdict.keep and verdict.moved for verdict in walking)
    after = [day.sees(room(look=second)) for second in range(10)]
    assert [verdict.moved for verdict in after] == [True] * 5 + [False] * 5


def test_less_than_the_share_or_below_the_threshold_is_nothing() -> None:
    day = Day(motion=Motion(share=0.2, hold=0))
    day.stays(room(), 5)
    assert not day.sees(person(room(), 100)).moved
    faint = Day(motion=Motion(threshold=60, hold=0))
    faint.stays(room(), 5)
    seen = room()
    seen[200:300, 100:160] = np.minimum(255, seen[200:300, 100:160].astype(int) + 30)
    assert not faint.sees(seen).moved


def test_daylight_that_changes_slowly_is_no_movement() -> None:
    day = Day(motion=QUICK)
    verdicts = [day.sees(room(light=0.5 + second / 200, look=second)) for second in range(100)]
    assert not any(verdict.moved for verdict in verdicts)


@pytest.mark.parametrize(("before", "after"), [(0.4, 1.0), (1.0, 0.4)])
def test_a_lamp_counts_once(before: float, after: float) -> None:
    day = Day(motion=QUICK)
    day.stays(room(light=before), 5)
    verdicts = [day.sees(room(light=after, look=second)) for second in range(20)]
    assert [verdict.moved for verdict in verdicts] == [True] + [False] * 19


def test_a_lamp_does_not_hide_who_comes_after_it() -> None:
    day = Day(motion=QUICK)
    day.stays(room(light=0.4), 5)
    day.stays(room(), 2)
    assert day.sees(person(room(), 300)).moved


@settings(max_examples=5, deadline=None)
@given(
    first=st.integers(0, 50),
    then=st.integers(0, 50),
    light=st.floats(0.3, 1.5),
    noise=st.floats(0, 6),
    part=st.floats(0, 1),
)
def test_whatever_changes_if_it_stays_it_ends(first: int, then: int, light: float, noise: float, part: float) -> None:
    """No change, of however much of the picture, triggers for more than a minute and a half."""
    day = Day(motion=QUICK)
    day.stays(room(first), 3)
    changed = room(first)
    cut = int(640 * part)
    changed[:, :cut] = room(then, light)[:, :cut]
    for second in range(90):
        day.sees(finish(changed.astype(np.float32), noise, second))
    assert not any(day.sees(finish(changed.astype(np.float32), noise, second)).moved for second in range(91, 100))


class TestMask:
    WINDOW = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)

    def test_what_moves_behind_it_is_nothing(self) -> None:
        day = Day(mask=self.WINDOW, motion=QUICK)
        day.stays(room(), 3)
        assert not day.sees(person(room(), 100)).moved
        assert day.sees(person(room(), 400)).moved

    def test_the_share_is_of_what_can_be_seen(self) -> None:
        most = (((0.0, 0.0), (0.9, 0.0), (0.9, 1.0), (0.0, 1.0)),)
        day = Day(mask=most, motion=Motion(share=0.2, hold=0))
        day.stays(room(), 3)
        assert day.sees(person(room(), 578)).moved

    def test_a_picture_that_is_masked_altogether_shows_nobody(self) -> None:
        verdict = Day(mask=(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),)).sees(room())
        assert (verdict.keep, verdict.sees) == (False, False)

    def test_a_black_window_makes_no_night(self) -> None:
        seen = room()
        seen[:, :320] = 0
        assert Day(mask=self.WINDOW).sees(seen).keep


class TestNight:
    def test_paused_nothing_is_kept_or_said_to_be_watched(self) -> None:
        day = Day()
        verdicts = [day.sees(room(light=0.06, look=second)) for second in range(70)]
        assert not any(verdict.keep or verdict.sees for verdict in verdicts)
        assert all(verdict.dark and verdict.lens == 0 for verdict in verdicts)

    def test_keep_keeps(self) -> None:
        verdict = Day(night="keep").sees(room(light=0.06))
        assert verdict.keep
        assert verdict.sees
        assert not verdict.dark

    def test_who_turns_the_light_on_is_kept(self) -> None:
        day = Day()
        day.stays(room(light=0.06), 5)
        assert day.sees(room()).moved

    def test_a_beam_of_light_is_enough(self) -> None:
        """A lit corridor behind a dark room: somebody in the door can be recognised."""
        seen = room(light=0.06)
        seen[:, 250:400] = room()[:, 250:400]
        assert Day().sees(seen).sees


class TestLens:
    def test_covered(self) -> None:
        for level in (0, 90, 250):
            verdict = Day(night="keep").sees(finish(np.full((480, 640), level, np.float32), 3, 1))
            assert verdict.lens == 0

    def test_clear(self) -> None:
        assert Day().sees(room()).lens == 1

    def test_out_of_focus_is_neither(self) -> None:
        blurred = room(noise=0).astype(np.float32)
        for axis in (0, 1):
            for _ in range(3):
                blurred = sum(np.roll(blurred, shift, axis) for shift in range(-7, 8)) / 15
        lens = Day().sees(finish(blurred, 2, 1)).lens
        assert lens is not None
        assert 0 < lens < 0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 90), st.integers(1, 12), st.integers(0, 9))
def test_block_means_are_means(height: int, width: int, side: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    means = block_means(picture, side)
    assert means.shape == (height // side, width // side)
    for row, column in list(np.ndindex(means.shape))[:50]:
        block = picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert means[row, column] == pytest.approx(block.mean(), abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 200), (200, 3), (240, 320), (768, 1024)])
def test_pictures_of_any_size(shape: tuple[int, int]) -> None:
    day = Day()
    assert day.sees(np.full(shape, 200, np.uint8)).keep
