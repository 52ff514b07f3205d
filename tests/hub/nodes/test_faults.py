"""A whole node and the hub itself in bad times, which are simulated: what was ever kept is counted, without tolerance.

Each frame that left the node is in the ledger once and has its outcome; each other one is still on its card.
"""

from __future__ import annotations

import asyncio
import shutil
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hub.attendance.records import Status
from hub.nodes.clocks import Clocks, Exchange
from hub.nodes.registry import Refusal
from node.entries import Outgoing
from node.link import Phase
from node.log import Log
from tests.support.counted_node import LOOK, PATIENCE, CountedNode
from tests.support.fras import School
from tests.support.node_hub import YAML, NodeHub, school_in
from tests.support.relay import Relay
from tests.support.simulated_time import BoardsClock, HubClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAMERA = '  - {{platform: pi_node, id: {id}, room: "{room}", hours: always, interval: 15 s}}\n'
ROOMS = {
    "unplugged": "101",
    "set-back": "102",
    "hub-set-back": "103",
    "hub-set-ahead": "103",
    "deaf": "104",
    "cut-off": "104",
}
ROOMS |= {"backwards": "104", "twice": "104", "copied": "104"}
LECTURE = '    - {{class: 10A, lecture: {name}, room: "{room}", days: mon-sun, start: "{start}", end: "{end}"}}\n'
DAY = timedelta(days=1)
LECTURES = {
    "Early": ("101", "08:10", "08:18"),
    "Cut off": ("101", "08:25", "08:55"),
    "Empty": ("101", "09:00", "09:15"),
    "Set back": ("102", "10:00", "10:08"),
    "Rebooted": ("102", "10:15", "10:23"),
    "Nobody": ("102", "10:25", "10:30"),
}


@pytest.fixture(scope="module")
def school_of_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """It knows ada, who should be in every lecture."""
    before, _ = YAML.split("cameras:")
    cameras = "".join(CAMERA.format(id=camera, room=room) for camera, room in ROOMS.items())
    lectures = "".join(
        LECTURE.format(name=name, room=room, start=start, end=end) for name, (room, start, end) in LECTURES.items()
    )
    yaml = f"{before}cameras:\n{cameras}attendance:\n  timetable:\n{lectures}"
    with school_in(tmp_path_factory.mktemp("nodes"), yaml) as school:
        school.enrol("ada")
        yield school


@asynccontextmanager
async def installed(hub: NodeHub, camera: str, folder: Path) -> AsyncIterator[CountedNode]:
    """A node at the end of a wire, without power."""
    clock = hub.opened.clock
    assert isinstance(clock, HubClock)
    async with Relay(await hub.service.where()).open() as relay:
        yield CountedNode(hub, camera, relay, BoardsClock(clock.time), folder)


