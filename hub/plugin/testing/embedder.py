"""What the hub relies on in a recogniser that gives embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from hub.plugin.roles import Embedder
from hub.plugin.specs import RecognizerSpec
from hub.plugin.types import Box, Embedding, Face, Picture, Pixels, Sight

from .base import Opener, PluginContract
from .ticks import keeps_ticking

ALIKE = 0.99
"""Cosine of one face's embeddings computed in different company (a batch may round differently)."""
MIRRORED_ALIKE = 0.95
"""Cosine of mirrored templates of a picture and its mirror image; a detector is not quite symmetric."""


class EmbedderContract(PluginContract):
    """Override `pictures` with two or more pictures, each with a clear face; without, tests of faces skip."""

    kind = RecognizerSpec

    @pytest.fixture
    def pictures(self) -> Sequence[Picture]:
        return []

    @pytest.fixture
    def with_faces(self, pictures: Sequence[Picture]) -> Sequence[Picture]:
        if len(pictures) < 2:
            pytest.skip("no pictures of faces: override the fixture `pictures`")
        return pictures

    async def test_its_model_says_what_the_embeddings_mean(self, opener: Opener) -> None:
        models = []
        for _ in range(2):
            async with opener() as embedder:
                assert isinstance(embedder, Embedder)
                models.append(embedder.model)
        model = models[0]
        assert model == models[1], "reopening must not change the model"
        assert model.id
        assert model.dimension > 0
        assert model.metric in ("cosine", "euclidean")
        assert model.single_frame >= model.threshold
        assert model.margin >= 0
        assert model.min_face > 0

    async def test_pictures_without_faces(self, opener: Opener) -> None:
        grey = _picture(np.full((240, 320, 3), 127, np.uint8))
        noise = _picture(np.random.default_rng(7).integers(0, 256, (200, 300, 3), np.uint8))
        tiny, strip = _picture(np.zeros((1, 1, 3), np.uint8)), _picture(np.zeros((3, 900, 3), np.uint8))
        async with opener() as embedder:
            assert await embedder.analyse([]) == []
            sights = await embedder.analyse([grey, noise, tiny, strip])
        assert [sight.faces for sight in sights] == [(), (), (), ()]

    async def test_a_sight_for_each_picture_in_order(self, opener: Opener, with_faces: Sequence[Picture]) -> None:
        grey = _picture(np.full((240, 320, 3), 127, np.uint8))
        async with opener() as embedder:
            model = embedder.model
            async with keeps_ticking(self.longest_block):
                together = await embedder.analyse([grey, *with_faces, grey])
            alone = [(await embedder.analyse([picture]))[0] for picture in with_faces]
        assert len(together) == len(with_faces) + 2
        assert together[0].faces == together[-1].faces == ()
        for picture, sight, single in zip(with_faces, together[1:-1], alone, strict=True):
            assert sight.faces, "found no face where there is one"
            _check_faces(sight, picture, model.dimension)
            _check_same(sight, single)

    async def test_calls_at_the_same_time_do_not_mix(self, opener: Opener, with_faces: Sequence[Picture]) -> None:
        async with opener() as embedder:
            expected = await embedder.analyse(with_faces)
            results = await asyncio.gather(*(embedder.analyse([picture]) for picture in list(with_faces) * 2))
        for sight, (found,) in zip(list(expected) * 2, results, strict=True):
            _check_same(sight, found)

    async def test_mirroring_averages_a_face_with_its_mirror_image(
        self, opener: Opener, with_faces: Sequence[Picture]
    ) -> None:
        picture = with_faces[0]
        flipped = Picture(np.ascontiguousarray(picture.pixels[:, ::-1]), picture.width, picture.height, picture.scale)
        async with opener() as embedder:
            (plain,) = await embedder.analyse([picture])
            (mirrored,) = await embedder.analyse([picture], mirror=True)
            (other_way,) = await embedder.analyse([flipped], mirror=True)
        assert [face.box for face in plain.faces] == [face.box for face in mirrored.faces]
        assert not np.array_equal(plain.faces[0].embedding, mirrored.faces[0].embedding)
        assert _cosine(mirrored.faces[0].embedding, other_way.faces[0].embedding) >= MIRRORED_ALIKE

    async def test_boxes_are_in_pixels_of_the_original(self, opener: Opener, with_faces: Sequence[Picture]) -> None:
        picture = with_faces[0]
        enlarged = np.ascontiguousarray(picture.pixels.repeat(2, axis=0).repeat(2, axis=1))
        height, width = picture.pixels.shape[:2]
        as_original = Picture(enlarged, 2 * width, 2 * height)
        as_reduced = Picture(enlarged, 4 * width, 4 * height, 0.5)
        async with opener() as embedder:
            (original,) = await embedder.analyse([as_original])
            (reduced,) = await embedder.analyse([as_reduced])
        assert original.faces, "found no face in the enlarged picture"
        assert reduced.faces, "found no face in the picture that was decoded at half its size"
        halved = [Box(box.x / 2, box.y / 2, box.w / 2, box.h / 2) for box in (face.box for face in reduced.faces)]
        assert max(_overlap(original.faces[0].box, box) for box in halved) > 0.5


def _picture(pixels: Pixels) -> Picture:
    return Picture(pixels, pixels.shape[1], pixels.shape[0])


def _check_faces(sight: Sight, picture: Picture, dimension: int) -> None:
    sizes = [face.box.w * face.box.h for face in sight.faces]
    assert sizes == sorted(sizes, reverse=True), "faces come largest first"
    for face in sight.faces:
        _check_face(face, picture, dimension)
    for box in sight.too_small:
        _check_place(box, picture)


def _check_face(face: Face, picture: Picture, dimension: int) -> None:
    assert face.embedding.shape == (dimension,)
    assert face.embedding.dtype == np.float32
    assert np.isfinite(face.embedding).all()
    assert np.isfinite(face.score)
    assert face.quality.size > 0
    assert face.quality.sharpness >= 0
    assert face.box.w > 0
    assert face.box.h > 0
    _check_place(face.box, picture)


def _check_place(box: Box, picture: Picture) -> None:
    """A face at the edge may reach over it; its middle may not."""
    assert 0 <= box.x + box.w / 2 <= picture.width
    assert 0 <= box.y + box.h / 2 <= picture.height


def _check_same(one: Sight, other: Sight) -> None:
    assert len(one.faces) == len(other.faces)
    for a, b in zip(one.faces, other.faces, strict=True):
        assert _overlap(a.box, b.box) > 0.9
        assert _cosine(a.embedding, b.embedding) >= ALIKE


def _cosine(a: Embedding, b: Embedding) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    height = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a.w * a.h + b.w * b.h - shared)
