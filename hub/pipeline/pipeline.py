"""From acknowledged frames to observations: decode, judge, keep the evidence, conclude."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hub.crops import Crop, Crops
from hub.detections import Garbled, unpack
from hub.failure import Failure
from hub.inbox import Conclusion, FaceRecord, Inbox, Kind, Outcome, Pending
from hub.pipeline.backlog import Backlog
from hub.pipeline.evidence import Evidence, Shown
from hub.pipeline.judge import LONGEST, Judge
from hub.pipeline.overdue import Overdue
from hub.pipeline.verdicts import Judged, JudgedFace
from hub.plugin import Clock, Face, NotFound, Picture, PluginError
from hub.plugin.media import Unreadable, decode
from hub.runtime.faults import PluginFault, summary
from hub.runtime.threads import DaemonPool

logger = logging.getLogger("fras.pipeline")

WORKERS = 3
"""Batches under way in each lane: one is decoded and one written down while one is recognised."""
BATCH = 8
"""Frames in a batch."""
ATTEMPTS = 3
"""Tries with a frame on its own before it is rejected, should the recogniser work otherwise."""
SUSPECT = 2
"""Ends of the hub while it recognised a frame, after which that frame is tried with nothing beside it."""
DEADLY = 3
"""Ends of the hub after which a frame is rejected."""
SETTLED = 10.0
"""Seconds after the start before suspects are tried: a hub that somebody kills again and again is not ended by them."""
HELD_BACK = 600.0
"""Seconds after which suspects are tried although other frames wait."""
PAUSE = 2.0
"""Seconds to leave a recogniser or a storage alone that is not ready."""


class _Provoked(Exception):
    """The recogniser failed on these frames, perhaps because of one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A frame that could be read, with its verdict, or could not and why."""

    frame: Pending
    picture: Picture | None
    verdict: Judged | str

    def faces(self) -> Sequence[JudgedFace]:
        return () if isinstance(self.verdict, str) else self.verdict.faces

    def evidence(self, face: JudgedFace) -> Shown | None:
        """Only somebody recognised, whose consent therefore stands, leaves a crop."""
        if face.decision.person is None or self.picture is None or isinstance(self.verdict, str):
            return None
        return Shown(self.picture, face.box, self.frame.captured_at, self.verdict.around(face))

    def conclusion(self, crops: Iterator[Crop | None]) -> Conclusion:
        """`crops` gives what was kept of each face, in order."""
        verdict = self.verdict
        if isinstance(verdict, str):
            return Conclusion(self.frame.id, Outcome.REJECTED, reason=verdict)
        records = tuple(_record(face, next(crops)) for face in verdict.faces)
        outcome = Outcome.RECOGNISED if records else Outcome.EMPTY
        return Conclusion(
            self.frame.id, outcome, observations=records, too_small=len(verdict.too_small), model_id=verdict.model_id
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """Faces that a camera embedded itself."""

    model_id: str
    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Why a lane's frames cannot be recognised, and since when, in monotonic seconds, none has been."""

    error: Exception
    since: float


