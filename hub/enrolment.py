"""From portraits to templates: every picture that does not serve is told why, and an interruption loses nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from hub.crops import PORTRAITS, delete_all
from hub.db import consent, enrolments, templates
from hub.db.engine import Database
from hub.db.enrolments import EnrolmentImage, State
from hub.picture_keys import PictureKeys
from hub.pipeline.alone import Meant, alone
from hub.pipeline.apart import apart
from hub.plugin import Box, Clock, Embedder, Embedding, Face, Picture, PluginError, Sight, Storage
from hub.plugin.media import crop_jpeg
from hub.portrait_reading import Read, Reader, from_storage, read_files
from hub.portraits import Pupil
from hub.recognition.enrolment import Refusal, Verdict, judge, portrayed
from hub.recognition.gallery import NumpyGallery
from hub.recognition.policy import Policy
from hub.recognition.templates import Template, template

K = TypeVar("K")
T = TypeVar("T")

BATCH = 8
"""Portraits decoded and analysed together."""
AHEAD = 2
"""Batches decoded while one is analysed."""
PORTRAIT_MARGIN = 0.6
"""What is kept around an enrolled face, as a share of its box, so that another model can find and align it anew."""
PORTRAIT_SIDE = 640
"""Longer side of what is kept, in pixels: a face has 200 of them and more, where its portrait does (Microsoft's advice
for enrolling; with the margins, up to a face 1.45 times as high as wide)."""
COMPARED = 1000
"""Portraits compared with every template at once."""
NO_CONSENT = "consent has ceased to stand"


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one portrait. `refusal` is empty for one that serves; `new` is False for one judged before.

    `by` names the recogniser where there are several.
    """

    person: str
    path: Path
    refusal: str
    new: bool = True
    by: str = ""


