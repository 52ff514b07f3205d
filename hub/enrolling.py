"""Enrolment with every recogniser in use: where one does not work, the others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from hub.enrolment import Enrolment, ImageResult, PersonResult
from hub.plugin import PluginError
from hub.portraits import Pupil
from hub.remote_galleries import RemoteGallery


@dataclass(frozen=True, slots=True)
class Stopped:
    """Enrolling for a recogniser ended before everybody was done; to be done again."""

    by: str
    why: PluginError


Result: TypeAlias = ImageResult | PersonResult | Stopped


class Enrolments:
    """Enrolment for every recogniser in use, by its id: embedders, and the `galleries` that services keep; `unable` are
    those that nobody can be enrolled for now."""

    def __init__(
        self,
        each: Mapping[str, Enrolment],
        galleries: Mapping[str, RemoteGallery],
        unable: Mapping[str, PluginError],
    ) -> None:
        self.each = each
        self.galleries = galleries
        self.unable = unable

    async def enrol(self, pupils: Sequence[Pupil]) -> AsyncIterator[Result]:
        """As `Enrolment.enrol`, for one recogniser after the other."""
        async for result in self.by_each(lambda enrolment: enrolment.enrol(pupils)):
            yield result

    async def by_each(
        self, work: Callable[[Enrolment], AsyncIterator[ImageResult | PersonResult]]
    ) -> AsyncIterator[Result]:
        """What `work` gives with each; where one fails the next goes on. Raises DatabaseError."""
        several = len(self.each) + len(self.unable) > 1
        for name, enrolment in self.each.items():
            by = name if several else ""
            try:
                async for result in work(enrolment):
                    yield replace(result, by=by)
            except PluginError as error:
                yield Stopped(by, error)
