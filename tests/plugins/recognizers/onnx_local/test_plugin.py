"""The whole recogniser on photographs, as the hub opens it."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import voluptuous as vol

from hub.pipeline.alone import Meant, alone
from hub.plugin import Embedder, NeedsHuman, Picture, RecognizerSpec
from hub.plugin.media import cut, enlarged
from plugins.recognizers import onnx_local
from plugins.recognizers.onnx_local import fras_plugins, open_recogniser

Config = Callable[..., dict[str, Any]]


def picture(path: Path, size: tuple[int, int] | None = None) -> Picture:
    image = cv2.imread(str(path))
    assert image is not None
    if size:
        image = cv2.resize(image, size)
    return Picture(np.ascontiguousarray(image[:, :, ::-1], np.uint8), image.shape[1], image.shape[0])


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_spec() -> None:
    (spec,) = fras_plugins()
    assert isinstance(spec, RecognizerSpec)
    assert spec.name == "onnx_local"
    assert vol.Schema(spec.config_schema)({}) == {"pack": "dlib", "min_face": 40, "megapixels": 8.3}
    for wrong in ({"min_face": 5}, {"threads": 0}, {"pack": 3}, {"megapixels": 0}, {"packs": "dlib"}):
        with pytest.raises(vol.Invalid):
            vol.Schema(spec.config_schema)(wrong)


def test_importing_the_plugin_imports_no_heavy_library() -> None:
    script = (
        "import sys, plugins.recognizers.onnx_local as p; p.fras_plugins(); "
        "print([name for name in ('cv2', 'onnx', 'onnxruntime', 'PIL', 'av') if name in sys.modules])"
    )
    root = Path(onnx_local.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        ("opencv_zoo", "run `fras models install opencv_zoo`"),
        ("nonsense", "there is no model pack 'nonsense'"),
        ("./nowhere", "is no model pack"),
    ],
)
async def test_a_pack_that_is_not_there(context: Any, config: Config, pack: str, message: str) -> None:
    with pytest.raises(NeedsHuman) as caught:
        async with open_recogniser(config(pack=pack), context):
            pass
    assert message in str(caught.value)


@pytest.mark.shared
async def test_any_folder_with_a_manifest(context: Any, config: Config, reid_pack: Path, shared: Path) -> None:
    scenes = shared / "data" / "scenes"
    async with open_recogniser(config(pack="packs/yunet_reid", threads=2), context) as engine:
        assert isinstance(engine, Embedder)
        assert engine.model.id.startswith("yunet_reid-")
        assert (engine.model.dimension, engine.model.metric, engine.model.min_face) == (256, "cosine", 40)
        kit, rose, both, four = await asyncio.gather(
            *(
                engine.analyse([picture(path)], mirror=True)
                for path in (
                    *(next((scenes / "enrol" / name).iterdir()) for name in ("kit_harington", "rose_leslie")),
                    scenes / "test" / "kit_with_rose.jpg",
                    scenes / "groups" / "bbt1.jpg",
                )
            )
        )
        faces = both[0].faces
        table = [[cosine(face.embedding, one[0].faces[0].embedding) for one in (kit, rose)] for face in faces]
        assert sorted(np.argmax(table, axis=1)) == [0, 1]
        assert min(max(row) for row in table) > engine.model.threshold > max(min(row) for row in table)
        assert len(four[0].faces) == 4
        sizes = [face.box.w * face.box.h for face in four[0].faces]
        assert sizes == sorted(sizes, reverse=True)
        assert all(face.quality.sharpness > 5 and abs(face.quality.roll) < 30 for face in four[0].faces)
    assert context.messages == ["model pack yunet_reid: building it, once"]


@pytest.mark.shared
async def test_dlib_is_built_on_first_use_and_finds_small_faces(context: Any, config: Config, shared: Path) -> None:
    group = picture(shared / "data" / "scenes" / "groups" / "bbt3.jpg")
    empty = Picture(np.full((240, 320, 3), 127, np.uint8), 320, 240)
    async with open_recogniser(config(), context) as engine:
        group_sight, empty_sight = await engine.analyse([group, empty])
        assert len(group_sight.faces) == 5
        assert min(face.quality.size for face in group_sight.faces) < 60
        assert empty_sight.faces == ()
        assert empty_sight.too_small == ()
        first = engine.model
    assert any("1 of 3" in message for message in context.messages)
    context.messages.clear()
    async with open_recogniser(config(min_face=80, models_folder="data/models"), context) as engine:
        (sight,) = await engine.analyse([group])
        assert len(sight.faces) < 5
        assert engine.model.id == first.id
        assert engine.model.min_face == 80
    assert context.messages == []


@pytest.mark.shared
async def test_large_faces_are_found_in_a_shrunk_copy_just_as_well(
    context: Any, config: Config, reid_pack: Path, shared: Path
) -> None:
    portrait = picture(shared / "data" / "scenes" / "test" / "obama1.jpg")
    sights = []
    for min_face in (40, 200):
        async with open_recogniser(config(pack=str(reid_pack), min_face=min_face), context) as engine:
            sights += await engine.analyse([portrait])
    (usual,), (shrunk,) = (sight.faces for sight in sights)
    assert shrunk.box.w == pytest.approx(usual.box.w, rel=0.1)
    assert cosine(usual.embedding, shrunk.embedding) > 0.9


@pytest.mark.shared
async def test_twelve_megapixels_in_bounded_memory(context: Any, config: Config, reid_pack: Path, shared: Path) -> None:
    path = shared / "data" / "scenes" / "groups" / "bbt1.jpg"
    async with open_recogniser(config(pack=str(reid_pack)), context) as engine:
        small = await engine.analyse([picture(path)])
        large = picture(path, (4000, 3000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        (sight,) = await engine.analyse([large])
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert len(sight.faces) == len(small[0].faces) == 4
    assert grown < 600, f"{grown:.0f} MiB"


@pytest.mark.shared
async def test_neighbours_too_small_to_be_recognised_are_in_no_crop(
    context: Any, config: Config, reid_pack: Path, shared: Path
) -> None:
    """A face of 60 pixels beside one of 200: once by the box that the detector gives, once by the second look alone."""
    kit, rose = (
        picture(next((shared / "data" / "scenes" / "enrol" / name).iterdir()))
        for name in ("kit_harington", "rose_leslie")
    )
    async with open_recogniser(config(pack=str(reid_pack)), context) as keen:
        near, far = (sight.faces[0].box for sight in await keen.analyse([kit, rose]))
        side = 200 / min(near.w, near.h)
        shown = enlarged(kit, side)
        pixels = np.pad(shown.pixels, ((0, 0), (0, 200), (0, 0)), mode="edge")
        behind = enlarged(cut(rose, far, 0.2), 60 / min(far.w, far.h)).pixels
        height, width = behind.shape[:2]
        top, left = round(near.y * side), round((near.x + near.w) * side) + 5
        pixels[top : top + height, left : left + width] = behind
        frame = Picture(pixels, pixels.shape[1], pixels.shape[0])
        async with open_recogniser(config(pack=str(reid_pack), min_face=100), context) as coarse:
            (sight,) = await coarse.analyse([frame])
            (face,) = sight.faces
            crops = [cut(frame, face.box, 0.5), cut(frame, face.box, 0.5, sight.too_small)]
            crops += await alone(coarse, [Meant(frame, face.box, ())], 0.5, 400)
        assert [len(seen.faces) for seen in await keen.analyse(crops)] == [2, 1, 1]
