"""The gallery a running hub searches: in memory, half a second behind the database at most, or in the database."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import chain

import numpy as np
import numpy.typing as npt

from hub.db import consent, templates
from hub.db.engine import Database
from hub.plugin import Candidate, Clock
from hub.recognition.consent import Consent, invented, next_change, standing
from hub.recognition.gallery import NumpyGallery

FRESH = 0.5
"""Seconds for which the gallery is used without asking the database whether it changed."""


class GalleryKeeper:
    """Loads the templates of people whose consent stands, again whenever the database's gallery version moves; from
    one that compares templates itself only those near to a face, as of the very moment, at each search.

    Consent is judged at every load, and an expiry forces one: nobody is recognised on a lapsed grant.
    Of real people, or of those `invented` for the demo: never of both.
    """

    def __init__(self, database: Database, model_id: str, metric: str, clock: Clock, *, invented: bool = False) -> None:
        self.model_id = model_id
        self._invented = invented
        self._database = database
        self._metric = metric
        self._clock = clock
        self._gallery = NumpyGallery.empty(metric)
        self._consenting: frozenset[str] = frozenset()
        self._version: int | None = None
        self._checked_at = float("-inf")
        self._next_change: datetime | None = None
        self._turn = asyncio.Lock()

    async def search(self, probes: npt.NDArray[np.float32], k: int) -> list[list[Candidate]]:
        if self._database.searches:
            gallery = await self._near(probes, k)
        else:
            await self._keep_up()
            gallery = self._gallery
        return await gallery.search(probes, k)

    async def consenting(self) -> frozenset[str]:
        await self._keep_up()
        return self._consenting

    async def _near(self, probes: npt.NDArray[np.float32], k: int) -> NumpyGallery:
        """Those whom the database finds near: scored here, they are the same candidates with the same scores."""
        async with self._database.read() as connection:
            people, matrix = await templates.nearest(
                connection, self.model_id, probes, k, self._metric, invented=self._invented, at=self._clock.now()
            )
        return NumpyGallery(people, matrix, self._metric, version=0)

    async def _keep_up(self) -> None:
        async with self._turn:
            now = self._clock.now()
            due = self._next_change is not None and now >= self._next_change
            if due or self._clock.monotonic() - self._checked_at >= FRESH:
                await self._refresh(now, force=due)

    async def _refresh(self, now: datetime, *, force: bool) -> None:
        checked_at = self._clock.monotonic()
        async with self._database.read() as connection:
            version = await templates.version(connection)
            if version == self._version and not force:
                self._checked_at = checked_at
                return
            events = await consent.by_person(connection)
            loaded = None if self._database.searches else await templates.all(connection, self.model_id)
        granted = {
            person
            for person, said in events.items()
            if invented(said) is self._invented and standing(said, now) is Consent.GRANTED
        }
        if loaded:
            people, matrix = loaded
            keep = [row for row, person in enumerate(people) if person in granted]
            self._gallery = NumpyGallery([people[row] for row in keep], matrix[keep], self._metric, version)
        self._consenting = frozenset(granted)
        self._next_change = next_change(chain.from_iterable(events.values()), now)
        self._version = version
        self._checked_at = checked_at
