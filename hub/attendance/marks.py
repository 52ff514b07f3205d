"""The attendance engine's conclusions: one mark for each person of a lecture's roster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .coverage import Watch
from .records import Lecture, Mark, Rules, Sighting, Status
from .roster import Person

MINUTE = timedelta(minutes=1)
BY_HAND = "not taken by camera; mark by hand"
"""Said alike of everybody cameras do not recognise, whatever the reason: a register singles nobody out."""


def marks(
    lecture: Lecture,
    roster: Sequence[Person],
    sightings: Iterable[Sighting],
    watch: Watch,
    rules: Rules,
    as_of: datetime,
    zone: ZoneInfo,
    opens: Mapping[str, datetime] | None = None,
) -> list[Mark]:
    """A mark for each person of `roster`, in order of id; `zone` is for the times in `why`.

    A sighting counts when it is at a camera of the lecture's room (`watch.cameras`) and touches the time from
    `rules.early` before the start, or from `opens[person]` where that is later, to the end.

    - *present*, *late*: `rules.present_after` confirmed sightings, where one that lasts counts again for each
      `rules.sighting_gap` it lasted, so that staying in view never counts less than coming and going. Late when
      the first of them is more than `rules.late_after` after the start and the cameras watched enough of the time
      before that to have seen somebody who came in time; `minutes` are whole minutes from the start.
    - *not observed*: any less than that, for somebody trusting *absent* must be able to rely on it; nobody
      seen but the cameras watched too little; or a person cameras do not recognise.
    - *absent*: recognisable, not seen at all, and the cameras watched enough.
    - *open*: none of the above can be said before every camera of the room has delivered the lecture to its
      end, or `rules.patience` has run out at `as_of`.

    A last sighting well before the end is no evidence of leaving, so nobody is marked *left early*.
    """
    earliest = lecture.start - rules.early
    seen: dict[str, list[Sighting]] = {person.id: [] for person in roster}
    opening = {person: max(earliest, (opens or {}).get(person, earliest)) for person in seen}
    for sighting in sightings:
        if sighting.person not in seen or sighting.camera not in watch.cameras:
            continue
        if sighting.last >= opening[sighting.person] and sighting.first < lecture.end:
            seen[sighting.person].append(sighting)
    decided = watch.complete or as_of >= lecture.end + rules.patience
    judge = _Judge(lecture, watch, rules, decided, zone)
    recognisable = {person.id for person in roster if person.recognisable}
    return [judge.mark(person, seen[person], person in recognisable) for person in sorted(seen)]


class _Judge:
    def __init__(self, lecture: Lecture, watch: Watch, rules: Rules, decided: bool, zone: ZoneInfo) -> None:
        self.lecture = lecture
        self.watch = watch
        self.rules = rules
        self.rule_version = rules.version
        self.decided = decided
        self.zone = zone

    def mark(self, person: str, seen: list[Sighting], recognisable: bool) -> Mark:
        confirmed = [sighting for sighting in seen if sighting.confirmed]
        evidence = sorted(confirmed or seen, key=lambda s: (s.first, s.last, s.camera))
        minutes: int | None = None
        if sum(1 + (s.last - s.first) // self.rules.sighting_gap for s in confirmed) >= self.rules.present_after:
            status, minutes, why = self._came(evidence)
        elif not self.decided:
            status, why = Status.OPEN, "not decided yet: the lecture is not over, or a camera may still deliver"
        elif confirmed:
            needed = self.rules.present_after
            status, why = Status.NOT_OBSERVED, f"{self._seen(evidence)}; {needed} sightings are needed; look at it"
        elif evidence:
            status, why = Status.NOT_OBSERVED, self._uncertain(evidence)
        elif not recognisable or not self.watch.cameras:
            status, why = Status.NOT_OBSERVED, BY_HAND
        else:
            status, why = self._missed()
        best = max(evidence, key=lambda s: (s.crop is not None, s.best_score), default=None)
        return Mark(
            person=person,
            lecture=self.lecture.id,
            status=status,
            minutes=minutes,
            why=why,
            first=evidence[0].first if evidence else None,
            last=max(s.last for s in evidence) if evidence else None,
            sightings=len(confirmed),
            best_score=max((s.best_score for s in evidence), default=None),
            cameras=tuple(sorted({s.camera for s in evidence})),
            coverage=self.watch.share,
            crop=best.crop if best else None,
            rule_version=self.rule_version,
        )

    def _came(self, confirmed: Sequence[Sighting]) -> tuple[Status, int | None, str]:
        behind = confirmed[0].first - self.lecture.start
        if behind <= self.rules.late_after:
            return Status.PRESENT, None, self._seen(confirmed)
        why = self._seen(confirmed)
        known, until = self._watched_before(confirmed[0].first)
        if known < self.rules.enough_coverage:
            watched = f"the cameras watched only {int(known * 100)} % of the time" if known else "no camera watched"
            return Status.PRESENT, None, f"{why}; whether in time is not known: {watched} until {self._time(until)}"
        lost = self._lost(until=confirmed[0].first)
        if lost:
            why += f"; may have come earlier, for the cameras were not watching {lost}"
        return Status.LATE, behind // MINUTE, why

    def _watched_before(self, first: datetime) -> tuple[float, datetime]:
        """How much of the time in which one is in time the cameras watched, 0..1, and when that time ends.

        At least `rules.gap` is asked for, because less is no time to see anybody in; what comes after `first`
        matters to nobody.
        """
        start = self.lecture.start
        until = min(first, start + max(self.rules.late_after, self.rules.gap))
        lost = sum((min(gap.end, until) - gap.start for gap in self.watch.gaps if gap.start < until), timedelta())
        return (until - start - lost) / (until - start), until

    def _missed(self) -> tuple[Status, str]:
        if not self.watch.share:
            return Status.NOT_OBSERVED, "no camera watched"
        percent = f"{int(self.watch.share * 100)} %"
        if self.watch.share >= self.rules.enough_coverage:
            return Status.ABSENT, f"not seen; the cameras watched {percent} of the lecture"
        why = f"not seen, but the cameras watched only {percent} of it (lost {self._lost(until=self.lecture.end)})"
        return Status.NOT_OBSERVED, why

    def _seen(self, evidence: Sequence[Sighting]) -> str:
        times = "once" if len(evidence) == 1 else f"{len(evidence)} times"
        best = max(s.best_score for s in evidence)
        return f"seen {times} from {self._time(evidence[0].first)} at {_places(evidence)}, best score {best:.2f}"

    def _uncertain(self, evidence: Sequence[Sighting]) -> str:
        count = "one uncertain sighting" if len(evidence) == 1 else f"{len(evidence)} uncertain sightings"
        best = max(s.best_score for s in evidence)
        where = f"at {self._time(evidence[0].first)} at {_places(evidence)}"
        return f"{count}, {'first ' if len(evidence) > 1 else ''}{where}, best score {best:.2f}; look at it"

    def _lost(self, until: datetime) -> str:
        """The longest gaps of at least a minute before `until`, at most three, in order of time."""
        gaps = [(gap.start, min(gap.end, until)) for gap in self.watch.gaps if gap.start < until]
        long = sorted((gap for gap in gaps if gap[1] - gap[0] >= MINUTE), key=lambda gap: (gap[0] - gap[1], gap[0]))
        said = ", ".join(f"{self._time(start)}–{self._time(end)}" for start, end in sorted(long[:3]))
        return f"{said} and {len(long) - 3} more" if len(long) > 3 else said

    def _time(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%H:%M}"


def _places(evidence: Sequence[Sighting]) -> str:
    return " and ".join(sorted({s.camera for s in evidence}))
