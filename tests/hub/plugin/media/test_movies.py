"""Videos and animated GIFs: which frames, when, which way up, and what happens at a missing end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.plugin import Pixels
from hub.plugin.media import Unreadable, movie, recorded_at
from tests.support.media import gif_file, scene, timedelta_ms, video

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
FILE_TIME = datetime(2026, 11, 20, 10, tzinfo=UTC)
CONTAINERS = [("mp4", "libx264"), ("mov", "mpeg4"), ("mkv", "libx264"), ("avi", "mpeg4"), ("webm", "libvpx")]


def difference(one: Pixels, other: Pixels) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def ms(*times: float) -> list[timedelta]:
    return [timedelta_ms(time) for time in times]


def until_cut(path: Path) -> tuple[list[timedelta], str]:
    """The times of the frames before the video turns out to be damaged, and what is said then; it must."""
    times: list[timedelta] = []
    frames = movie(path)
    while True:
        try:
            times.append(next(frames)[0])
        except Unreadable as refusal:
            return times, refusal.reason


def shortened(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_every_frame_with_its_time(tmp_path: Path, suffix: str, codec: str) -> None:
    originals = [scene(64, 48, seed) for seed in range(12)]
    path = video(tmp_path / f"clip.{suffix}", originals, rate=10, codec=codec)
    found = list(movie(path))
    assert [at for at, _ in found] == ms(*range(0, 1200, 100))
    for (_, pixels), original in zip(found, originals, strict=True):
        assert pixels.dtype == np.uint8
        assert difference(pixels, original) < 12


def test_delays_of_an_animated_gif(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    path.write_bytes(gif_file([scene(seed=seed) for seed in range(4)], ms(100, 700, 50, 100)))
    found = list(movie(path))
    assert [at for at, _ in found] == ms(0, 100, 800, 850)
    assert all(pixels.shape == (48, 64, 3) for _, pixels in found)


@pytest.mark.parametrize(
    ("every", "times"),
    [
        (250, [0, 300, 500, 800, 1000]),
        (1000, [0, 1000]),
        (100, range(0, 1200, 100)),
        (30, range(0, 1200, 100)),
        (9999, [0]),
    ],
)
def test_sampling_keeps_to_its_grid(tmp_path: Path, every: int, times: list[int]) -> None:
    path = video(tmp_path / "clip.mp4", [scene(seed=seed) for seed in range(12)], rate=10)
    assert [at for at, _ in movie(path, every=timedelta_ms(every))] == ms(*times)


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [((0, 1, -1, 0), lambda p: np.rot90(p, -1)), ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)), ((0, -1, 1, 0), np.rot90)],
    ids=["clockwise", "upside-down", "anticlockwise"],
)
def test_phones_that_record_sideways(tmp_path: Path, matrix: tuple[int, ...], turn: object) -> None:
    """The matrix of an MP4's track header (ISO/IEC 14496-12, 8.3.2), as phones write it."""
    path = video(tmp_path / "clip.mp4", [scene(64, 48)] * 3)
    upright = [pixels for _, pixels in movie(path)]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (value * 0x10000 for value in matrix)
    for offset, value in ((0, a), (4, b), (12, c), (16, d)):
        data[at + offset : at + offset + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    for (_, pixels), original in zip(movie(path), upright, strict=True):
        assert np.array_equal(pixels, turn(original))  # type: ignore[operator]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_video_that_ends_in_the_middle(tmp_path: Path, suffix: str, codec: str, share: float) -> None:
    options = {"movflags": "faststart"} if suffix in ("mp4", "mov") else {}
    frames = [np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8) for seed in range(50)]
    path = video(tmp_path / f"clip.{suffix}", frames, codec=codec, **options)
    times, reason = until_cut(shortened(path, share))
    assert 50 * share - 8 <= len(times) <= 50 * share + 8
    assert times == ms(*range(0, 100 * len(times), 100))
    assert reason == f"the video is cut off after {times[-1].total_seconds():.1f} s"


def test_a_gif_that_ends_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    path.write_bytes(gif_file([scene(seed=seed) for seed in range(9)], ms(*[100] * 9)))
    times, reason = until_cut(shortened(path, 0.6))
    assert 3 <= len(times) <= 7
    assert "cut off after" in reason


