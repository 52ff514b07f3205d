"""The pauses of docs/node-protocol.md, as they are drawn and as a link makes them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.clock import BoardClock
from node.link import Phase
from node.pauses import LONGEST, RARELY, RESTART, SHORTEST, Pauses
from node.wire import Close
from tests.node.conftest import rigged
from tests.support.small_hub import SmallHub

HERD = 200
WINDOWS = {
    Close.STOPPING: (0.0, 30.0),
    Close.MALFORMED: (30.0, 60.0),
    Close.DUPLICATE: (30.0, 60.0),
    Close.TOO_FAST: (30.0, 60.0),
    Close.UNAUTHORISED: (150.0, 300.0),
    Close.VERSION: (150.0, 300.0),
}
"""Seconds; after any other end the pause doubles."""
DOUBLING = (None, 1000, 1006, Close.REVOKED, Close.REPLACED, Close.SILENT)

chances = st.integers(0, 2**32).map(random.Random)
codes = st.sampled_from([*WINDOWS, *DOUBLING])


def test_they_are_those_of_the_protocol() -> None:
    assert (SHORTEST, LONGEST, RARELY, RESTART) == (1.0, 60.0, 300.0, 30.0)
    assert set(WINDOWS) | set(DOUBLING) >= set(Close)


@given(chances, st.lists(codes | st.just("worked"), max_size=40))
def test_each_is_within_its_window_and_only_the_doubling_ones_grow(
    chance: random.Random, ends: list[int | str | None]
) -> None:
    """Whatever came before: growth starts anew when the hub has taken the node in, and stops at a minute."""
    pauses = Pauses(chance)
    failures = 0
    for end in ends:
        if isinstance(end, str):
            pauses.worked()
            failures = 0
            continue
        if end in DOUBLING:
            longest = min(60.0, 2.0**failures)
            shortest, failures = longest / 2, failures + 1
        else:
            shortest, longest = WINDOWS[Close(end)]
        assert shortest <= pauses.after(end) <= longest


@pytest.mark.parametrize("code", [*WINDOWS, None])
def test_a_herd_is_spread_over_the_whole_window(code: Close | None) -> None:
    """Each tenth of it gets its share, so that no second brings more than a few."""
    shortest, longest = WINDOWS[code] if code else (SHORTEST / 2, SHORTEST)
    drawn = [Pauses(random.Random(node)).after(code) for node in range(HERD)]
    tenths = Counter(int(10 * (pause - shortest) / (longest - shortest)) for pause in drawn)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 2 * HERD / 10


def test_it_stays_spread_while_the_hub_is_away() -> None:
    """Nodes that lost it in one moment do not come to try together."""
    herd = [Pauses(random.Random(node)) for node in range(HERD)]
    tries = [sum(pauses.after(None) for _ in range(6)) for pauses in herd]
    a_second = Counter(int(at) for at in tries)
    assert max(a_second.values()) < HERD / 8


def test_no_two_nodes_draw_the_same() -> None:
    """Boards that were flashed from one image and started by one switch."""
    assert len({Pauses().after(Close.STOPPING) for _ in range(HERD)}) == HERD


class Resting(BoardClock):
    """Rests shortly, and knows how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    async def rest(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        self.asked.append(seconds)
        await super().rest(0.02, wake)


@pytest.mark.parametrize("code", [Close.STOPPING, Close.MALFORMED, None])
async def test_a_link_rests_as_long_as_is_drawn(folder: Path, hub: SmallHub, code: Close | None) -> None:
    """A stay with the hub between two ends makes both the first."""
    async with rigged(folder / "node") as rig:
        clock = rig.link._clock = Resting()
        rig.link._pauses = Pauses()
        rig.link.invite(hub.invitation())
        await rig.until(Phase.CONNECTED)
        for connections in (2, 3):
            if code is None:
                hub.cut()
            else:
                await hub.close(code)
            await rig.eventually(lambda: hub.connections == connections)  # noqa: B023
            await rig.until(Phase.CONNECTED)
    shortest, longest = WINDOWS[code] if code else (SHORTEST / 2, SHORTEST)
    assert len(clock.asked) == 2
    assert all(shortest <= pause <= longest for pause in clock.asked)
