"""What several operations begin with."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from aiohttp import web

from hub.overview.tally import Tally
from hub.overview.view import View
from hub.web import keys

from .records import Counts


def view_of(request: web.Request) -> View:
    """The school as it is now."""
    app = request.app
    return View(app[keys.DATABASE], app[keys.SETTINGS](), app[keys.CLOCK].now())


def whole_day(view: View, day: date) -> tuple[datetime, datetime]:
    """A local date as [start, end), UTC."""
    start, end = (
        datetime.combine(each, time.min, tzinfo=view.zone).astimezone(UTC) for each in (day, day + timedelta(days=1))
    )
    return start, end


def counts(tally: Tally) -> Counts:
    return Counts(**{name: getattr(tally, name) for name in Counts.__slots__})
