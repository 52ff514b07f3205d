"""From acknowledged frames to observations: decode, judge, keep the evidence, conclude."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from hub.crops import Crops
from hub.detections import Garbled, unpack
from hub.failure import Failure
from hub.inbox import Conclusion, FaceRecord, Inbox, Kind, Outcome, Pending
from hub.pipeline.backlog import Backlog
from hub.pipeline.judge import LONGEST, Judge, Judged, JudgedFace
from hub.plugin import Clock, Face, NotFound, NotReady, Picture
from hub.plugin.media import Unreadable, crop_jpeg, decode
from hub.runtime.faults import PluginFault, summary
from hub.runtime.threads import DaemonPool

logger = logging.getLogger("fras.pipeline")

WORKERS = 3
"""Batches under way: one is decoded and one written down while one is recognised."""
BATCH = 8
"""Frames in a batch."""
ATTEMPTS = 3
"""Tries with a frame on its own before it is rejected for making the recogniser fail."""
PAUSE = 2.0
"""Seconds to leave a recogniser or a storage alone that is not ready."""
CROP_MARGIN = 0.15
"""What is kept around a face, as a share of its box: enough to judge it, too little for a neighbour's face."""


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
        concluded: Callable[[Iterable[datetime]], None],
    ) -> None:
        """`concluded` is told the capture times of frames whose observations have just been stored."""
        self._inbox = inbox
        self._backlog = backlog
        self._judge = judge
        self._crops = crops
        self._threads = threads
        self._clock = clock
        self._concluded = concluded
        self.concluded_frames = 0
        """Since the start; superseded frames do not count."""
        self._failures: Counter[str] = Counter()
        self._waiting = False

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"pipeline-{number}")

    async def _work(self) -> None:
        while True:
            frames, superseded = await self._backlog.take(BATCH)
            if superseded:
                await self._inbox.conclude([Conclusion(frame.id, Outcome.SUPERSEDED) for frame in superseded])
            if frames:
                await self._recognise(frames)

    async def _recognise(self, frames: Sequence[Pending]) -> None:
        try:
            await self._inbox.conclude(await self._conclusions(frames))
        except PluginFault as fault:
            if len(frames) > 1:
                for frame in frames:
                    await self._recognise([frame])
            else:
                await self._provoked(frames[0], fault)
        except (NotReady, Failure) as error:
            await self._wait(frames, error)
        else:
            self._waiting = False
            self.concluded_frames += len(frames)
            self._concluded([frame.captured_at for frame in frames])

    async def _wait(self, frames: Sequence[Pending], error: NotReady | Failure) -> None:
        """They stay in the ledger as pending: nothing is lost, however long it takes."""
        logger.log(logging.DEBUG if self._waiting else logging.WARNING, "frames wait to be recognised: %s", error)
        self._waiting = True
        await self._backlog.put_back(frames)
        await self._clock.sleep(PAUSE)

    async def _provoked(self, frame: Pending, fault: PluginFault) -> None:
        """A frame that makes the recogniser fail must not hold up the others for ever."""
        self._failures[frame.id] += 1
        if self._failures[frame.id] < ATTEMPTS:
            await self._wait([frame], fault)
            return
        del self._failures[frame.id]
        logger.error("frame %s is rejected: the recogniser failed on it %d times", frame.id, ATTEMPTS)
        reason = f"the recogniser failed on it {ATTEMPTS} times ({summary(fault)})"
        await self._inbox.conclude([Conclusion(frame.id, Outcome.REJECTED, reason=reason)])

    async def _conclusions(self, frames: Sequence[Pending]) -> list[Conclusion]:
        """One conclusion a frame; what cannot be read is rejected with the reason."""
        contents = await asyncio.gather(*(self._read(frame) for frame in frames))
        verdicts = iter(await self._judge.judge([content for content in contents if isinstance(content, Picture)]))
        conclusions = []
        for frame, content in zip(frames, contents, strict=True):
            if isinstance(content, str):
                conclusions.append(Conclusion(frame.id, Outcome.REJECTED, reason=content))
            elif isinstance(content, Picture):
                conclusions.append(await self._conclude(frame, content, next(verdicts)))
            else:
                conclusions.append(await self._conclude(frame, None, await self._judge.judge_faces(content)))
        return conclusions

    async def _read(self, frame: Pending) -> Picture | tuple[Face, ...] | str:
        """The picture, or the faces a camera found itself, or the sentence that says why there is neither."""
        try:
            data = await self._inbox.read(frame.id)
            if frame.kind is Kind.IMAGE:
                return await self._threads.run(decode, data, longest=LONGEST)
            model_id, faces = unpack(data)
        except (Unreadable, Garbled, NotFound) as problem:
            return str(problem)
        if model_id != self._judge.model_id:
            return f"its faces were embedded by model {model_id}, and this hub uses {self._judge.model_id}"
        return faces

    async def _conclude(self, frame: Pending, picture: Picture | None, judged: Judged) -> Conclusion:
        records = [await self._record(frame, picture, judged, face) for face in judged.faces]
        outcome = Outcome.RECOGNISED if records else Outcome.EMPTY
        return Conclusion(frame.id, outcome, observations=tuple(records), too_small=judged.too_small)

    async def _record(self, frame: Pending, picture: Picture | None, judged: Judged, face: JudgedFace) -> FaceRecord:
        """The fact to store. Only somebody recognised, whose consent therefore stands, leaves a crop."""
        decision = face.decision
        crop = None
        if decision.person is not None and picture is not None:
            jpeg = await self._threads.run(crop_jpeg, picture, face.box, CROP_MARGIN)
            crop = await self._crops.put(jpeg, frame.captured_at)
        return FaceRecord(
            box=face.box,
            detector_score=face.detector_score,
            quality=face.quality,
            person=decision.person,
            score=decision.score,
            margin=decision.margin,
            threshold=decision.threshold,
            alone=decision.alone,
            model_id=judged.model_id,
            policy_version=self._judge.policy.version,
            crop=crop,
        )
