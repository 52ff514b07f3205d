"""What every overview is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hub.attendance.records import Lecture
from hub.attendance.timetable import lectures_on
from hub.db.engine import Database
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class View:
    """The school as it is at `now` (UTC), which one answer shows throughout."""

    database: Database
    settings: Settings
    now: datetime
    _timetables: dict[date, list[Lecture]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def zone(self) -> ZoneInfo:
        return self.settings.school.time_zone

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def hours(self, day: date) -> tuple[datetime, datetime]:
        """A local date as [start, end), UTC."""
        start, end = (
            datetime.combine(each, time.min, tzinfo=self.zone).astimezone(UTC)
            for each in (day, day + timedelta(days=1))
        )
        return start, end

    def timetable(self, day: date) -> list[Lecture]:
        """The lectures that the timetable gives a local date, by time."""
        if day not in self._timetables:
            self._timetables[day] = lectures_on(day, self.settings.timetable, self.zone)
        return self._timetables[day]

    def cameras_in(self, room: str) -> list[str]:
        return sorted(camera.id for camera in self.settings.cameras if camera.room == room)
