"""How much of a lecture the cameras watched. A gap in coverage is not an absence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from .records import Lecture, Rules, Span


@dataclass(frozen=True, slots=True)
class Watch:
    """What a room's cameras watched of one lecture.

    `share` is 0..1 and `gaps` is the rest of the lecture. `complete` says that every camera of the room has
    delivered all it captured before the lecture's end.
    """

    cameras: tuple[str, ...]
    share: float
    gaps: tuple[Span, ...]
    complete: bool


def watch(
    lecture: Lecture, cameras: Iterable[str], covered: Mapping[str, Iterable[Span]], watermarks: Mapping[str, datetime]
) -> Watch:
    """`cameras` are the lecture's room's; `covered` and `watermarks` are looked up by camera.

    A room is covered while at least one of its cameras watches, because cameras of a room look at the same
    people and a spare one must not silence the register when it fails. Completeness asks for all of them,
    because what has not arrived yet may still show somebody. A room without cameras is never complete.
    """
    cameras = tuple(sorted(set(cameras)))
    within = Span(lecture.start, lecture.end)
    gaps = tuple(uncovered((span for camera in cameras for span in covered.get(camera, ())), within))
    length = within.end - within.start
    missed = sum((gap.end - gap.start for gap in gaps), timedelta())
    complete = bool(cameras) and all(camera in watermarks and watermarks[camera] >= lecture.end for camera in cameras)
    return Watch(cameras, 1.0 - missed / length, gaps, complete)


def covered_spans(signals: Iterable[datetime], rules: Rules, unseen: Iterable[Span] = ()) -> list[Span]:
    """What one camera covered: the time between signals (frames, heartbeats) no further apart than `rules.gap`,
    without what is `unseen`: from a frame at which nobody has looked to the next at which somebody has.

    A lone signal covers nothing: it proves an instant. The order of `signals` and repetitions do not matter.
    """
    moments = sorted(set(signals))
    silences = [i for i, (one, next_one) in enumerate(pairwise(moments), 1) if next_one - one > rules.gap]
    runs = pairwise([0, *silences, len(moments)])
    spans = [Span(moments[first], moments[after - 1]) for first, after in runs if after - first > 1]
    blind = joined(unseen)
    return [seen for span in spans for seen in uncovered(blind, span)] if blind else spans


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time as `spans`, in order, with those that overlap or touch made one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def uncovered(covered: Iterable[Span], within: Span) -> list[Span]:
    """The parts of `within` that no span of `covered` touches, in order."""
    gaps: list[Span] = []
    reached = within.start
    for span in joined(covered):
        if span.start > reached:
            gaps.append(Span(reached, min(span.start, within.end)))
        reached = max(reached, span.end)
        if reached >= within.end:
            return gaps
    return [*gaps, Span(reached, within.end)]
