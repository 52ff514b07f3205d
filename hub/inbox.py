"""The durable door: what a camera delivered is acknowledged once it can no longer be lost.

A frame's file is written and synced first, then its row is committed; concurrent deliveries share one commit.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, TypeVar

import uuid6

from hub.attempts import Attempts
from hub.db import ledger, observations, outbox
from hub.db.calendar import academic_year
from hub.db.engine import Database
from hub.db.errors import DatabaseError
from hub.db.ledger import Entry, Kind, Number, Outcome, Pending, Verdict
from hub.db.observations import Crop, FaceRecord
from hub.detections import pack
from hub.failure import Failure
from hub.plugin import Clock, Detections, Frame, Heartbeat, NotFound
from hub.refusals import InboxFull, InboxUnavailable, refusal, refusing
from hub.spool import PASSING, Spool

__all__ = [
    "Accepted",
    "Conclusion",
    "Crop",
    "FaceRecord",
    "Inbox",
    "InboxFull",
    "InboxUnavailable",
    "Kind",
    "Outcome",
    "Pending",
    "open_inbox",
]

logger = logging.getLogger("fras.inbox")

WRITERS = 4
"""Threads that write files: a disk syncs several files in hardly more time than one."""
BATCH = 256
"""Deliveries that share one commit, at most."""
LARGEST = 2**63 - 1
"""Epochs and sequence numbers are signed 63-bit integers."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The hub holds the frame. `duplicate`: it did before; `frame_id` is None if retention has removed it since."""

    frame_id: str | None
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What became of a frame, and the faces in it; `reason` is a sentence for staff, `model_id` is what looked."""

    frame_id: str
    outcome: Outcome
    reason: str = ""
    observations: tuple[FaceRecord, ...] = ()
    too_small: int = 0
    model_id: str | None = None


@dataclass(slots=True, eq=False)
class _Delivery:
    """A frame on its way to disk, and who waits for it."""

    entry: Entry
    data: bytes
    done: asyncio.Future[Accepted] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def number(self) -> Number:
        return self.entry.frame.camera, self.entry.frame.epoch, self.entry.frame.seq


@dataclass(slots=True, eq=False)
class _Beat:
    camera: str
    heartbeat: Heartbeat
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@asynccontextmanager
async def open_inbox(
    database: Database, folder: Path, clock: Clock, *, time_zone: tzinfo = UTC, first_month: int = 8
) -> AsyncIterator[Inbox]:
    """Opens the inbox whose files are in `folder`, after making files and ledger agree.

    `time_zone` is the school's, `first_month` begins its year. Leaving waits for what is on its way to disk.
    """
    try:
        spool = Spool(folder)
    except OSError as error:
        raise Failure(
            f"the inbox {folder} cannot be made: {error.strerror}",
            hint="give the user that runs fras write access, or choose another folder with --data",
        ) from None
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="inbox") as threads:

        def year(moment: datetime) -> str:
            return academic_year(moment.astimezone(time_zone).date(), first_month)

        inbox = Inbox(database, spool, clock, threads, year, Attempts(folder / "attempts"))
        await inbox.sweep()
        inbox.attempts.load([frame.id for frame in inbox._arrived])
        writer = asyncio.create_task(inbox.write_down(), name="inbox")
        try:
            yield inbox
        finally:
            inbox.close()
            await writer
            with suppress(DatabaseError):  # then it is done at the next start
                await inbox.sweep()


class Inbox:
    """Use `open_inbox`."""

    def __init__(
        self,
        database: Database,
        spool: Spool,
        clock: Clock,
        threads: ThreadPoolExecutor,
        year: Callable[[datetime], str],
        attempts: Attempts,
    ) -> None:
        self._database = database
        self._spool = spool
        self._clock = clock
        self._threads = threads
        self._year = year
        self.attempts = attempts
        self.outcomes: Counter[Outcome] = Counter()
        """Frames that came to which end, since the start."""
        self._deliveries: list[_Delivery] = []
        self._beats: list[_Beat] = []
        self._delivered = asyncio.Event()
        self._doubtful: list[_Delivery] = []
        """Those of which nobody could say whether their commit was lost, or only the answer to it."""
        self._arrived: list[Pending] = []
        self._arrival = asyncio.Event()
        self._closed = False

    async def accept(self, camera: str, frame: Frame | Detections) -> Accepted:
        """Returns once the frame is on disk and in the ledger, or was before.

        The file of one whose faces the camera has embedded itself is read by `hub.detections.unpack`. Raises
        InboxFull or InboxUnavailable when it is not kept, ValueError for numbers outside 63 bits.
        """
        return (await self.accept_all(camera, [frame]))[0]

    async def accept_all(self, camera: str, frames: Sequence[Frame | Detections]) -> list[Accepted]:
        """The same for several, which share a sync of the disk; raises when one of them is not kept."""
        self._refuse_when_closed()
        deliveries = [self._delivery(camera, frame) for frame in frames]
        self._deliveries += deliveries
        self._delivered.set()
        results = await asyncio.gather(*(delivery.done for delivery in deliveries), return_exceptions=True)
        if failed := [result for result in results if isinstance(result, BaseException)]:
            raise failed[0]
        return [result for result in results if isinstance(result, Accepted)]

    async def heartbeat(self, camera: str, heartbeat: Heartbeat) -> None:
        """Returns once the heartbeat is in the ledger. Raises InboxFull or InboxUnavailable."""
        self._refuse_when_closed()
        beat = _Beat(camera, heartbeat)
        self._beats.append(beat)
        self._delivered.set()
        await beat.done

    async def acknowledged(self, camera: str, epoch: int, seqs: Sequence[int]) -> frozenset[int]:
        """Which of the camera's frames the ledger has, whatever became of them."""
        numbers = [(camera, epoch, seq) for seq in seqs if 0 <= seq <= LARGEST and 0 <= epoch <= LARGEST]
        with refusing():
            async with self._database.read() as connection:
                return frozenset(seq for _, _, seq in await ledger.find(connection, numbers))

    async def arrived(self) -> list[Pending]:
        """Waits for frames to recognise and hands out each once, in the order they came.

        The first call after a start also brings those that were waiting when the hub stopped.
        """
        await self._arrival.wait()
        self._arrival.clear()
        arrived, self._arrived = self._arrived, []
        return arrived

    async def read(self, frame_id: str) -> bytes:
        """What the camera delivered. Raises NotFound when it is gone, InboxUnavailable to try again later."""
        try:
            return await self._in_thread(self._spool.read, frame_id)
        except OSError as error:
            kind = InboxUnavailable if error.errno in PASSING else NotFound
            raise kind(f"the file of frame {frame_id} cannot be read: {error.strerror}") from None

    async def conclude(self, conclusions: Sequence[Conclusion]) -> frozenset[str]:
        """Stores what became of frames with their observations, crops and events, then removes their files.

        One transaction. A frame that was concluded before stays as it was; returns those that were not. Raises
        InboxFull or InboxUnavailable; then nothing is stored, and it may be tried again.
        """
        first = {done.frame_id: done for done in reversed(conclusions)}
        verdicts = [
            Verdict(done.frame_id, done.outcome, done.reason, len(done.observations), done.too_small, done.model_id)
            for done in reversed(first.values())
        ]
        with refusing():
            async with self._database.write() as connection:
                frames = await ledger.conclude(connection, verdicts, self._clock.now())
                faces = {frame: first[frame].observations for frame in frames}
                await observations.add(connection, frames, faces, self._clock.now())
                told = [_event(frames[verdict.frame_id], verdict) for verdict in verdicts if verdict.frame_id in frames]
                await outbox.append(connection, "frame", *told)
        self.outcomes.update(verdict.outcome for verdict in verdicts if verdict.frame_id in frames)
        self.attempts.forget(first)
        await self._in_thread(self._spool.remove, list(first))
        return frozenset(frames)

    async def sweep(self) -> None:
        """Makes files and ledger agree after a crash or a stop; only while nothing is accepted.

        A file without a pending row was never acknowledged, or is done with: it goes. A pending row without a file
        can never be recognised: it is rejected.
        """
        async with self._database.read() as connection:
            waiting = await ledger.pending(connection)
        names = await self._in_thread(self._spool.names)
        await self._in_thread(self._spool.remove, names - {frame.id for frame in waiting})
        lost = [frame.id for frame in waiting if frame.id not in names]
        if lost:
            logger.error("%d frames were acknowledged, but their files are gone: rejected", len(lost))
            await self.conclude([Conclusion(frame, Outcome.REJECTED, reason="its file was lost") for frame in lost])
        self._arrive([frame for frame in waiting if frame.id in names])

    async def write_down(self) -> None:
        """Commits deliveries, all that have gathered since the last commit at once; ends after `close`."""
        while not self._closed or self._deliveries or self._beats:
            await self._delivered.wait()
            if not self._closed:
                self._delivered.clear()
            deliveries, self._deliveries = self._deliveries[:BATCH], self._deliveries[BATCH:]
            beats, self._beats = self._beats, []
            if self._deliveries:
                self._delivered.set()
            try:
                await self._write_down(deliveries, beats)
            except Exception as fault:
                problem = refusal(fault)
                waiting: list[asyncio.Future[Any]] = [item.done for item in deliveries]
                waiting += [beat.done for beat in beats]
                for future in waiting:
                    if not future.done():
                        future.set_exception(problem)

    def close(self) -> None:
        """Accepts nothing more; `write_down` ends with what is on its way."""
        self._closed = True
        self._delivered.set()

    def _delivery(self, camera: str, frame: Frame | Detections) -> _Delivery:
        for number in (frame.epoch, frame.seq):
            if not 0 <= number <= LARGEST:
                raise ValueError(f"camera {camera}: {number} is not a number between 0 and 2^63-1")
        captured_at = frame.captured_at - frame.skew
        pending = Pending(
            id=str(uuid6.uuid7()),
            camera=camera,
            epoch=frame.epoch,
            seq=frame.seq,
            kind=Kind.IMAGE if isinstance(frame, Frame) else Kind.DETECTIONS,
            captured_at=captured_at,
            received_at=self._clock.now(),
            live=frame.live,
            # File names need not be text; what is not would make every database refuse the row.
            origin=frame.origin.encode("utf-8", "backslashreplace").decode().replace("\0", ""),
        )
        data = frame.image if isinstance(frame, Frame) else pack(frame)
        entry = Entry(pending, frame.skew, len(data), self._year(captured_at), zlib.crc32(data))
        return _Delivery(entry, data)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise InboxUnavailable("the hub is stopping", hint="deliver it again when it runs")

    async def _write_down(self, deliveries: Sequence[_Delivery], beats: Sequence[_Beat]) -> None:
        ids: dict[Number, str | None] = {}
        doubtful, self._doubtful = self._doubtful, []
        if doubtful:
            await self._take_back(doubtful)
        if deliveries:
            async with self._database.read() as connection:
                ids = await ledger.find(connection, [delivery.number for delivery in deliveries])
        new: dict[Number, _Delivery] = {}
        for delivery in deliveries:
            if delivery.number not in ids:
                new.setdefault(delivery.number, delivery)
        written = await self._write_files(list(new.values()))
        if written or beats:
            try:
                async with self._database.write() as connection:
                    if written:
                        await ledger.add(connection, [delivery.entry for delivery in written])
                    if beats:
                        signals = [(beat.camera, beat.heartbeat) for beat in beats]
                        await ledger.watched(connection, signals, self._clock.now())
            except Exception:
                await self._take_back(written)
                raise
        self._arrive([delivery.entry.frame for delivery in written])
        ids |= {delivery.number: delivery.entry.frame.id for delivery in written}
        for delivery in deliveries:
            if delivery.number in ids and not delivery.done.done():
                known = ids[delivery.number]
                delivery.done.set_result(Accepted(known, duplicate=known != delivery.entry.frame.id))
        for beat in beats:
            if not beat.done.done():
                beat.done.set_result(None)
        for delivery in deliveries:  # A copy of a frame whose file could not be written fails with it.
            if not delivery.done.done():
                first = new[delivery.number].done
                delivery.done.set_exception(first.exception() or InboxUnavailable("not kept"))

    async def _write_files(self, deliveries: Sequence[_Delivery]) -> list[_Delivery]:
        """Those whose files are durable; the others have failed with the reason."""
        shares = [deliveries[start::WRITERS] for start in range(min(WRITERS, len(deliveries)))]
        results = await asyncio.gather(
            *(
                self._in_thread(self._spool.write, [(delivery.entry.frame.id, delivery.data) for delivery in share])
                for share in shares
            )
        )
        written = []
        for share, errors in zip(shares, results, strict=True):
            for delivery, error in zip(share, errors, strict=True):
                if error is None:
                    written.append(delivery)
                elif not delivery.done.done():
                    delivery.done.set_exception(refusal(error))
        if written:
            await self._in_thread(self._spool.sync)
        return sorted(written, key=lambda delivery: delivery.entry.frame.id)

    async def _take_back(self, written: Sequence[_Delivery]) -> None:
        """Removes the files of frames whose commit failed, unless it did not fail after all or nobody can tell yet."""
        try:
            async with self._database.write() as connection:  # which waits until the earlier transaction has its end
                kept = set((await ledger.find(connection, [d.number for d in written])).values())
        except DatabaseError:
            self._doubtful += written
            return
        ids = [delivery.entry.frame.id for delivery in written]
        await self._in_thread(self._spool.remove, [name for name in ids if name not in kept])
        self._arrive([delivery.entry.frame for delivery in written if delivery.entry.frame.id in kept])

    def _arrive(self, frames: Sequence[Pending]) -> None:
        if frames:
            self._arrived += frames
            self._arrival.set()

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)


def _event(frame: ledger.Concluded, verdict: Verdict) -> dict[str, object]:
    """What followers learn: ids only, so that the outbox never holds anything about a person."""
    return {
        "frame": frame.id,
        "camera": frame.camera,
        "captured_at": frame.captured_at.isoformat(),
        "outcome": verdict.outcome,
        "observations": [observations.observation_id(frame.id, face) for face in range(verdict.faces)],
    }
