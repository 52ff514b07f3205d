"""The nodes that are connected: who is let in, what they deliver, and what is known of them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.db import listing
from hub.db.engine import Database
from hub.db.nodes import Node, NodeState
from hub.failure import Failure
from hub.plugin import CameraEvent, Clock, Frame
from hub.settings import Settings
from node.wire import VERSION, Accepted, Close, Hello, Pair

from .configuration import configuration
from .entrances import Closed, Entrances
from .limits import Failures
from .link import End, Gone, Link
from .log import Conflict
from .registry import Refusal, Refused, Registry, Seen
from .session import Session

logger = logging.getLogger("fras.nodes")

HELLO_WITHIN: Final = 10.0
ORDERS_WITHIN: Final = 5.0
"""Seconds for which a node's welcome waits for its camera to open."""
MOST_CREDITS, FEWEST_CREDITS, ALL_CREDITS = 8, 2, 256
"""Entries that a node may have under way, and all of them together: each may be a picture in memory."""
FAILURES: Final = (10, 60.0)
"""Refusals of one address, and the seconds in which so many are too many."""
HONEST: Final = frozenset({Refusal.DUPLICATE, Refusal.REVOKED, Refusal.VERSION})
"""What befalls those who guess nothing."""
SLOWED: Final = "entries slowed down"
"""As refusals are named: more of them, or of bytes, than a node may have settled in that time."""
RENUMBER_WITHIN: Final = 60.0
"""Seconds in which a node writes down new numbers for all that it keeps."""
SNAPSHOT_WITHIN: Final = 12.0
SNAPSHOT_KEPT: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Snapshot:
    jpeg: bytes
    at: datetime