async def marks(hub: NodeHub, room: str) -> dict[str, Status]:
    """Of ada, today, in the room, by the lecture's name."""
    register = await hub.opened.registers.of(hub.opened.today())
    names = {lecture.id: lecture.name for lecture in register.lectures if lecture.room == room}
    return {names[mark.lecture]: mark.status for mark in register.marks if mark.lecture in names}


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How far the quickest known exchange lets a clock be estimated, each time, in µs: half of it is the bound."""
    found: list[int] = []
    heard = Clocks.heard

    def noted(self: Clocks, boot: int, exchange: Exchange) -> None:
        heard(self, boot, exchange)
        found.append(min(one.quickness for one in self._exchanges[boot]))

    monkeypatch.setattr(Clocks, "heard", noted)
    return found


async def test_an_hour_without_the_hub(later_hub: NodeHub, tmp_path: Path) -> None:
    """At its end the power fails, too. Nobody is marked absent who was there, nor left unmarked in an empty room."""
    async with installed(later_hub, "unplugged", tmp_path) as node:
        node.clock.time.goes_on(timedelta(minutes=8))
        async with node.running():
            await node.pair()
            await node.watches_until(8, 11)
            node.people = ["ada"]
            await node.watches(timedelta(minutes=3))
            node.people = []
            await node.watches_until(8, 20)
            await node.delivered()
            node.relay.unplug()
            delivered = set(node.kept)
            await node.watches_until(8, 30)
            node.people = ["ada"]
            await node.watches(timedelta(minutes=15))
            node.people = []
            await node.watches_until(9, 20)
        assert await node.counted() == (set(node.kept) - delivered, delivered)
        assert (len(delivered), len(node.kept)) == (12, 12 + 60)
        assert later_hub.nodes.session(node.name) is None, "the hub has noticed"
        node.relay.plugged = True
        async with node.running():
            await node.delivered()
        assert await node.counted() == (set(), set(node.kept))
        assert await marks(later_hub, "101") == {"Early": "present", "Cut off": "present", "Empty": "absent"}


async def test_a_nodes_clock_set_back_a_day(later_hub: NodeHub, tmp_path: Path, widths: list[int]) -> None:
    """While it is connected; and again when the board starts anew without its hub."""
    async with installed(later_hub, "set-back", tmp_path) as node:
        node.clock.time.goes_on(timedelta(minutes=35))
        async with node.running():
            await node.pair()
            await node.watches_until(10, 2)
            node.people = ["ada"]
            await node.watches(timedelta(minutes=1))
            node.clock.ahead -= DAY // timedelta(microseconds=1)
            await node.watches(timedelta(minutes=1))
            node.people = []
            await node.watches_until(10, 9)
            await node.delivered()
            session = later_hub.nodes.session(node.name)
            assert session is not None
            assert session.told.skew is not None
            assert abs(session.told.skew + DAY) < timedelta(seconds=1)
            node.relay.unplug()
            node.people = ["ada"]
            await node.watches_until(10, 11)
        node.clock.starts()
        node.clock.ahead -= DAY // timedelta(microseconds=1)
        async with node.running():
            await node.watches_until(10, 18)
            node.people = []
            await node.watches_until(10, 32)
            node.relay.plugged = True
            node.clock.time.goes_on(timedelta(minutes=1))
            await node.delivered()
        assert await node.counted() == (set(), set(node.kept))
        wrong = [abs(row.at - node.kept[row.picture]) for row in await node.rows()]
        assert max(wrong) <= max(widths) / 2 + 1
        assert max(widths) < LOOK / timedelta(microseconds=1)
        assert await marks(later_hub, "102") == {"Set back": "present", "Rebooted": "present", "Nobody": "absent"}


@pytest.mark.parametrize(("camera", "by"), [("hub-set-back", -DAY), ("hub-set-ahead", DAY)])
async def test_the_hubs_own_clock_is_set(
    later_hub: NodeHub,
    tmp_path: Path,
    widths: list[int],
    monkeypatch: pytest.MonkeyPatch,
    camera: str,
    by: timedelta,
) -> None:
    """What is under way then has the time that the hub goes by now, and none of it comes from the future.

    Nor does the hub wait for its next question to find out.
    """
    monkeypatch.setattr("hub.nodes.session.PING_EVERY", 600.0)
    clock = later_hub.opened.clock
    assert isinstance(clock, HubClock)
    async with installed(later_hub, camera, tmp_path) as node:
        node.people = ["ada"]
        try:
            async with node.running():
                await node.pair()
                await node.watches(timedelta(minutes=2))  # its first questions are asked
                await node.delivered()
                before = len(node.kept)
                clock.ahead += by
                await node.watches(timedelta(seconds=45))
                await node.delivered()
            assert await node.counted() == (set(), set(node.kept))
            moved = [row.at - node.kept[row.picture] for row in await node.rows()]
            set_by = by // timedelta(microseconds=1)
            assert max(map(abs, moved[:before])) <= max(widths) / 2 + 1
            assert max(abs(one - set_by) for one in moved[before:]) <= max(widths) / 2 + 1
        finally:
            clock.ahead -= by
            await later_hub.registry.remove(node.name)


async def test_a_connection_that_is_half_open(
    later_hub: NodeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing gets through any more and nobody is told: the node hears nothing, the hub asks when it comes anew."""
    monkeypatch.setattr("hub.nodes.session.PING_EVERY", 0.1)
    monkeypatch.setattr("hub.nodes.session.ALIVE_WITHIN", 0.3)
    monkeypatch.setattr("node.session.FAREWELL", 0.1)
    async with installed(later_hub, "cut-off", tmp_path) as node:
        node.people, node.impatient, node.silence = ["ada"], True, 0.5
        async with node.running():
            await node.pair()
            await node.watches(timedelta(minutes=1))
            await node.delivered()
            connections = node.relay.connections
            node.relay.lose()
            await node.watches(timedelta(minutes=1))
            await node.delivered()
            assert node.relay.connections > connections
        assert await node.counted() == (set(), set(node.kept))