class Pipeline:
    """Turns what the backlog hands out into concluded frames; loses none, concludes each once."""

    def __init__(
        self,
        inbox: Inbox,
        backlog: Backlog[Pending],
        judge: Judge,
        crops: Crops,
        threads: DaemonPool,
        clock: Clock,
        concluded: Callable[[], None],
        invented: Callable[[str], bool] = lambda camera: False,
        overdue: Overdue | None = None,
    ) -> None:
        """`concluded` is called whenever outcomes have been stored; `invented` says which cameras' pictures are.

        What is `overdue` and cannot be recognised is given up.
        """
        self._inbox = inbox
        self._backlog = backlog
        self._judge = judge
        self._evidence = Evidence(crops, threads)
        self._threads = threads
        self._clock = clock
        self._concluded = concluded
        self._invented = invented
        self._overdue = overdue
        self.concluded_frames = 0
        """Since the start; superseded frames do not count."""
        self._failures: Counter[str] = Counter()
        self._turns: dict[str, list[asyncio.Lock]] = {}
        self._opening = asyncio.Lock()
        self._suspects: asyncio.Queue[Pending] = asyncio.Queue()
        self._started = clock.monotonic()
        self._obstacles: dict[str, _Obstacle] = {}

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work_alone(), name="pipeline-alone")
            while True:
                lane = await self._backlog.another_lane(self._turns)
                async with self._opening:
                    self._turns[lane] = [asyncio.Lock() for _ in range(WORKERS)]
                for number, turn in enumerate(self._turns[lane]):
                    group.create_task(self._work(lane, turn), name=f"pipeline-{lane}-{number}")

    @property
    def waits_for(self) -> Exception | None:
        """Why frames cannot be recognised now, None while they are."""
        return next((obstacle.error for obstacle in self._obstacles.values()), None)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No batch is under way while entered; frames wait. Judge, crops and storage may be exchanged then."""
        async with self._alone():
            yield
            self._failures.clear()
            self._obstacles.clear()
        await self._backlog.look_again()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with self._opening, AsyncExitStack() as stack:
            for turns in self._turns.values():
                for turn in turns:
                    await stack.enter_async_context(turn)
            yield

    async def _work(self, lane: str, turn: asyncio.Lock) -> None:
        while True:
            frames, superseded = await self._backlog.take(BATCH, lane)
            async with turn:
                if superseded:
                    await self._conclude(superseded, [Conclusion(frame.id, Outcome.SUPERSEDED) for frame in superseded])
                if frames := [frame for frame in frames if not await self._suspected(frame)]:
                    await self._recognise(frames)

    async def _suspected(self, frame: Pending) -> bool:
        """Sets aside a frame that may have ended the hub, and rejects one that has."""
        deaths = self._inbox.attempts.deaths(frame.id)
        if deaths >= DEADLY:
            logger.error("frame %s is rejected: the hub ended %d times while recognising it", frame.id, deaths)
            reason = f"the hub ended {deaths} times while recognising it, the last time with nothing beside it"
            await self._conclude([frame], [Conclusion(frame.id, Outcome.REJECTED, reason=reason)])
        elif deaths >= SUSPECT:
            logger.warning("frame %s is tried later and alone: the hub ended %d times beside it", frame.id, deaths)
            self._suspects.put_nowait(frame)
        return deaths >= SUSPECT

    async def _work_alone(self) -> None:
        """Tries suspects when nothing else waits: should one end the hub again, it ends nothing else."""
        while True:
            frame = await self._suspects.get()
            since = self._clock.monotonic()
            while self._clock.monotonic() < self._started + SETTLED or (
                len(self._backlog) and self._clock.monotonic() < since + HELD_BACK
            ):
                await self._clock.sleep(1)
            async with self._alone():
                await self._recognise([frame])

    async def _recognise(self, frames: Sequence[Pending]) -> None:
        try:
            with self._inbox.attempts.trying(frame.id for frame in frames):
                await self._write_down(await self._look(frames))
        except (PluginError, Failure) as error:
            pictures = [frame for frame in frames if frame.kind is Kind.IMAGE]
            if 0 < len(pictures) < len(frames):  # faces embedded elsewhere may wait for a recogniser of their own
                await self._recognise(pictures)
                await self._recognise([frame for frame in frames if frame.kind is not Kind.IMAGE])
            else:
                await self._wait(frames, error)
        except Exception as fault:  # of the recogniser or of FRAS: neither may stop the hub
            if len(frames) > 1:
                for frame in frames:
                    await self._recognise([frame])
            else:
                await self._provoked(frames[0], fault)
        else:
            for frame in frames:
                self._failures.pop(frame.id, None)

    async def _conclude(self, frames: Sequence[Pending], conclusions: Sequence[Conclusion]) -> None:
        try:
            await self._inbox.conclude(conclusions)
        except (PluginError, Failure) as error:
            await self._wait(frames, error)
        else:
            self._concluded()

    async def _wait(self, frames: Sequence[Pending], error: Exception) -> None:
        """They stay in the ledger as pending: nothing is lost, unless it takes days."""
        lanes = {self._backlog.lane_of(frame.camera) for frame in frames}
        level = logging.DEBUG if lanes <= self._obstacles.keys() else logging.WARNING
        logger.log(level, "frames wait to be recognised: %s", error)
        for lane in lanes:
            known = self._obstacles.get(lane)
            self._obstacles[lane] = _Obstacle(error, known.since if known else self._clock.monotonic())
        await self._backlog.put_back(await self._without_late(frames))
        await self._clock.sleep(PAUSE)

    async def _without_late(self, frames: Sequence[Pending]) -> Sequence[Pending]:
        """Those that may wait on; the others have been rejected, if that could be noted."""
        if self._overdue is None or not (late := [frame for frame in frames if self._given_up(frame, self._overdue)]):
            return frames
        reason = self._overdue.reason
        try:
            await self._inbox.conclude([Conclusion(frame.id, Outcome.REJECTED, reason=reason) for frame in late])
        except (PluginError, Failure):
            return frames
        logger.warning("%d frames are rejected: %s", len(late), reason)
        self._concluded()
        return [frame for frame in frames if frame not in late]

    def _given_up(self, frame: Pending, overdue: Overdue) -> bool:
        obstacle = self._obstacles[self._backlog.lane_of(frame.camera)]
        return overdue.given_up(frame, self._clock.monotonic() - obstacle.since)

    async def _provoked(self, frame: Pending, fault: Exception) -> None:
        """A frame that makes the recogniser fail must not hold up the others for ever.

        A recogniser that fails on a grey picture, too, is to blame itself: then the frame waits like any other.
        """
        if await self._judge.able(frame.camera):
            self._obstacles.pop(self._backlog.lane_of(frame.camera), None)
            self._failures[frame.id] += 1
        if self._failures[frame.id] < ATTEMPTS:
            await self._wait([frame], fault)
            return
        del self._failures[frame.id]
        said = str(fault) if isinstance(fault, _Provoked) else summary(fault)
        logger.error("frame %s is rejected after %d tries: %s", frame.id, ATTEMPTS, said)
        reason = f"it could not be recognised in {ATTEMPTS} tries ({said})"
        await self._conclude([frame], [Conclusion(frame.id, Outcome.REJECTED, reason=reason)])

    async def _look(self, frames: Sequence[Pending]) -> list[_Seen]:
        contents = await asyncio.gather(*(self._read(frame) for frame in frames))
        drawn = [self._invented(frame.camera) for frame in frames]
        shown = [
            (content, is_drawn, frame.camera)
            for content, is_drawn, frame in zip(contents, drawn, frames, strict=True)
            if isinstance(content, Picture)
        ]
        pictures = [picture for picture, _, _ in shown]
        try:
            judged = await self._judge.judge(pictures, [d for _, d, _ in shown], [camera for _, _, camera in shown])
            verdicts = iter(judged)
        except PluginFault as fault:
            raise _Provoked(fault.message) from fault
        seen = []
        for frame, content, is_drawn in zip(frames, contents, drawn, strict=True):
            if isinstance(content, str):
                seen.append(_Seen(frame, None, content))
            elif isinstance(content, Picture):
                seen.append(_Seen(frame, content, next(verdicts)))
            else:
                verdict = await self._judge.judge_faces(frame.camera, content.model_id, content.faces, is_drawn)
                seen.append(_Seen(frame, None, verdict))
        return seen

    async def _read(self, frame: Pending) -> Picture | _Embedded | str:
        """The picture, or the faces a camera found itself, or the sentence that says why there is neither."""
        try:
            data = await self._inbox.read(frame.id)
            if frame.kind is Kind.IMAGE:
                return await self._threads.run(decode, data, longest=LONGEST)
            model_id, faces = unpack(data)
        except (Unreadable, Garbled, NotFound) as problem:
            return str(problem)
        drawn = self._invented(frame.camera)
        return self._judge.foreign(frame.camera, model_id, faces, drawn) or _Embedded(model_id, faces)

    async def _write_down(self, seen: Sequence[_Seen]) -> None:
        """Concludes every frame; what could not be read is rejected with the reason."""
        crops = await self._evidence.keep([one.evidence(face) for one in seen for face in one.faces()])
        of_each = iter(crops)
        try:
            await self._inbox.conclude([one.conclusion(of_each) for one in seen])
        except Exception:
            await self._evidence.discard(crops)
            raise
        for one in seen:
            lane = self._backlog.lane_of(one.frame.camera)
            self._obstacles.pop(lane, None)
            self._backlog.release(lane)
        self.concluded_frames += len(seen)
        self._concluded()
        await self._evidence.discard(crops)


def _record(face: JudgedFace, crop: Crop | None) -> FaceRecord:
    decision = face.decision
    return FaceRecord(
        box=face.box,
        detector_score=face.detector_score,
        quality=face.quality,
        person=decision.person,
        score=decision.score,
        margin=decision.margin,
        threshold=decision.threshold,
        alone=decision.alone,
        model_id=face.model_id,
        policy_version=face.policy_version,
        crop=crop,
    )