class Nodes:
    """`refused` counts since the start, `snapshots` are the last of each node, in memory only.

    `pin` and `backup` are of the key that nodes are shown, and of the next.
    """

    def __init__(
        self,
        registry: Registry,
        database: Database,
        entrances: Entrances,
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self.registry = registry
        self.clock = clock
        self.refused: Counter[Refusal] = Counter()
        self.snapshots: dict[str, Snapshot] = {}
        self.failures = Failures(*FAILURES)
        self.pin = b""
        self.backup: bytes | None = None
        self._database = database
        self._entrances = entrances
        self._settings = settings
        self._live: dict[str, Session] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._refusals: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._ended: list[Session] = []
        self._before: dict[str, Session] = {}
        self._arrival = asyncio.Event()

    def session(self, node: str) -> Session | None:
        """Its connection, where it is connected."""
        return self._live.get(node)

    def connected(self) -> Mapping[str, Session]:
        return self._live

    def unnoted(self, node: str) -> Mapping[str, int]:
        """Its refusals that are not in the database yet."""
        return +self._refusals.get(node, Counter())

    # ---- what the administrator asks of a node

    async def identify(self, node: str, seconds: float) -> None:
        """Raises Failure where it is not connected; the same for the next two."""
        await self._told(node, lambda session: session.identify(seconds))

    async def rotate(self, node: str) -> None:
        await self._told(node, lambda session: session.rotate())

    async def take_snapshot(self, node: str) -> Snapshot:
        """A picture of now; waits for it."""
        before = self.snapshots.pop(node, None)
        self._arrival.clear()
        await self._told(node, lambda session: session.take_snapshot())
        try:
            async with asyncio.timeout(SNAPSHOT_WITHIN):
                while (found := self.snapshots.get(node)) is None:
                    await self._arrival.wait()
                    self._arrival.clear()
                return found
        except TimeoutError:
            raise Failure(
                f"node {node} has sent no picture within {SNAPSHOT_WITHIN:g} s", hint="look at its camera's cable"
            ) from None
        finally:
            if before is not None:
                self.snapshots.setdefault(node, before)

    async def _told(self, node: str, tell: Callable[[Session], Awaitable[None]]) -> None:
        session = self._live.get(node)
        try:
            if session is not None:
                return await tell(session)
        except Gone:
            pass
        known = await self.registry.one(node)
        raise Failure(f"node {known.id} is not connected", hint="look at its light, its power and its network")

    # ---- connections

    async def serve(self, link: Link, admitted: Callable[[], Awaitable[None]]) -> None:
        """One connection, from its first message to its end; calls `admitted` once it is known who it is."""
        end, node, known = End(None), "", False
        try:
            session = await self._admit(link)
            node, known = session.node.id, True
            await admitted()
            end = await self._run(session)
        except End as why:
            end = why
        except Refused as refused:
            end, node = End(refused.refusal), refused.node
        except Failure as failure:  # the database, for a while
            logger.warning("a node could not be served: %s", failure)
            end = End(None, Close.STOPPING)
        except Gone:
            end = End(None)
        except Exception as fault:
            logger.error("a fault of FRAS itself with a node: %s; please report it", type(fault).__name__)
            end = End(None, Close.STOPPING)
        finally:
            if end.refusal is not None:
                self._count(end, link.address, node)
                if not known and end.refusal not in HONEST:
                    self.failures.note(link.address, self.clock.monotonic())
            await link.close(end.close)

    async def leave(self) -> None:
        """Ends every connection, and returns when all have ended; nodes come again after a while."""
        sessions = list(self._live.values())
        for session in sessions:
            session.end(End(None, Close.STOPPING))
        await asyncio.gather(*(session.closed.wait() for session in sessions))

    async def _admit(self, link: Link) -> Session:
        """Who it is, from the first message. Raises Refused, End, Gone, Failure."""
        first = await self._greeting(link, HELLO_WITHIN)
        if isinstance(first, Pair):
            node = await self.registry.pair(first)
            await self._make_way(node)
            await link.send(Accepted(node.id, node.epoch, await self.registry.proof(first, self.pin)))
            logger.info("node %s came as camera %s; confirm it: fras nodes confirm %s", node.id, node.camera, node.id)
            return await self._open(node, link)
        while True:
            node = await self.registry.authenticate(first)
            await self._make_way(node)
            node = await self.registry.number(node, first)
            if node.epoch == first.epoch:
                return await self._open(node, link)
            logger.warning("node %s numbers its entries anew, in epoch %d", node.id, node.epoch)
            await link.send(Accepted(node.id, node.epoch))
            again = await self._greeting(link, RENUMBER_WITHIN)
            if isinstance(again, Pair):
                raise End(Refusal.MALFORMED, detail="it paired after hello")
            first = again

    async def _greeting(self, link: Link, within: float) -> Pair | Hello:
        try:
            async with asyncio.timeout(within):
                first = await link.receive()
        except TimeoutError:
            raise End(Refusal.SILENT, detail="no hello in time") from None
        if not isinstance(first, Pair | Hello):
            raise End(Refusal.MALFORMED, detail="it began with something else than hello")
        if first.protocol != VERSION:
            raise End(Refusal.VERSION)
        return first

    async def _make_way(self, node: Node) -> None:
        """Ends an older connection of the node that is dead. Raises Refused where it lives."""
        async with self._turns[node.id]:
            older = self._live.get(node.id)
            if older is None:
                return
            if await older.alive():
                raise Refused(Refusal.DUPLICATE, node.id)
            older.end(End(None, Close.REPLACED))
            await older.closed.wait()
            self._leave(older)

    async def _open(self, node: Node, link: Link) -> Session:
        if node.id in self._live:
            raise Refused(Refusal.DUPLICATE, node.id)
        confirmed = sum(session.welcomed for session in self._live.values()) + 1
        credits_ = max(FEWEST_CREDITS, min(MOST_CREDITS, ALL_CREDITS // confirmed))
        session = self._live[node.id] = Session(node, link, self, credits_, self._before.get(node.id))
        self._before[node.id] = session
        return session

    async def _run(self, session: Session) -> End:
        logger.info("node %s is connected, camera %s", session.node.id, session.node.camera)
        try:
            end = await session.run()
        finally:
            self._leave(session)
        reason = end.close.name.lower() if end.close else "the connection broke"
        logger.info("node %s is gone: %s", session.node.id, reason)
        return end

    def _leave(self, session: Session) -> None:
        if self._live.get(session.node.id) is session:
            del self._live[session.node.id]
            self._ended.append(session)

    def _count(self, end: End, address: str, node: str) -> None:
        """Counts and logs what was refused, without anything the other side sent."""
        assert end.refusal is not None
        self.refused[end.refusal] += 1
        if node:
            self._refusals[node][str(end.refusal)] += 1
        who = f"node {node}" if node else "somebody"
        detail = f" ({end})" if str(end) != end.refusal else ""
        logger.warning("%s at %s was refused: %s%s", who, address, end.refusal, detail)

    # ---- what sessions need

    async def deliver(self, camera: str, event: CameraEvent) -> None:
        while True:
            entrance = await self._entrances.reading(camera)
            try:
                return await entrance.send(event)
            except Closed:
                continue

    async def orders(self, camera: str) -> tuple[str, Mapping[str, Any]]:
        orders: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(ORDERS_WITHIN):
                orders = (await self._entrances.reading(camera)).orders or {}
        except TimeoutError:
            logger.warning("camera %s does not open: its node gets the orders of every camera", camera)
        settings = self._settings()
        zone = settings.school.time_zone
        today = self.clock.now().astimezone(zone).date()
        return configuration(orders, settings.rooms.get(camera, ""), settings.timetable, zone, today)

    async def known(self, camera: str, frame: Frame) -> bool:
        async with self._database.read() as connection:
            row = await listing.numbered(connection, camera, frame.epoch, frame.seq)
        if row is None:
            return False
        if not listing.is_of(row, frame.image):
            raise Conflict
        return True

    def refused_entry(self, node: str, reason: str) -> None:
        self._refusals[node][f"entry sent back: {reason}"] += 1

    def slowed(self, node: str, entries: int) -> None:
        self._refusals[node][SLOWED] += entries

    async def offer(self, node: Node, credential: bytes) -> Node:
        return await self.registry.offer(node, credential)

    async def renumber(self, node: Node) -> None:
        await self.registry.renumber(node)

    def snapshot(self, node: str, jpeg: bytes) -> None:
        self.snapshots[node] = Snapshot(jpeg, self.clock.now())
        self._arrival.set()

    # ---- what time and the administrator bring

    def follow(self, everyone: Iterable[Node]) -> None:
        """The administrator has changed something."""
        for node in everyone:
            if (session := self._live.get(node.id)) is not None:
                session.become(node)
            if node.state is NodeState.REVOKED:
                self.snapshots.pop(node.id, None)

    def look_again(self) -> None:
        """The timetable, hub.yaml or the date has changed, or time has passed."""
        for session in self._live.values():
            session.look_again()
        oldest = self.clock.now() - SNAPSHOT_KEPT
        self.snapshots = {node: found for node, found in self.snapshots.items() if found.at > oldest}

    async def note(self) -> None:
        """Writes down what connections have seen since the last time. Raises Failure; then it is tried again."""
        sessions = {session.node.id: session for session in (*self._ended, *self._live.values())}
        refusals = {node: dict(counts) for node, counts in self._refusals.items()}
        if not sessions and not refusals:
            return
        seen = [_seen(session) for session in sessions.values()]
        ended = len(self._ended)
        await self.registry.note(seen, refusals)
        del self._ended[:ended]
        for node, counts in refusals.items():
            self._refusals[node].subtract(counts)
            if not +self._refusals[node]:
                del self._refusals[node]


def _seen(session: Session) -> Seen:
    health = session.told.health
    return Seen(
        node=session.node.id,
        epoch=session.node.epoch,
        acknowledged=session.numbers.acknowledged,
        highest=session.numbers.highest,
        at=session.heard_at,
        health=None if health is None else asdict(health),
        boots={str(boot): began for boot, began in session.clocks.began.items()},
    )
