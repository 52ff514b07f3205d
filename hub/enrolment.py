"""From portraits to templates: every picture that does not serve is told why, and an interruption loses nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import uuid6

from hub.db import consent, enrolments, people, templates
from hub.db.engine import Database
from hub.db.enrolments import EnrolmentImage, State
from hub.db.people import Person
from hub.plugin import Clock, Embedder, Embedding, Face, Picture, Storage
from hub.plugin.media import MOST_BYTES, Unreadable, crop_jpeg, decode
from hub.portraits import Pupil
from hub.recognition.consent import Consent, standing
from hub.recognition.enrolment import Refusal, judge, portrayed
from hub.recognition.gallery import NumpyGallery
from hub.recognition.policy import Policy
from hub.recognition.templates import Template, template

T = TypeVar("T")

LONGEST = 1600
"""Pixels on the longer side that a portrait needs: a phone's JPEG is decoded at a half, in a quarter of the memory."""
BATCH = 8
"""Portraits decoded and analysed together."""
AHEAD = 2
"""Batches decoded while one is analysed."""
PORTRAITS = "portraits/"
PORTRAIT_MARGIN = 0.6
"""What is kept around an enrolled face, as a share of its box, so that another model can find and align it anew."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What somebody signed for people to be enrolled."""

    state: Consent
    signer: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one portrait. `refusal` is empty for one that serves; `new` is False for one judged before."""

    person: str
    path: Path
    refusal: str
    new: bool = True


@dataclass(frozen=True, slots=True)
class PersonResult:
    """One person is done: how many portraits the template rests on (0: there is none)."""

    person: str
    images: int


async def register_people(
    database: Database, pupils: Sequence[Pupil], signature: Signature | None, clock: Clock
) -> dict[str, Consent]:
    """Enters people with their consent and answers those whose consent does not stand, and what it amounts to.

    The same signature for somebody whose latest word from that signer says so already is not written again.
    """
    now = clock.now()
    async with database.write() as connection:
        await people.add(connection, *(Person(pupil.id, pupil.name, pupil.class_name) for pupil in pupils))
        said = await consent.by_person(connection)
        for pupil in pupils:
            events = said.setdefault(pupil.id, [])
            if signature is None:
                continue
            earlier = [event for event in events if event.signer == signature.signer]
            if earlier and earlier[-1].state is signature.state and earlier[-1].notice_version == signature.notice:
                continue
            events.append(
                await consent.append(
                    connection,
                    person=pupil.id,
                    signer=signature.signer,
                    state=signature.state,
                    at=now,
                    notice_version=signature.notice,
                )
            )
            if standing(events, now) is not Consent.GRANTED:
                await templates.remove(connection, pupil.id)
                await enrolments.forget_embeddings(connection, pupil.id)
    amounts_to = {pupil.id: standing(said[pupil.id], now) for pupil in pupils}
    return {person: state for person, state in amounts_to.items() if state is not Consent.GRANTED}


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A portrait on its way: `content` is the picture, or why there is none, or None when it was judged before."""

    pupil: Pupil
    path: Path
    sha256: str
    content: Picture | str | None


@dataclass(slots=True, eq=False)
class _Seen:
    """What the recogniser saw of one pupil's new portraits so far."""

    refused: list[tuple[_Read, str]] = field(default_factory=list)
    faces: list[tuple[_Read, Face]] = field(default_factory=list)


