"""When the cameras of a room watched a lecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.attendance.coverage import covered_spans, joined, uncovered
from hub.attendance.records import Rules, Span


@dataclass(frozen=True, slots=True)
class Watched:
    """What one camera covered of a lecture, in order."""

    camera: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A lecture from `start` to `end` as its room's cameras watched it until `until`, at most the end; UTC.

    `share` is how much of the time until then at least one camera watched, 0..1; `gaps` is the rest of it.
    """

    start: datetime
    end: datetime
    until: datetime
    cameras: tuple[Watched, ...]
    share: float
    gaps: tuple[Span, ...]

    def place(self, moment: datetime) -> float:
        """Where in the lecture `moment` is: 0 at the start, 1 at the end, never outside."""
        return min(1.0, max(0.0, (moment - self.start) / (self.end - self.start)))


def timeline(
    start: datetime,
    end: datetime,
    now: datetime,
    signals: Mapping[str, Sequence[datetime]],
    rules: Rules,
    unseen: Mapping[str, Sequence[Span]],
) -> Timeline | None:
    """`signals`, and what is `unseen` between them, are by camera.

    None before the start, when there is nothing to say yet.
    """
    until = min(end, now)
    if until <= start:
        return None
    latest = max((moment for moments in signals.values() for moment in moments), default=start)
    if start < latest < until and now - latest <= rules.gap:
        until = latest  # the next signal is due: what lies between is not lost yet
    cameras = tuple(
        Watched(camera, tuple(_clipped(covered_spans(signals[camera], rules, unseen.get(camera, ())), start, until)))
        for camera in sorted(signals)
    )
    gaps = uncovered((span for camera in cameras for span in camera.spans), Span(start, until))
    missed = sum((gap.end - gap.start for gap in gaps), timedelta())
    return Timeline(start, end, until, cameras, 1 - missed / (until - start), tuple(gaps))


def _clipped(spans: Sequence[Span], start: datetime, end: datetime) -> list[Span]:
    return joined(
        Span(max(span.start, start), min(span.end, end)) for span in spans if span.end > start and span.start < end
    )