async def test_answers_that_are_lost(later_hub: NodeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub has what the node cannot know that it has, and gets it again."""
    monkeypatch.setattr("hub.nodes.session.ALIVE_WITHIN", 0.3)
    async with installed(later_hub, "deaf", tmp_path) as node:
        node.people, node.impatient = ["ada"], True
        async with node.running():
            await node.pair()
            await node.watches(timedelta(minutes=1))
            await node.delivered()
            delivered = len(node.kept)
            node.relay.lose(to_hub=False)
            await node.watches(timedelta(seconds=45))
            async with asyncio.timeout(PATIENCE):
                while len(await node.rows()) < delivered + 3:
                    await asyncio.sleep(0.005)
        waiting, known = await node.counted()
        assert len(waiting & known) == 3
        async with node.running():
            await node.delivered()
        assert await node.counted() == (set(), set(node.kept))


def backwards(log: Log) -> None:
    """Entries leave two at a time, the newer one first."""
    _by_two(log, lambda first, second: [first, second])


def twice(log: Log) -> None:
    """Every other entry leaves twice."""
    _by_two(log, lambda first, second: [second, first, first])


def _by_two(log: Log, order: Callable[[Outgoing, Outgoing], list[Outgoing]]) -> None:
    take, rewind, held = log.take, log.rewind, list[Outgoing]()

    async def taken(largest: int) -> Outgoing:
        if not held:
            held.extend(order(await take(largest), await take(largest)))
        return held.pop()

    async def rewound() -> None:
        held.clear()
        await rewind()

    log.take, log.rewind = taken, rewound  # type: ignore[method-assign]


@pytest.mark.parametrize("spoil", [backwards, twice])
async def test_a_node_that_sends_what_it_should_not(
    later_hub: NodeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Log], None]
) -> None:
    """It is refused each time, which is counted; once it is mended nothing is lost or twice for it."""
    async with installed(later_hub, spoil.__name__, tmp_path) as node:
        node.people, node.impatient, node.spoil = ["ada"], True, spoil
        async with node.running():
            await node.pair()
            before = node.relay.connections
            await node.watches(timedelta(minutes=2))
            async with asyncio.timeout(PATIENCE):
                while node.relay.connections < before + 3:
                    await asyncio.sleep(0.01)
        await node.counted()
        await later_hub.nodes.note()
        refused = (await later_hub.registry.one(node.name)).refusals
        assert set(refused) == {Refusal.MALFORMED}
        assert refused[Refusal.MALFORMED] >= 2
        assert caplog.text.count("entries are not in the order of their numbers") == refused[Refusal.MALFORMED]
        assert node.agent.state.paired is not None
        secret = node.agent.state.paired.credential
        assert not [
            written
            for written in (secret.hex(), urlsafe_b64encode(secret).decode().rstrip("="))
            if written in caplog.text
        ]
        node.spoil, node.people = lambda log: None, []
        async with node.running():
            await node.delivered()
        assert await node.counted() == (set(), set(node.kept))


async def test_a_card_that_was_copied_and_counted_on_by_itself(
    later_hub: NodeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the hub has under the same numbers is not taken for what the copy has: all of it is delivered."""
    card, copy = tmp_path / "card", tmp_path / "copy"
    card.mkdir()
    async with installed(later_hub, "copied", card) as node:
        node.people = ["ada"]
        async with node.running():
            await node.pair()
            await node.watches(timedelta(minutes=1))
            await node.delivered()
        shutil.copytree(card, copy)
        async with node.running():
            await node.until(Phase.CONNECTED)
            await node.watches(timedelta(minutes=2))
            await node.delivered()
        node.folder, node.relay.plugged = copy, False
        node.clock.starts()
        async with node.running():
            await node.watches(timedelta(minutes=4))
            node.relay.plugged = True
            node.hurry()
            await node.delivered()
        assert await node.counted() == (set(), set(node.kept))
        await later_hub.nodes.note()
        assert (await later_hub.registry.one(node.name)).refusals[Refusal.NUMBER_TWICE] == 1
    assert "was refused: number given to two pictures (it gets a new epoch)" in caplog.text
