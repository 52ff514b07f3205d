"""The frames that wait for recognition: fair among cameras, newest first for live ones, bounded for each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def live(self) -> bool: ...


W = TypeVar("W", bound=Waiting)


class Backlog(Generic[W]):
    """Waiting frames, one queue a camera, handed out in turn.

    A live frame overtaken by a newer live one of its camera will not be handed out: it is *superseded*.
    A spooled frame never is. Cameras are in lanes, each with its own takers: where a lane's frames cannot be
    recognised now, the others' go on. What waits in such a lane is not superseded either: speed is not what it
    lacks, and a lesson of which one frame is left would be a lesson of absentees.
    """

    def __init__(
        self, per_camera: int = 32, lane_of: Callable[[str], str] = lambda camera: "", per_camera_held: int = 1000
    ) -> None:
        """`per_camera_held` is the room of a camera in a lane whose frames cannot be recognised now."""
        self._per_camera = per_camera
        self._per_camera_held = per_camera_held
        self.lane_of = lane_of
        self._held: set[str] = set()
        self._kept: set[str] = set()
        """Frames that came or were put back while their lane was held."""
        self._queues: dict[str, deque[W]] = {}
        self._superseded: list[W] = []
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        """Frames that wait, those to be reported as superseded included."""
        return sum(len(queue) for queue in self._queues.values()) + len(self._superseded)

    async def room(self, camera: str) -> None:
        """Waits until `camera` has room: how a fast camera is slowed to the speed of recognition."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._queues.get(camera, ())) < self._room_of(camera))

    def _room_of(self, camera: str) -> int:
        return self._per_camera_held if self.lane_of(camera) in self._held else self._per_camera

    async def add(self, frames: Iterable[W]) -> None:
        async with self._changed:
            for frame in frames:
                queue = self._queues.setdefault(frame.camera, deque())
                if self.lane_of(frame.camera) in self._held:
                    self._kept.add(frame.id)
                elif frame.live:
                    overtaken = [old for old in queue if old.live and old.id not in self._kept]
                    for old in overtaken:
                        queue.remove(old)
                    self._superseded += overtaken
                queue.append(frame)
            self._changed.notify_all()

    def release(self, lane: str) -> None:
        """A frame of the lane has been recognised."""
        self._held.discard(lane)

    async def look_again(self) -> None:
        """Cameras may be in other lanes now, and none is held."""
        async with self._changed:
            self._held.clear()
            self._changed.notify_all()

    async def another_lane(self, known: Collection[str]) -> str:
        """Waits for a frame of a lane that is not among those known, and names the lane."""
        async with self._changed:
            while not (lanes := [lane for camera in self._queues if (lane := self.lane_of(camera)) not in known]):
                await self._changed.wait()
            return lanes[0]

    async def take(self, most: int, lane: str = "") -> tuple[list[W], list[W]]:
        """Up to `most` frames of the lane to recognise, and those superseded since; waits until there is either."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._superseded or self._next(lane) is not None)
            superseded, self._superseded = self._superseded, []
            chosen: list[W] = []
            while len(chosen) < most and (camera := self._next(lane)) is not None:
                queue = self._queues[camera]
                chosen.append(queue.popleft())
                self._kept.discard(chosen[-1].id)
                del self._queues[camera]
                if queue:
                    self._queues[camera] = queue
            self._changed.notify_all()
            return chosen, superseded

    def _next(self, lane: str) -> str | None:
        return next((camera for camera in self._queues if self.lane_of(camera) == lane), None)

    async def put_back(self, frames: Sequence[W]) -> None:
        """Returns frames that could not be recognised now to the head of their queues; their lanes are held until
        `release`."""
        async with self._changed:
            self._held |= {self.lane_of(frame.camera) for frame in frames}
            self._kept |= {frame.id for frame in frames}
            for frame in reversed(frames):
                self._queues.setdefault(frame.camera, deque()).appendleft(frame)
            self._changed.notify_all()
