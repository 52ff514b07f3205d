"""Decoding, encoding and cropping: every format upright and in 8 bits, everything else refused with a reason."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hub.plugin import Box, Picture, Pixels
from hub.plugin.media import MOST_PIXELS, Unreadable, crop_jpeg, cut, decode, encode_jpeg
from tests.support.media import exif, gif_file, image_file, scene
from tests.support.media import timedelta_ms as ms

SCENE = scene(64, 48)
TURNS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}
"""EXIF 2.32, table 4: what turns the stored pixels into the upright ones."""


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference in 8-bit levels; pictures of different shapes are worlds apart."""
    if one.shape != other.shape:
        return 255.0
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def refused(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(data)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_exactly_once(kind: str, turn: int) -> None:
    stored = decode(image_file(SCENE, kind)).pixels
    picture = decode(image_file(SCENE, kind, exif=exif(turn=turn)))
    upright = np.ascontiguousarray(TURNS[turn](stored))
    assert np.array_equal(picture.pixels, upright)
    assert (picture.height, picture.width) == upright.shape[:2]


@pytest.mark.parametrize("turn", TURNS)
def test_orientation_of_a_reduced_jpeg(turn: int) -> None:
    stored = scene(165, 99)
    picture = decode(image_file(stored, exif=exif(turn=turn)), longest=80)
    upright = np.ascontiguousarray(TURNS[turn](stored))
    assert (picture.height, picture.width) == upright.shape[:2]
    assert picture.scale == 0.5
    height, width = upright.shape[:2]
    half = np.asarray(Image.fromarray(upright).resize((-(-width // 2), -(-height // 2)), Image.Resampling.BOX))
    assert difference(picture.pixels, half) < 4


@pytest.mark.parametrize("turn", [0, 9, 300])
def test_an_unknown_orientation_is_ignored(turn: int) -> None:
    assert decode(image_file(SCENE, "PNG", exif=exif(turn=turn))).pixels.shape == SCENE.shape


@pytest.mark.parametrize(
    ("kind", "mode", "tolerance"),
    [
        ("JPEG", "RGB", 3),
        ("JPEG", "CMYK", 3),
        ("PNG", "RGB", 0),
        ("PNG", "RGBA", 0),
        ("PNG", "P", 0),
        ("GIF", "P", 0),
        ("WEBP", "RGB", 6),
        ("BMP", "RGB", 0),
        ("TIFF", "RGB", 0),
        ("TIFF", "CMYK", 3),
        ("AVIF", "RGB", 6),
    ],
)
def test_formats_and_colour_models(kind: str, mode: str, tolerance: float) -> None:
    picture = decode(image_file(SCENE, kind, mode=mode))
    assert picture.pixels.dtype == np.uint8
    assert difference(picture.pixels, np.asarray(Image.fromarray(SCENE).convert(mode).convert("RGB"))) <= tolerance


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("PNG", "L"), ("PNG", "LA"), ("TIFF", "L"), ("PNG", "1")])
def test_grey_becomes_rgb(kind: str, mode: str) -> None:
    pixels = decode(image_file(SCENE, kind, mode=mode)).pixels
    assert pixels.shape == SCENE.shape
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    if mode != "1":
        assert difference(pixels[..., :1], np.asarray(Image.fromarray(SCENE).convert("L"))[..., None]) < 3


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    target = io.BytesIO()
    Image.fromarray(ramp).save(target, "PNG")
    assert np.array_equal(decode(target.getvalue()).pixels[..., 1], ramp >> 8)


def test_sixteen_bit_colour() -> None:
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in SCENE)
    header = struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    assert np.array_equal(decode(png(chunks)).pixels, SCENE)


def test_measurements_are_no_photograph() -> None:
    target = io.BytesIO()
    Image.fromarray(np.ones((8, 8), np.float32)).save(target, "TIFF")
    assert "not a photograph" in refused(target.getvalue())


def test_transparency_becomes_white() -> None:
    layers = np.dstack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8)])
    layers[:4, :, 3] = 0
    target = io.BytesIO()
    Image.fromarray(layers).save(target, "PNG")
    pixels = decode(target.getvalue()).pixels
    assert (pixels[:4] == 255).all()
    assert (pixels[4:] == 0).all()


