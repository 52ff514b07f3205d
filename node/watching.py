"""The loop of the camera: look, judge, keep; say that it watched; read codes; take snapshots."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from node.camera import Camera, CameraError, Look
from node.clock import Clock
from node.log import Log
from node.orders import Orders
from node.parts import CodeReader, Gate, Verdict
from node.wire import Moment

logger = logging.getLogger("fras.node")

CODES: Final = 1_000_000
"""Microseconds between two looks for a code, however often or rarely pictures are wanted."""
LONGEST_REST: Final = 30_000_000
"""Microseconds until it is noticed that a code is wanted by now."""
SLOWEST: Final = 30.0
"""Seconds that a camera has for one look; a driver that hangs is closed and opened again."""
RETRY: Final = 60.0
DARK: Final = (
    "It is too dark to recognise anybody: no pictures are kept, and the time does not count as watched (night: pause)."
)
COVERED: Final = "The camera sees an even grey and nothing else: is its lens covered?"


class Watching:
    """`orders` None: the node may not keep anything. `wants_code` says whether codes are to be read now, for `found`.

    `problem`: a sentence on what keeps the camera from working;
    `blind`: one on why it sees nobody though it works."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        open_camera: Callable[[Orders], AbstractAsyncContextManager[Camera]],
        make_gate: Callable[[Orders], Gate],
        reader: CodeReader | None,
        wants_code: Callable[[], bool],
        found: Callable[[str], None],
        hub_now: Callable[[], int | None],
    ) -> None:
        self.orders: Orders | None = None
        self.problem = self.blind = ""
        self.captured = self.kept = 0
        self._log = log
        self._clock = clock
        self._open = open_camera
        self._make_gate = make_gate
        self._reader = reader
        self._wants_code = wants_code
        self._found = found
        self._hub_now = hub_now
        self._wake = asyncio.Event()
        self._asked: list[asyncio.Future[tuple[Moment, bytes]]] = []
        self._marked: Moment | None = None

    def look_again(self) -> None:
        """Something has changed that the loop goes by."""
        self._wake.set()

    async def snapshot(self) -> tuple[Moment, bytes]:
        """Raises CameraError."""
        asked: asyncio.Future[tuple[Moment, bytes]] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._wake.set()
        try:
            async with asyncio.timeout(SLOWEST):
                return await asked
        except TimeoutError:
            raise CameraError(self.problem or "the camera took no picture") from None
        finally:
            if asked in self._asked:
                self._asked.remove(asked)

    async def run(self) -> None:
        """Until cancelled. The camera is open only while it is needed."""
        pause = 1.0
        while True:
            if not self._needed():
                self.blind = ""
                await self._rest(1.0)
                continue
            orders = self.orders
            try:
                async with self._open(orders or Orders()) as camera:
                    gate = self._make_gate(orders or Orders())
                    picture_at = code_at = self._clock.now().mono
                    while self._needed() and self.orders is orders:
                        now = self._clock.now().mono
                        picture = self._at_work() and now >= picture_at
                        code = self._reads_codes() and now >= code_at
                        if picture or code or self._asked:
                            await self._look(camera, gate, picture, code)
                            self.problem, pause = "", 1.0
                        if picture:
                            picture_at = now + round((orders or Orders()).interval * 1e6)
                        if code:
                            code_at = now + CODES
                        await self._rest(self._spare(picture_at, code_at))
            except CameraError as error:
                self._fail(str(error))
            except TimeoutError:
                self._fail(f"The camera did not answer for {SLOWEST:.0f} s; it is opened again.")
            else:
                continue
            await self._rest(pause)
            pause = min(2 * pause, RETRY)

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            logger.warning("%s", problem)
        self.problem = problem

    def _at_work(self) -> bool:
        return self.orders is not None and self.orders.at_work(self._hub_now())

    def _needed(self) -> bool:
        return self._at_work() or bool(self._asked) or self._reads_codes()

    def _reads_codes(self) -> bool:
        return self._reader is not None and self._wants_code()

    def _spare(self, picture_at: int, code_at: int) -> float:
        """Seconds until one of these moments, as far as it is waited for; a code may be wanted before."""
        due = [picture_at] if self._at_work() else []
        due += [code_at] if self._reads_codes() else []
        now = self._clock.now().mono
        return max(0, min(*due, now + LONGEST_REST) - now) / 1e6 if due else 1.0

    async def _rest(self, seconds: float) -> None:
        if not self._asked:
            await self._clock.rest(seconds, self._wake)
        self._wake.clear()

    async def _look(self, camera: Camera, gate: Gate, picture: bool, code: bool) -> None:
        """For whoever asked for a snapshot, for the gate (`picture`), for a `code`."""
        jpeg = None
        verdict = Verdict(keep=False, sees=False)
        async with asyncio.timeout(SLOWEST), camera.look() as look:
            self.captured += 1
            if self._asked:
                await self._answer(look)
            if code and self._reader is not None:
                for text in await asyncio.to_thread(self._reader.read, look.luma):
                    self._found(text)
            elif self._reader is not None:
                self._reader.close()
            if picture and self.orders is not None:
                verdict = gate.judge(look.luma, look.at)
                self.blind = DARK if verdict.dark else COVERED if verdict.lens == 0 else ""
                jpeg = await look.jpeg(self.orders.quality) if verdict.keep else None
            at = look.at
        if jpeg is not None:
            await self._log.frame(at, jpeg, verdict.moved)
            self.kept += 1
        if (verdict.sees or verdict.dark) and self._due(at):  # in the dark with a lens of 0: it covers nothing
            self._marked = at
            await self._log.watched(at, verdict.lens)

    async def _answer(self, look: Look) -> None:
        jpeg = await look.jpeg((self.orders or Orders()).quality)
        asked, self._asked = self._asked, []
        for one in asked:
            if not one.done():
                one.set_result((look.at, jpeg))

    def _due(self, at: Moment) -> bool:
        """Whether it is time to say again that the camera watched."""
        every = (self.orders or Orders()).watch
        last = self._marked
        return last is None or last.boot != at.boot or at.mono - last.mono >= every * 1e6