def test_an_mp4_without_its_index(tmp_path: Path) -> None:
    """A recorder that lost power: the index is written last."""
    times, reason = until_cut(shortened(video(tmp_path / "clip.mp4", [scene()] * 20), 0.6))
    assert times == []
    assert "index is missing" in reason


def test_damage_in_the_middle_costs_only_what_it_hits(tmp_path: Path) -> None:
    frames = [np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8) for seed in range(40)]
    path = video(tmp_path / "clip.mkv", frames, codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    times = [at for at, _ in movie(path)]
    assert len(times) >= 30
    assert times[-1] == timedelta_ms(3900)
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no video",
        bytes(5000),
        b"\0\0\0\x18ftypmp42" + bytes(100),
        b"GIF89a",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n",
    ],
)
def test_no_video(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    assert until_cut(path)[0] == []


@pytest.mark.parametrize("side", [8_001, 20_000, 65_000])
def test_an_enormous_animation_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.gif"
    data = bytearray(gif_file([scene(seed=0), scene(seed=1)], ms(100, 100)))
    data[6:10] = side.to_bytes(2, "little") * 2
    path.write_bytes(data)
    times, reason = until_cut(path)
    assert times == []
    assert "too many pixels" in reason


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))  # type: ignore[union-attr, arg-type]
        container.mux(stream.encode(None))  # type: ignore[union-attr]
    assert "no video" in until_cut(path)[1]


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(movie(tmp_path / "gone.mp4"))


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    until_cut(shortened(video(tmp_path / "clip.avi", [scene(200, 150, seed) for seed in range(30)]), 0.5))
    assert capfd.readouterr() == ("", "")


def test_the_file_is_closed_when_the_iterator_is(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4", [scene()] * 20)
    frames = movie(path)
    next(frames)
    assert str(path) in open_files()
    frames.close()
    assert str(path) not in open_files()


def open_files() -> set[str]:
    return {str(link.resolve()) for link in Path("/proc/self/fd").iterdir()}


@settings(max_examples=40, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 50_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=8))
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "gif"])
def test_damage_anywhere_ends_in_frames_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, changes: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    original, path = folder / f"original.{suffix}", folder / f"clip.{suffix}"
    if not original.exists():
        frames = [scene(seed=seed) for seed in range(6)]
        if suffix == "gif":
            original.write_bytes(gif_file(frames, ms(*[100] * 6)))
        else:
            video(original, frames)
    data = bytearray(original.read_bytes())
    for at, new in changes:
        start = at % len(data)
        data[start : start + len(new)] = new
    path.write_bytes(data)
    try:
        for at, pixels in movie(path):
            assert at >= timedelta(0)
            assert pixels.ndim == 3
    except Unreadable:
        return


def test_recording_start(tmp_path: Path) -> None:
    def start(path: Path) -> datetime:
        return recorded_at(path, ZoneInfo("Europe/Berlin"), file_time=FILE_TIME, now=NOW)

    said = "2026-03-04T05:06:07.000000Z"
    assert start(video(tmp_path / "a.mp4", [scene()] * 2, creation_time=said)) == datetime(
        2026, 3, 4, 5, 6, 7, tzinfo=UTC
    )
    assert start(video(tmp_path / "b.mp4", [scene()] * 2)) == FILE_TIME
    for absurd in ("1904-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"):
        assert start(video(tmp_path / "c.mp4", [scene()] * 2, creation_time=absurd)) == FILE_TIME
    assert start(tmp_path / "gone.mp4") == FILE_TIME


@pytest.mark.shared
def test_real_recordings(shared: Path) -> None:
    folder = shared / "data" / "scenes" / "video"
    walking = list(movie(folder / "face-demographics-walking-and-pause.gif"))
    assert len(walking) == 41
    assert walking[1][0] == timedelta(seconds=0.08)
    assert walking[0][1].shape == (270, 480, 3)
    clip = [(at, pixels.shape) for at, pixels in movie(folder / "short_hamilton_clip.mp4", every=timedelta(seconds=1))]
    assert len(clip) == 10
    assert {shape for _, shape in clip} == {(360, 640, 3)}
    assert sum(1 for _ in movie(folder / "short_hamilton_clip.mp4")) == 275