def test_first_frame_of_an_animation() -> None:
    red, blue = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    assert decode(gif_file([red, blue], [ms(100), ms(100)])).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("longest", "scale"), [(None, 1), (400, 1), (200, 1), (199, 1), (100, 0.5), (50, 0.25), (1, 0.125)]
)
def test_longest_bounds_from_below(kind: str, longest: int | None, scale: float) -> None:
    picture = decode(image_file(scene(200, 120), kind), longest=longest)
    assert (picture.width, picture.height, picture.scale) == (200, 120, scale)
    assert picture.pixels.shape == (-(-120 * scale // 1), 200 * scale, 3)


def test_trailing_bytes_of_cameras_are_accepted() -> None:
    whole = image_file(SCENE)
    expected = decode(whole).pixels
    for trailer in (bytes(4096), b"SEFH" + bytes(range(256)) * 8 + b"SEFT", whole):
        assert np.array_equal(decode(whole + trailer).pixels, expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_cut_off(kind: str, share: float) -> None:
    data = image_file(scene(200, 150), kind)
    reason = refused(data[: int(len(data) * share)])
    assert "cut off" in reason or "damaged" in reason


def test_cut_off_progressive_jpeg() -> None:
    data = image_file(scene(200, 150), progressive=True)
    assert "cut off" in refused(data[: len(data) * 9 // 10])


def test_a_copy_under_way_that_is_zeros_at_the_end() -> None:
    data = image_file(scene(200, 150), exif=exif(taken="2026:01:02 03:04:05"))
    assert "cut off" in refused(data[: len(data) // 2] + bytes(len(data) // 2))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, world", "not an image"),
        (bytes(1000), "not an image"),
        (b"%PDF-1.7 " + bytes(100), "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        (b"\xff\xd8\xff", "not an image"),
    ],
)
def test_no_image(data: bytes, words: str) -> None:
    assert words in refused(data)


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says it is larger."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def huge_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(64)) + packer.flush()
    return png([(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")])


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_compressed_metadata_that_swells_is_refused(kind: bytes) -> None:
    packer = zlib.compressobj(9)
    swelling = b"x\0\0" + b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(25 * 8))
    assert refused(png([(b"IHDR", header), (kind, swelling), (b"IDAT", pixels), (b"IEND", b"")]))


@pytest.mark.parametrize(
    "data",
    [
        claiming(image_file(SCENE), 20_000, 20_000),
        claiming(image_file(SCENE), 65_000, 65_000),
        claiming(image_file(SCENE, progressive=True), 12_000, 9_000),
        huge_png(20_000, 20_000),
        huge_png(8001, 8000),
        image_file(SCENE, "GIF").replace(struct.pack("<HH", 64, 48), struct.pack("<HH", 60_000, 60_000)),
    ],
    ids=["jpeg", "largest-jpeg", "progressive", "png", "png-just-over", "gif"],
)
def test_too_many_pixels_are_refused_by_the_header(data: bytes) -> None:
    reason = refused(data)
    assert "pixels are too many" in reason or "far too many pixels" in reason


def test_a_reduced_phone_photo_of_108_megapixels() -> None:
    target = io.BytesIO()
    Image.linear_gradient("L").resize((12_000, 9_000)).save(target, "JPEG")
    picture = decode(target.getvalue(), longest=1500)
    assert (picture.width, picture.height, picture.scale) == (12_000, 9_000, 0.125)
    assert picture.pixels.shape == (1125, 1500, 3)
    assert decode(target.getvalue()).scale == 0.5


def test_absurdly_many_scans_are_refused() -> None:
    data = image_file(SCENE, progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    assert "scans" in refused(data[:-2] + scan * 1001 + data[-2:])


def test_bombs_stay_within_bounded_memory(tmp_path: Path) -> None:
    """Under a hard limit of address space each is still refused for its size, not for want of memory."""
    for name, data in {
        "jpeg": claiming(image_file(SCENE), 20_000, 20_000),
        "png": huge_png(20_000, 20_000),
        "progressive": claiming(image_file(SCENE, progressive=True), 20_000, 10_000),
    }.items():
        (tmp_path / name).write_bytes(data)
    script = """
        import resource, sys
        from pathlib import Path
        from hub.plugin.media import Unreadable, decode
        import PIL.Image, PIL.ImageOps
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000,) * 2)
        for path in sorted(Path(sys.argv[1]).iterdir()):
            try:
                decode(path.read_bytes())
            except Unreadable as refusal:
                print(path.name, refusal)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[4],
    )
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines() if "too many" in line] == [
        "jpeg",
        "png",
        "progressive",
    ]


def test_nothing_is_printed_about_damage(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(image_file(scene(200, 150)))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    decode(bytes(data))
    refused(bytes(data[: len(data) // 2]))
    assert capfd.readouterr() == ("", "")


VALID = [image_file(SCENE, kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")] + [
    image_file(SCENE, exif=exif(taken="2026:01:02 03:04:05", turn=6), progressive=True)
]


def decodes_or_refuses(data: bytes) -> None:
    try:
        picture = decode(data, longest=16)
    except Unreadable:
        return
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.ndim == 3


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    decodes_or_refuses(data)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)), max_size=6),
    st.integers(0, 10_000),
)
def test_damaged_images(data: bytes, changes: list[tuple[int, bytes]], end: int) -> None:
    changed = bytearray(data)
    for at, new in changes:
        start = at % len(changed)
        changed[start : start + len(new)] = new
    decodes_or_refuses(bytes(changed[: len(changed) - end] if end < len(changed) else changed))


def test_encoding_keeps_the_picture_and_no_metadata() -> None:
    data = encode_jpeg(SCENE)
    assert difference(decode(data).pixels, SCENE) < 4
    assert len(encode_jpeg(SCENE, quality=30)) < len(data)
    with Image.open(io.BytesIO(data)) as image:
        assert not image.getexif()


def whole(pixels: Pixels, scale: float = 1.0) -> Picture:
    return Picture(pixels, round(pixels.shape[1] / scale), round(pixels.shape[0] / scale), scale)


def test_crop_takes_the_box_with_its_margin() -> None:
    pixels = scene(200, 160)
    crop = decode(crop_jpeg(whole(pixels), Box(50, 40, 40, 60), margin=0.5)).pixels
    assert difference(crop, pixels[10:130, 30:110]) < 4


def test_crop_of_a_reduced_picture_uses_original_coordinates() -> None:
    pixels = scene(200, 160)
    crop = decode(crop_jpeg(whole(pixels, scale=0.5), Box(100, 80, 80, 120), margin=0)).pixels
    assert difference(crop, pixels[40:100, 50:90]) < 4


def test_crop_is_bounded() -> None:
    crop = decode(crop_jpeg(whole(scene(1000, 800)), Box(0, 0, 1000, 800)))
    assert (crop.width, crop.height) == (320, 256)


@pytest.mark.parametrize(
    "box",
    [Box(-50, -50, 20, 20), Box(500, 500, 10, 10), Box(10, 10, 0, 0), Box(-1e6, -1e6, 2e6, 2e6), Box(63.9, 1, 40, 3)],
)
def test_crop_of_a_box_at_or_beyond_the_edge(box: Box) -> None:
    crop = decode(crop_jpeg(whole(SCENE), box))
    assert 1 <= crop.width <= 64
    assert 1 <= crop.height <= 48


def test_the_limit_is_in_pixels() -> None:
    assert 40_000_000 < MOST_PIXELS < 108_000_000


boxes = st.builds(Box, st.floats(0, 60), st.floats(0, 44), st.floats(1, 40), st.floats(1, 40))


@given(boxes, st.lists(boxes, max_size=3), st.floats(0, 1), st.sampled_from([1.0, 0.5]))
def test_a_cut_shows_no_other_face(box: Box, others: list[Box], margin: float, scale: float) -> None:
    """To a pixel: what is in another's box and not in its own is grey, and nothing else has changed."""
    height, width = round(48 * scale), round(64 * scale)
    places = np.stack([*np.indices((height, width)), np.full((height, width), 200)], axis=2).astype(np.uint8)
    picture = Picture(places, 64, 48, scale)
    whole, shown = cut(picture, box, margin).pixels, cut(picture, box, margin, others).pixels
    y, x = whole[..., 0] + 0.5, whole[..., 1] + 0.5

    def within(one: Box, grown: float) -> Any:
        left, top = one.x * scale - grown, one.y * scale - grown
        across = (left <= x) & (x <= (one.x + one.w) * scale + grown)
        return across & (top <= y) & (y <= (one.y + one.h) * scale + grown)

    changed = (shown != whole).any(axis=2)
    assert (shown[changed] == 127).all()
    assert not (changed & within(box, -1)).any()
    assert not (changed & ~np.any([within(other, 1) for other in others] or [changed * False], axis=0)).any()
    for other in others:
        assert not (~changed & within(other, -1) & ~within(box, 1)).any()


def test_a_cut_keeps_the_face_that_is_meant() -> None:
    pixels = np.full((40, 90, 3), 50, np.uint8)
    mine, theirs = Box(30, 10, 20, 20), Box(45, 10, 20, 20)
    shown = cut(Picture(pixels, 90, 40), mine, 0.5, [theirs]).pixels
    assert (shown[10:30, :30] == 50).all(), "its own face and what is left of it"
    assert (shown[10:30, 30:] == 127).all()
    assert (pixels == 50).all(), "the frame itself is as it was"
