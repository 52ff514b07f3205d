"""The whole node: camera, log, link and lights as one set of tasks that starts and ends together."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from node import __version__, board, files, systemd, wifi
from node.clock import BoardClock, Clock, HubTime
from node.codes import make_reader
from node.gate import make_gate
from node.leds import make_leds
from node.link import Link, Phase
from node.log import Log, open_log
from node.orders import Orders, OrdersFile, orders_of
from node.parts import Leds, Sign
from node.settings import Settings
from node.state import State
from node.watching import Watching
from node.wire import Health, Invitation, Moment, Update, WireError

logger = logging.getLogger("fras.node")

INVITATION: Final = "invitation"
IDENTITY: Final = "identity.json"
STATUS: Final = "status.json"
TIDY: Final = 60.0
"""Seconds between two writes of what may wait."""
PUBLISH: Final = 15.0
NOTICE: Final = 1.0
CODE_READ: Final = 3.0
"""Seconds for which the light says that a code was read."""
SHARE: Final = 0.8
"""Of the room on the card, at most for the spool."""
SIGNS: Final = {
    Phase.UNPAIRED: Sign.WANTS_CODE,
    Phase.REFUSED: Sign.WANTS_CODE,
    Phase.NO_NETWORK: Sign.NO_NETWORK,
    Phase.NO_HUB: Sign.NO_HUB,
    Phase.UNCONFIRMED: Sign.UNCONFIRMED,
    Phase.CONNECTED: Sign.PAIRED,
}


class Agent:
    """`runtime` is a folder for what is worth nothing after a restart."""

    software = f"fras-node {__version__}"

    def __init__(self, settings: Settings, log: Log, state: State, runtime: Path, clock: Clock | None = None) -> None:
        self.board = board.model()
        self.state = state
        self._settings = settings
        self._log = log
        self._runtime = runtime
        self._clock = clock or BoardClock()
        self._hub_time = HubTime(self._clock)
        self._orders = OrdersFile(settings.data / "orders.json")
        self._leds: Leds = make_leds()
        self._blinks: asyncio.TimerHandle | None = None
        self._update: Update | None = None
        self._heard: Moment | None = None
        self._news = asyncio.Event()
        self.watching = Watching(
            log,
            self._clock,
            lambda orders: settings.camera.open_camera(settings.options, orders, self._clock),
            make_gate,
            make_reader(),
            lambda: self.link.wants_code,
            self._read,
            lambda: self._hub_time.now(self._orders.since),
        )
        self.link = Link(state, log, self, self._clock, self._hub_time, self._changed)

    async def run(self) -> None:
        """Until cancelled."""
        if self.state.paired is not None and self.state.paired.confirmed:
            await self._give(self._orders.orders)
        self._changed()
        systemd.notify(systemd.READY)
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (
                    self.link.run,
                    self.watching.run,
                    self._tidy,
                    self._publish,
                    self._notice,
                    self._say_alive,
                ):
                    tasks.create_task(part())
        finally:
            systemd.notify(systemd.STOPPING)
            if self._blinks is not None:
                self._blinks.cancel()
            self._leds.show(Sign.OFF)

    # ---- what the hub wants

    async def snapshot(self) -> tuple[Moment, bytes]:
        return await self.watching.snapshot()

    async def obey(self, version: str, config: Mapping[str, Any]) -> None:
        orders = orders_of(config)
        await self._give(orders)
        self._orders.keep(version, config, self._hub_time.now() or 0)

    async def health(self) -> Health:
        report = await self._log.report()
        problems = [self.watching.problem, self.watching.blind, report.problem, self.link.problem]
        return Health(
            uptime=board.uptime(),
            temperature=board.temperature(),
            disk_free=board.disk_free(self._settings.data),
            memory=board.memory(),
            signal_dbm=board.signal_dbm(),
            spool_entries=report.entries,
            spool_bytes=report.bytes,
            captured=self.watching.captured,
            kept=self.watching.kept,
            dropped=report.dropped,
            throttled=board.throttled(),
            problems=tuple(problem for problem in problems if problem),
            incidents=report.incidents or None,
        )

    def identify(self, seconds: float) -> None:
        if self._blinks is not None:
            self._blinks.cancel()
        self._leds.show(Sign.HERE)
        self._blinks = asyncio.get_running_loop().call_later(min(max(seconds, 1.0), 600.0), self._show)

    def offered(self, update: Update) -> None:
        logger.warning("The hub is newer than this node (%s): %s", update.version, update.note)
        self._update = update
        self._news.set()

    def heard(self) -> None:
        self._heard = self._clock.now()

    # ---- inside

    async def _give(self, orders: Orders | None) -> None:
        self.watching.orders = orders
        self.watching.look_again()
        if orders is not None:
            free = board.disk_free(self._settings.data)
            report = await self._log.report()
            room = orders.spool if free is None else int(SHARE * (free + report.bytes))
            await self._log.limit(min(orders.spool, room))
            self._show()

    def _changed(self) -> None:
        """The link is in another phase."""
        phase, paired = self.link.phase, self.state.paired
        if paired is None or not paired.confirmed:
            self.watching.orders = None
            if self._orders.since:
                self._orders.forget()
        if phase not in (Phase.CONNECTED, Phase.UNCONFIRMED):
            self._update = None  # the hub will say it again
        self.watching.look_again()
        self._news.set()
        if self._blinks is None:
            self._show()
        systemd.notify(f"STATUS={phase.value}. {self.link.problem}")

    def _show(self) -> None:
        orders = self.watching.orders
        self._blinks = None
        self._leds.show(SIGNS[self.link.phase] if orders is None or orders.leds else Sign.OFF)

    def _read(self, text: str) -> None:
        """A QR code that was seen."""
        try:
            invitation = Invitation.of(text)
        except WireError:
            return
        self._invite(invitation, self.link.shown)

    def _invite(self, invitation: Invitation, follow: Callable[[Invitation], bool]) -> None:
        try:
            if not follow(invitation):
                return
            logger.info("An invitation of the hub at %s, port %d", invitation.host, invitation.port)
            self.identify(CODE_READ)
            if invitation.network is None:
                return
            if self._at_home():
                logger.info("The Wi-Fi of this invitation is left aside: this node has a hub, and a network.")
                return
            wifi.leave(self._settings.data, invitation.network)
            self.state.stray()
        except OSError as error:
            logger.warning("The invitation cannot be kept: %s", error.strerror)

    def _at_home(self) -> bool:
        """Whether its own hub may come back in the network where it is: no code takes it away from there."""
        own = self.state.paired
        return self.state.torn and own is not None and own.confirmed and not self.state.strayed and board.has_network()

    async def _notice(self) -> None:
        """Takes what `fras-node pair` leaves."""
        file = self._settings.data / INVITATION
        while True:
            if file.exists():
                try:
                    self._invite(Invitation.of(file.read_text("utf-8")), self.link.invite)
                except (OSError, UnicodeDecodeError, WireError):
                    logger.warning("What fras-node pair left is no invitation.")
                file.unlink(missing_ok=True)
            await asyncio.sleep(NOTICE)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY)
            await self._log.commit()
            board.give_back_memory()

    async def _publish(self) -> None:
        while True:
            self._news.clear()
            await self._write_status()
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBLISH):
                    await self._news.wait()

    async def _say_alive(self) -> None:
        every = systemd.watchdog() / 3
        while every:
            systemd.notify(systemd.ALIVE)
            await asyncio.sleep(every)

    async def _write_status(self) -> None:
        """For `fras-node status`."""
        health = await self.health()
        told = {
            "written": self._clock.now().wall,
            "heard": None if self._heard is None else self._heard.wall,
            "phase": self.link.phase.value,
            "wants_code": self.link.wants_code,
            "problems": list(health.problems),
            "spool": {"entries": health.spool_entries, "bytes": health.spool_bytes, "dropped": dict(health.dropped)},
            "incidents": dict(health.incidents or {}),
            "captured": health.captured,
            "kept": health.kept,
            "update": None if self._update is None else {"version": self._update.version, "note": self._update.note},
        }
        try:
            files.replace(self._runtime / STATUS, json.dumps(told).encode())
        except OSError as error:
            logger.debug("status: %s", error.strerror)


async def run_node(settings: Settings, runtime: Path) -> None:
    """Until cancelled. Raises OSError when the data folder cannot be used, StateError for a damaged identity."""
    state = State(settings.data / IDENTITY)
    async with open_log(settings.data / "spool", Orders().spool) as log:
        await Agent(settings, log, state, runtime).run()