@dataclass(frozen=True, slots=True)
class PersonResult:
    """One person is done: how many portraits the template rests on (0: there is none)."""

    person: str
    images: int
    by: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """What the recogniser made of a portrait: a face with its picture (JPEG), or a refusal, or neither when it is one
    that was looked at before. Without `sha256` it is not a picture worth remembering."""

    path: Path
    sha256: str = ""
    refusal: str = ""
    face: Face | None = None
    jpeg: bytes = b""
    new: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What one run of enrolment knows.

    `owners` says whose each portrait is, by SHA-256. `before` are the templates of everybody and `others` those of
    people who are not enrolled in this run. `paths` is where portraits were found, and `disagreeing` are embeddings
    of those that do not look like their person's others: both by person and SHA-256, and never stored.
    """

    owners: dict[str, str]
    before: Mapping[str, Embedding]
    others: NumpyGallery
    paths: dict[tuple[str, str], Path] = field(default_factory=dict)
    disagreeing: dict[tuple[str, str], Embedding] = field(default_factory=dict)


class Enrolment:
    """Makes templates of portraits of people whose consent stands. One person is one transaction."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        storage: Storage,
        policy: Policy,
        clock: Clock,
        keys: PictureKeys,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._storage = storage
        self._policy = policy
        self._clock = clock
        self._keys = keys

    @property
    def model_id(self) -> str:
        return self._embedder.model.id

    async def enrol_kept(self, kept: Mapping[str, Mapping[str, str]]) -> AsyncIterator[ImageResult | PersonResult]:
        """As `enrol`, with the pictures that storage keeps of earlier portraits: their keys by person and by the
        SHA-256 of the portrait, which stays the portrait's identity."""

        pupils = [Pupil(person, None, None, tuple(map(Path, sorted(keys)))) for person, keys in sorted(kept.items())]
        async for result in self.enrol(pupils, from_storage(self._storage, kept)):
            yield result

    async def enrol(
        self, pupils: Sequence[Pupil], reader: Reader = read_files
    ) -> AsyncIterator[ImageResult | PersonResult]:
        """Enrols `pupils`; each portrait's result comes once its person is done.

        In the end everybody is compared with everybody, so that the order of people makes no difference. What that
        changes comes again: a later result for the same portrait or person replaces the earlier.
        """
        run = await self._begin(pupils)
        looked: dict[str, list[_Looked]] = {pupil.id: [] for pupil in pupils}
        missing = Counter({pupil.id: len(pupil.portraits) for pupil in pupils})
        for pupil in pupils:
            if not pupil.portraits:
                for result in await self._settle(pupil.id, [], run):
                    yield result
        async for batch in self._read_ahead(pupils, dict(run.owners), reader):
            for read, seen in zip(batch, await self._look(batch, run), strict=True):
                person = read.pupil.id
                looked[person].append(seen)
                missing[person] -= 1
                if not missing[person]:
                    for result in await self._settle(person, looked.pop(person), run):
                        yield result
        async for result in self._compare(pupils, run):
            yield result

    async def _begin(self, pupils: Sequence[Pupil]) -> _Run:
        model = self._embedder.model
        async with self._database.read() as connection:
            owners = await enrolments.owners(connection, model.id)
        ids, matrix = await self._rivals(pupils)
        enrolled = {pupil.id for pupil in pupils}
        rest = [row for row, person in enumerate(ids) if person not in enrolled]
        others = NumpyGallery([ids[row] for row in rest], matrix[rest], model.metric, version=0)
        return _Run(owners, dict(zip(ids, matrix, strict=True)), others)

    async def _rivals(self, pupils: Sequence[Pupil]) -> tuple[list[str], npt.NDArray[np.float32]]:
        """The templates that portraits of `pupils` are compared with: real people never with those of the demo."""
        async with self._database.read() as connection:
            ids, matrix = await templates.all(connection, self._embedder.model.id)
            drawn = await consent.invented(connection)
        of_demo = all(pupil.id in drawn for pupil in pupils)
        rows = [row for row, person in enumerate(ids) if (person in drawn) is of_demo]
        return [ids[row] for row in rows], matrix[rows]

    async def _read_ahead(
        self, pupils: Sequence[Pupil], owners: Mapping[str, str], reader: Reader
    ) -> AsyncIterator[list[Read]]:
        """Portraits in batches, the next ones decoded in a thread meanwhile."""
        batches = _batches((pupil, path) for pupil in pupils for path in pupil.portraits)
        coming: list[asyncio.Future[list[Read]]] = []
        try:
            for batch in batches:
                coming.append(asyncio.ensure_future(reader(batch, owners)))
                if len(coming) > AHEAD:
                    yield await coming.pop(0)
            while coming:
                yield await coming.pop(0)
        finally:
            await asyncio.gather(*coming, return_exceptions=True)

    async def _look(self, batch: Sequence[Read], run: _Run) -> list[_Looked]:
        """What is seen in each portrait; of the pictures themselves only the faces' surroundings are kept."""
        pictures = [read.content for read in batch if isinstance(read.content, Picture)]
        sights = iter(await apart(partial(self._embedder.analyse, mirror=True), pictures))
        looked = []
        for read in batch:
            if read.content is None:
                looked.append(self._known(read, run))
            elif isinstance(read.content, str):
                looked.append(_Looked(read.path, read.sha256, f"{Refusal.UNREADABLE}: {read.content}"))
            elif isinstance(sight := next(sights), str):
                looked.append(_Looked(read.path, read.sha256, sight))
            else:
                face = portrayed(sight, self._policy.gates)
                owner = (
                    read.pupil.id if isinstance(face, Refusal) else run.owners.setdefault(read.sha256, read.pupil.id)
                )
                if isinstance(face, Refusal):
                    looked.append(_Looked(read.path, read.sha256, str(face)))
                elif owner != read.pupil.id:
                    looked.append(_Looked(read.path, refusal=f"it is a picture of somebody else, too: {owner}"))
                elif (owner, read.sha256) in run.paths:
                    looked.append(self._known(read, run))
                else:
                    run.paths[owner, read.sha256] = read.path
                    jpeg = await self._kept(read.content, sight, face)
                    looked.append(_Looked(read.path, read.sha256, face=face, jpeg=jpeg))
        return looked

    async def _kept(self, portrait: Picture, sight: Sight, face: Face) -> bytes:
        """What is kept of a portrait, and sent to services: the face's surroundings without whoever else is there."""
        others = [*(other.box for other in sight.faces if other is not face), *sight.too_small]
        (crop,) = await alone(self._embedder, [Meant(portrait, face.box, others)], PORTRAIT_MARGIN, PORTRAIT_SIDE)
        whole = Box(0, 0, crop.width, crop.height)
        return await asyncio.to_thread(crop_jpeg, crop, whole, 0, longest=PORTRAIT_SIDE)

    def _known(self, read: Read, run: _Run) -> _Looked:
        run.paths.setdefault((read.pupil.id, read.sha256), read.path)
        return _Looked(read.path, read.sha256, new=False)

    async def _settle(self, person: str, looked: Sequence[_Looked], run: _Run) -> list[ImageResult | PersonResult]:
        """Judges the person's portraits, old and new, together; stores what became of them, and the template."""
        images = await self._serving(person)
        images += [
            self._row(person, one, state=State.ACCEPTED, quality=asdict(one.face.quality), embedding=one.face.embedding)
            for one in looked
            if one.face
        ]
        verdicts = self._judge(images, person, run.others)
        pictures = {one.sha256: one.jpeg for one in looked if one.face}
        refused = [
            self._row(person, one, state=State.REFUSED, reason=one.refusal)
            for one in looked
            if one.refusal and one.sha256
        ]
        count = await self._keep(person, images, verdicts, pictures, refused, run.before.get(person))
        for image, verdict in zip(images, verdicts, strict=True):
            place = person, image.source_sha256
            if verdict.refusal is Refusal.DISAGREES and place in run.paths:
                run.disagreeing[place] = _vector(image)
        said = {image.source_sha256: verdict.text for image, verdict in zip(images, verdicts, strict=True)}
        results: list[ImageResult | PersonResult] = []
        for one in looked:
            refusal = one.refusal or said.get(one.sha256, "") or ("" if count is not None else NO_CONSENT)
            results.append(ImageResult(person, one.path, refusal, one.new))
        return [*results, PersonResult(person, count or 0)]

    async def _compare(self, pupils: Sequence[Pupil], run: _Run) -> AsyncIterator[ImageResult | PersonResult]:
        """Judges everybody's portraits again, against what everybody's had made before this began."""
        model = self._embedder.model
        ids, matrix = await self._rivals(pupils)
        async with self._database.read() as connection:
            accepted = await enrolments.accepted(connection, model.id)
        gallery = NumpyGallery(ids, matrix, model.metric, version=0)
        for (person, sha256), other in (await self._resembling(run.disagreeing, gallery)).items():
            yield ImageResult(person, run.paths[person, sha256], f"{Refusal.MATCHES_OTHER}: {other}")
        vectors = {(pupil.id, row): vector for pupil in pupils for row, vector in enumerate(accepted.get(pupil.id, ()))}
        for person in dict.fromkeys(person for person, _ in await self._resembling(vectors, gallery)):
            images = await self._serving(person)
            verdicts = self._judge(images, person, gallery)
            if all(verdict.refusal is None for verdict in verdicts):
                continue
            count = await self._keep(person, images, verdicts)
            for image, verdict in zip(images, verdicts, strict=True):
                path = run.paths.get((person, image.source_sha256))
                if verdict.refusal is not None and path is not None:
                    yield ImageResult(person, path, verdict.text)
            yield PersonResult(person, count or 0)

    async def _resembling(
        self, vectors: Mapping[tuple[str, K], Embedding], gallery: NumpyGallery
    ) -> dict[tuple[str, K], str]:
        """Whom each of these, by person and something else, would be recognised as, where that is somebody else."""
        found: dict[tuple[str, K], str] = {}
        for part in _batches(vectors.items(), COMPARED):
            near = await gallery.search(np.stack([vector for _, vector in part]), 2)
            for (key, _), candidates in zip(part, near, strict=True):
                for candidate in candidates:
                    if candidate.person != key[0] and candidate.score >= self._policy.thresholds.threshold:
                        found.setdefault(key, candidate.person)
        return found

    async def _serving(self, person: str) -> list[EnrolmentImage]:
        async with self._database.read() as connection:
            judged = await enrolments.of_person(connection, person, self._embedder.model.id)
        return [image for image in judged if image.embedding is not None]

    def _judge(self, images: Sequence[EnrolmentImage], person: str, gallery: NumpyGallery) -> list[Verdict]:
        if not images:
            return []
        return judge(np.stack([_vector(image) for image in images]), person, gallery, self._policy.thresholds)

    async def _keep(
        self,
        person: str,
        images: Sequence[EnrolmentImage],
        verdicts: Sequence[Verdict],
        pictures: Mapping[str, bytes] | None = None,
        others: Sequence[EnrolmentImage] = (),
        before: Embedding | None = None,
    ) -> int | None:
        """Stores what became of portraits, and the template of those that serve; answers how many it rests on.

        None when consent has ceased to stand meanwhile: then nothing is kept. `pictures` are those of new portraits
        (JPEG, by SHA-256): only one that serves goes into storage, before its row is written, and those of portraits
        that serve no longer leave it. `before` is the template there was.
        """
        rows: list[EnrolmentImage] = [*others]
        serving: list[Embedding] = []
        stored: list[str] = []
        try:
            for image, verdict in zip(images, verdicts, strict=True):
                if verdict.refusal is not None:
                    reason = str(verdict.refusal)  # without whom it looks like: that is somebody else's data
                    rows.append(replace(image, state=State.REFUSED, reason=reason, embedding=None, crop_key=None))
                    continue
                serving.append(_vector(image))
                if pictures and image.source_sha256 in pictures:
                    key = self._keys.new(PORTRAITS, self._clock.now())
                    stored.append(key)
                    await self._storage.put(key, pictures[image.source_sha256])
                    rows.append(replace(image, crop_key=key))
            made = self._template(serving)
            if not rows and made is not None and before is not None and np.array_equal(made.vector, before):
                return len(made.used)
            stands = await self._store(person, rows, made)
        except Exception:
            with suppress(PluginError):  # then they are orphans, which the hub sweeps
                await delete_all(self._storage, stored)
            raise
        old = [image.crop_key for image, verdict in zip(images, verdicts, strict=True) if verdict.refusal or not stands]
        await delete_all(self._storage, [*(key for key in old if key), *(() if stands else stored)])
        return (len(made.used) if made else 0) if stands else None

    def _template(self, vectors: Sequence[Embedding]) -> Template | None:
        if not vectors:
            return None
        return template(np.stack(vectors), self._embedder.model.metric, self._policy.thresholds.threshold)

    async def _store(self, person: str, rows: Sequence[EnrolmentImage], made: Template | None) -> bool:
        """Writes a person's portraits and template, unless consent has ceased to stand meanwhile: then nothing."""
        model_id, now = self._embedder.model.id, self._clock.now()
        async with self._database.write() as connection:
            if not await consent.granted(connection, [person], now):
                return False
            await enrolments.record(connection, *rows, at=now)
            if made is None:
                await templates.remove(connection, person, model_id, at=now)
            else:
                await templates.replace(connection, person, model_id, made.vector, len(made.used), at=now)
        return True

    def _row(self, person: str, looked: _Looked, **what: Any) -> EnrolmentImage:
        return EnrolmentImage(person, looked.sha256, self._embedder.model.id, **what)


def _vector(image: EnrolmentImage) -> Embedding:
    assert image.embedding is not None
    return image.embedding


def _batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
