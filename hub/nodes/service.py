"""What runs for nodes while the hub does: the listener, whenever somebody may come, and what follows the database."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from config import Invalid
from hub.db.nodes import Node, NodeState
from hub.failure import Failure
from hub.plugin import Clock, PluginError
from hub.settings import NodeAccess, Settings

from .cameras import confirmable
from .identity import Identity, open_identity
from .nodes import Nodes

logger = logging.getLogger("fras.nodes")

LOOK: Final = 0.5
"""Seconds between two looks at whether the administrator has changed something."""
NOTE: Final = 15.0
"""Seconds between two times that what connections have seen is written down."""
LOOK_AGAIN: Final = 60.0
RETRY: Final = 15.0
"""Seconds until a listener that could not be opened is tried again."""

FAREWELL: Final = timedelta(days=7)
"""For how long a removed node is still told that it was, so that it looks for another invitation."""
OPENS_WITHIN: Final = 5.0
IDENTIFY: Final = 10.0
"""Seconds for which a node blinks."""

Changed = Callable[[list[Node]], Awaitable[None]]


class Service:
    """`configured` is hub.yaml as it is now, without the cameras of nodes.

    `port` is where it listens now, None while it does not; `problem` says why it cannot, if that is so.
    """

    def __init__(self, nodes: Nodes, data: Path, configured: Callable[[], Settings], clock: Clock) -> None:
        self.nodes = nodes
        self.data = data
        self.configured = configured
        self.port: int | None = None
        self.problem = ""
        self._clock = clock
        self._version: str | None = None
        self._nodes_there = False
        self._open: tuple[NodeAccess, bytes] | None = None
        self._stack = AsyncExitStack()
        self._try_at = 0.0

    @asynccontextmanager
    async def serving(self, changed: Changed) -> AsyncIterator[None]:
        """Runs; leaving tells nodes to come again, and writes down what was seen of them."""
        task = asyncio.create_task(self.run(changed), name="nodes")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self, changed: Changed) -> None:
        """Until cancelled; `changed` is told of all nodes whenever the administrator has changed any."""
        noted = looked = self._clock.monotonic()
        level = logging.WARNING
        try:
            while True:
                now = self._clock.monotonic()
                try:
                    # In this order: who pairs meanwhile is found as the one or as the other.
                    invited = bool(await self.nodes.registry.invitations())
                    await self._follow(changed)
                    await self._listen(now, self._wanted(invited))
                    if now - noted >= NOTE:
                        noted = now
                        await self.nodes.note()
                    level = logging.WARNING
                except Exception as error:  # what follows the database must not end with it
                    logger.log(level, "nodes: %s; it is tried again", told(error))
                    level = logging.DEBUG
                if now - looked >= LOOK_AGAIN:
                    looked = now
                    self.nodes.look_again()
                await self._clock.sleep(LOOK)
        finally:
            await self._stack.aclose()
            with suppress(Failure):
                await self.nodes.note()

    async def where(self) -> int:
        """The port that nodes come in at, once it is open. Raises Failure where it does not open."""
        for _ in range(round(OPENS_WITHIN / LOOK)):
            if self.port is not None:
                return self.port
            await asyncio.sleep(LOOK)
        raise Failure(self.problem or "the hub does not listen for nodes", hint="set nodes: in hub.yaml")

    async def confirm(self, node: str) -> Node:
        """Lets a node deliver whose picture can be looked at now. Raises Failure."""
        found = await self.nodes.registry.one(node)
        confirmable(self.configured(), found)
        if found.state is NodeState.WAITING and node not in self.nodes.snapshots:
            connected = self.nodes.session(node) is not None
            raise Failure(
                f"node {node} has no picture to be confirmed by" + ("" if connected else ", and is not connected"),
                hint=f"ask for one (fras nodes snapshot {node} FILE), compare it with the door, then confirm"
                if connected
                else "look at its light, its power and its network; when it comes again it sends one",
            )
        return await self.nodes.registry.confirm(node)

    async def answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a command beside the running hub asks: {"ask": "identify", "node": ID, ...}. Raises Failure."""
        node = str(question.get("node", ""))
        match question.get("ask"):
            case "listening":
                return {"port": self.port, "problem": self.problem, "connected": sorted(self.nodes.connected())}
            case "identify":
                await self.nodes.identify(node, float(question.get("seconds", IDENTIFY)))
                return {}
            case "confirm":
                return {"camera": (await self.confirm(node)).camera}
            case "rotate":
                await self.nodes.rotate(node)
                return {}
            case "snapshot":
                found = await self.nodes.take_snapshot(node)
                return {"jpeg": b64encode(found.jpeg).decode("ascii"), "at": found.at.isoformat()}
            case _:
                raise Failure("the running hub does not know this question", hint="it may be older than this command")

    async def _follow(self, changed: Changed) -> None:
        version = await self.nodes.registry.version()
        if version == self._version:
            return
        everyone = await self.nodes.registry.everyone()
        removed_lately = self._clock.now() - FAREWELL
        self._nodes_there = any(node.revoked_at is None or node.revoked_at > removed_lately for node in everyone)
        await changed(everyone)
        self.nodes.follow(everyone)
        self._version = version

    def _wanted(self, invited: bool) -> bool:
        """Whether anybody may come."""
        listen = self.configured().nodes.listen
        return listen == "always" or (listen == "auto" and (invited or self._nodes_there))

    async def _listen(self, now: float, wanted: bool) -> None:
        """Opens, closes or exchanges the listener, as hub.yaml, the nodes and the keys there are ask for."""
        if not wanted:
            await self._close()
            return
        identity = await asyncio.to_thread(open_identity, self.data)
        asked = self.configured().nodes, identity.pin
        if asked == self._open or (now < self._try_at and not self._open):
            return
        await self._close()
        try:
            await self._start(identity, asked[0])
            self._open, self.problem = asked, ""
        except Failure as failure:
            self._try_at = now + RETRY
            if self.problem != str(failure):
                logger.error("%s", failure)
            self.problem = str(failure)

    async def _start(self, identity: Identity, access: NodeAccess) -> None:
        from .announcing import announced
        from .listener import listening

        self.nodes.pin, self.nodes.backup = identity.pin, identity.backup
        self.port = await self._stack.enter_async_context(
            listening(self.nodes, identity.tls(), access.host, access.port)
        )
        logger.info("listening for nodes at port %d", self.port)
        if access.announce:
            await self._stack.enter_async_context(announced(identity, access.host, self.port))

    async def _close(self) -> None:
        if self._open is not None:
            self._open, self.port = None, None
            await self._stack.aclose()
            logger.info("no longer listening for nodes")


def told(error: Exception) -> str:
    """What went wrong; of a fault of FRAS only its kind, for its text may quote anything."""
    known = isinstance(error, Failure | Invalid | PluginError)
    return str(error) if known else f"a fault of FRAS itself: {type(error).__name__}; please report it"