class Enrolment:
    """Makes templates of portraits of people whose consent stands. One person is one transaction."""

    def __init__(self, database: Database, embedder: Embedder, storage: Storage, policy: Policy, clock: Clock) -> None:
        self._database = database
        self._embedder = embedder
        self._storage = storage
        self._policy = policy
        self._clock = clock

    async def enrol(self, pupils: Sequence[Pupil]) -> AsyncIterator[ImageResult | PersonResult]:
        """Enrols `pupils` in order; each portrait's result comes once its person is done."""
        seen = {pupil.id: _Seen() for pupil in pupils}
        missing = {pupil.id: len(pupil.portraits) for pupil in pupils}
        for pupil in pupils:
            if not pupil.portraits:
                yield PersonResult(pupil.id, 0)
        async for batch in self._read_ahead(pupils):
            await self._look(batch, seen)
            for read in batch:
                missing[read.pupil.id] -= 1
                if read.content is None:
                    yield ImageResult(read.pupil.id, read.path, "", new=False)
                if not missing[read.pupil.id]:
                    for result in await self._settle(read.pupil, seen.pop(read.pupil.id)):
                        yield result

    async def _read_ahead(self, pupils: Sequence[Pupil]) -> AsyncIterator[list[_Read]]:
        """Portraits in batches, the next ones decoded in a thread meanwhile."""
        known: dict[str, set[str]] = {}
        async with self._database.read() as connection:
            for pupil in pupils:
                known[pupil.id] = await enrolments.known(connection, pupil.id, self._embedder.model.id)
        batches = _batches((pupil, path) for pupil in pupils for path in pupil.portraits)
        coming: list[asyncio.Task[list[_Read]]] = []
        try:
            for batch in batches:
                coming.append(asyncio.create_task(asyncio.to_thread(_read_all, batch, known)))
                if len(coming) > AHEAD:
                    yield await coming.pop(0)
            while coming:
                yield await coming.pop(0)
        finally:
            await asyncio.gather(*coming, return_exceptions=True)

    async def _look(self, batch: Sequence[_Read], seen: dict[str, _Seen]) -> None:
        pictures = [read.content for read in batch if isinstance(read.content, Picture)]
        sights = iter(await self._embedder.analyse(pictures, mirror=True))
        for read in batch:
            if isinstance(read.content, str):
                seen[read.pupil.id].refused.append((read, f"{Refusal.UNREADABLE}: {read.content}"))
            elif isinstance(read.content, Picture):
                face = portrayed(next(sights), self._policy.gates)
                if isinstance(face, Refusal):
                    seen[read.pupil.id].refused.append((read, str(face)))
                else:
                    seen[read.pupil.id].faces.append((read, face))

    async def _settle(self, pupil: Pupil, seen: _Seen) -> list[ImageResult | PersonResult]:
        """Judges the person's portraits, old and new, together; stores what became of them, and the template.

        Only portraits that serve leave an embedding and a kept picture.
        """
        model = self._embedder.model
        async with self._database.read() as connection:
            judged = await enrolments.of_person(connection, pupil.id, model.id)
            ids, matrix = await templates.all(connection, model.id)
        old = [image for image in judged if image.embedding is not None]
        new = [await self._kept(read, face) for read, face in seen.faces]
        portraits = old + new
        vectors = np.stack([_vector(image) for image in portraits]) if portraits else np.zeros((0, model.dimension))
        gallery = NumpyGallery(ids, matrix, model.metric, version=0)
        verdicts = judge(vectors, pupil.id, gallery, self._policy.thresholds)
        serving = [index for index, verdict in enumerate(verdicts) if verdict.refusal is None]
        rows = [
            image if verdict.refusal is None else _refused(image, verdict.text)
            for image, verdict in zip(portraits, verdicts, strict=True)
        ]
        rows += [self._row(read, state=State.REFUSED, reason=reason) for read, reason in seen.refused]
        made = template(vectors[serving], model.metric, self._policy.thresholds.threshold) if serving else None
        stands = await self._store(pupil.id, rows, made)
        obsolete = [image for image, row in zip(portraits, rows, strict=False) if not stands or row.crop_key is None]
        for image in obsolete:
            if image.crop_key is not None:
                await self._storage.delete(image.crop_key)
        refusals = [(read, verdict.text) for (read, _), verdict in zip(seen.faces, verdicts[len(old) :], strict=True)]
        results: list[ImageResult | PersonResult] = [
            ImageResult(pupil.id, read.path, refusal) for read, refusal in refusals + seen.refused
        ]
        return [*results, PersonResult(pupil.id, len(made.used) if made and stands else 0)]

    async def _store(self, person: str, rows: Sequence[EnrolmentImage], made: Template | None) -> bool:
        """Writes a person's portraits and template, unless consent has ceased to stand meanwhile: then nothing."""
        now = self._clock.now()
        async with self._database.write() as connection:
            if standing(await consent.events(connection, person), now) is not Consent.GRANTED:
                return False
            await enrolments.record(connection, *rows)
            if made is None:
                await templates.remove(connection, person)
            else:
                model_id = self._embedder.model.id
                await templates.replace(connection, person, model_id, made.vector, len(made.used))
        return True

    async def _kept(self, read: _Read, face: Face) -> EnrolmentImage:
        """A portrait with its face, whose picture is in storage before its row is written."""
        assert isinstance(read.content, Picture)
        key = f"{PORTRAITS}{uuid6.uuid7()}.jpg"
        jpeg = await asyncio.to_thread(crop_jpeg, read.content, face.box, PORTRAIT_MARGIN)
        await self._storage.put(key, jpeg)
        quality = asdict(face.quality)
        return self._row(read, state=State.ACCEPTED, quality=quality, embedding=face.embedding, crop_key=key)

    def _row(self, read: _Read, **what: Any) -> EnrolmentImage:
        return EnrolmentImage(read.pupil.id, read.sha256, self._embedder.model.id, **what)


def _refused(image: EnrolmentImage, reason: str) -> EnrolmentImage:
    return replace(image, state=State.REFUSED, reason=reason, embedding=None, crop_key=None)


def _vector(image: EnrolmentImage) -> Embedding:
    assert image.embedding is not None
    return image.embedding


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _read_all(portraits: Sequence[tuple[Pupil, Path]], known: Mapping[str, set[str]]) -> list[_Read]:
    return [_read(pupil, path, known[pupil.id]) for pupil, path in portraits]


def _read(pupil: Pupil, path: Path, known: set[str]) -> _Read:
    try:
        if path.stat().st_size > MOST_BYTES:
            return _Read(pupil, path, "", f"larger than {MOST_BYTES // 10**6} MB; save it smaller")
        data = path.read_bytes()
    except OSError as error:
        return _Read(pupil, path, "", f"it cannot be read: {error.strerror}")
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 in known:
        return _Read(pupil, path, sha256, None)
    known.add(sha256)
    try:
        return _Read(pupil, path, sha256, decode(data, longest=LONGEST))
    except Unreadable as problem:
        return _Read(pupil, path, sha256, str(problem))
