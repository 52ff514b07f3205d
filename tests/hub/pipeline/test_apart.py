"""A picture on which the recogniser fails costs no other picture its result."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.pipeline.apart import apart
from hub.pipeline.members import GREY
from hub.plugin import NotReady, Picture
from hub.runtime.faults import PluginFault
from tests.support.services import shown


class Look:
    """Answers each picture with its width; fails with `error` on those as wide as `bad`."""

    def __init__(self, *bad: int, error: Exception | None = None) -> None:
        self.bad = bad
        self.error = error or PluginFault("it broke")
        self.asked: list[int] = []

    async def __call__(self, pictures: Sequence[Picture]) -> list[int]:
        self.asked.append(len(pictures))
        if any(picture.width in self.bad for picture in pictures):
            raise self.error
        return [picture.width for picture in pictures]


ONE, TWO, THREE = shown("ada"), shown("ada", "bob"), shown("ada", "bob", "cem")


async def test_results_come_in_order_from_one_call() -> None:
    look = Look()
    assert await apart(look, [ONE, TWO]) == [ONE.width, TWO.width]
    assert look.asked == [2]


async def test_nothing_is_asked_for_nothing() -> None:
    look = Look()
    assert await apart(look, []) == []
    assert look.asked == []


async def test_only_the_picture_it_fails_on_is_without_result() -> None:
    found = await apart(Look(THREE.width), [ONE, THREE, TWO])
    assert found == [ONE.width, "the recogniser fails on it (it broke)", TWO.width]


async def test_a_recogniser_that_fails_on_everything_is_to_blame_itself() -> None:
    with pytest.raises(PluginFault, match="it broke"):
        await apart(Look(ONE.width, THREE.width, GREY.width), [ONE, THREE])


async def test_a_recogniser_that_is_not_ready_is_not_tried_picture_by_picture() -> None:
    look = Look(TWO.width, error=NotReady("later"))
    with pytest.raises(NotReady, match="later"):
        await apart(look, [ONE, TWO])
    assert look.asked == [2]
