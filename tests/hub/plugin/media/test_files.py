"""Telling files apart and walking folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin.media import Kind, classify, walk
from hub.plugin.media.files import natural_key
from tests.support.media import gif_file, image_file, scene, timedelta_ms, video


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
@pytest.mark.parametrize("suffix", ["", ".dat", ".mp4"])
def test_images_are_known_by_their_first_bytes(tmp_path: Path, kind: str, suffix: str) -> None:
    assert classify(put(tmp_path / f"image{suffix}", image_file(scene(), kind))) is Kind.STILL


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_videos_are_known_by_their_first_bytes(tmp_path: Path, suffix: str) -> None:
    codec = "libvpx" if suffix == ".webm" else "mpeg4"
    path = video(tmp_path / f"clip{suffix}", [scene()] * 3, codec=codec)
    assert classify(path.rename(tmp_path / "clip.jpg")) is Kind.MOVIE


def test_only_an_animated_gif_is_a_movie(tmp_path: Path) -> None:
    frames = [scene(seed=0), scene(seed=1)]
    assert classify(put(tmp_path / "a.gif", gif_file(frames, [timedelta_ms(100)] * 2))) is Kind.MOVIE
    assert classify(put(tmp_path / "b.gif", image_file(scene(), "GIF"))) is Kind.STILL
    assert classify(put(tmp_path / "c.gif", b"GIF89a")) is Kind.STILL


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", Kind.STILL),
        ("a.JPEG", Kind.STILL),
        ("a.HEIC", Kind.STILL),
        ("a.MKV", Kind.MOVIE),
        ("a.txt", Kind.OTHER),
    ],
)
@pytest.mark.parametrize("data", [b"", b"damaged beyond recognition"])
def test_the_suffix_says_what_a_damaged_file_was_meant_to_be(
    tmp_path: Path, name: str, kind: Kind, data: bytes
) -> None:
    assert classify(put(tmp_path / name, data)) is kind


@pytest.mark.parametrize("data", [b"BMW is a car", b"RIFF\0\0\0\0WAVEfmt ", b"%PDF-1.7", b"\0\0\0\x01"])
def test_other_files(tmp_path: Path, data: bytes) -> None:
    assert classify(put(tmp_path / "file", data)) is Kind.OTHER


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        classify(tmp_path / "gone.jpg")


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk(root)]


def test_natural_order_files_first_rubbish_left_out(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "img10.jpg", "IMG2.jpg", "img2.jpg", "a10/1.jpg", "a9/1.jpg", ".git/x", ".x.jpg"):
        put(tmp_path / name)
    for name in ("@eaDir/thumb.jpg", "__MACOSX/._img2.jpg"):
        put(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert names(tmp_path) == ["IMG2.jpg", "img2.jpg", "img10.jpg", "a9/1.jpg", "a10/1.jpg", "b/2.jpg"]


def test_a_file_is_its_own_walk(tmp_path: Path) -> None:
    path = put(tmp_path / "one.jpg")
    assert list(walk(path)) == [path]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(walk(tmp_path / "missing"))


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "far.jpg")
    root = tmp_path / "root"
    put(root / "sub" / "near.jpg")
    (root / "sub" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "link.jpg").symlink_to(tmp_path / "elsewhere" / "far.jpg")
    (root / "broken.jpg").symlink_to(tmp_path / "nowhere")
    assert names(root) == ["link.jpg", "link/far.jpg", "sub/near.jpg"]


def test_only_regular_files(tmp_path: Path) -> None:
    """Reading a pipe named like a video would wait for ever."""
    os.mkfifo(tmp_path / "clip.mp4")
    put(tmp_path / "a.jpg")
    assert names(tmp_path) == ["a.jpg"]
    with pytest.raises(OSError, match="neither a file nor a folder"):
        list(walk(tmp_path / "clip.mp4"))


def test_a_subfolder_that_goes_away_is_reported_and_left_out(tmp_path: Path) -> None:
    for name in ("1.jpg", "a/1.jpg", "b/1.jpg"):
        put(tmp_path / name)
    problems: list[OSError] = []
    found = walk(tmp_path, problems.append)
    assert next(found) == tmp_path / "1.jpg"
    (tmp_path / "a" / "1.jpg").unlink()
    (tmp_path / "a").rmdir()
    assert list(found) == [tmp_path / "b" / "1.jpg"]
    assert [type(problem) for problem in problems] == [FileNotFoundError]


def test_names_in_any_script(tmp_path: Path) -> None:
    odd = [
        "学生.jpg",
        "it's.jpg",
        'say "hi".jpg',
        "new\nline.jpg",
        "tab\t.jpg",
        "-rf.jpg",
        "9" * 200,
        "٣.jpg",
        "²³.jpg",
    ]
    for name in odd:
        put(tmp_path / name)
    put(tmp_path / os.fsdecode(b"caf\xe9.jpg"))
    assert len(names(tmp_path)) == len(odd) + 1


@given(st.lists(st.integers(0, 10**18), unique=True))
def test_numbers_sort_by_value(numbers: list[int]) -> None:
    assert sorted((f"img{n}.jpg" for n in numbers), key=natural_key) == [f"img{n}.jpg" for n in sorted(numbers)]


@given(st.lists(st.text(), unique=True))
def test_any_names_have_one_order(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)
