"""How little of a stream is decoded, on packets that tests hand out one by one."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from hub.plugin import NotReady, Pixels
from hub.plugin.live import Shot, Video, reader
from hub.plugin.live.video import UNDECODED
from hub.plugin.media import decode
from tests.support.context import ManualClock, make_context
from tests.support.media import scene

GOP = 10


@pytest.fixture(scope="module", params=["libx264", "libx265", "mjpeg"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of rising brightness with a key frame every ten."""
    levels = [scene() // 4 + 6 * number for number in range(3 * GOP)]
    return encoded(tmp_path_factory.mktemp("film") / "film.mkv", levels, request.param)


@pytest.fixture(scope="module", params=["libx264", "libx265"])
def reordered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same film with two pictures between those they are predicted from, as some cameras send it."""
    levels = [scene() // 4 + 6 * number for number in range(3 * GOP)]
    return encoded(tmp_path_factory.mktemp("film") / "film.mkv", levels, request.param, between=2)


def encoded(path: Path, pictures: list[Pixels], codec: str, between: int = 0, sar: str = "1/1") -> Path:
    with av.open(str(path), "w") as container:
        tuning = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes={between}:b-adapt=0:open-gop=0:log-level=none"
        tuning += f":sar={sar}" if codec == "libx264" else ""
        tune = {} if between else {"tune": "zerolatency"}
        options = {"preset": "ultrafast", **tune, f"{codec[3:]}-params": tuning}
        stream: Any = container.add_stream(codec, rate=10, options={} if codec == "mjpeg" else options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


class Tap:
    """Stands for a camera: the packets of a film, as many as a test lets through; None ends it."""

    def __init__(self, film: Path) -> None:
        self._file: Any = av.open(str(film))
        self.streams = self._file.streams
        self._source = self._file.demux(video=0)
        self._packets: queue.Queue[Any] = queue.Queue()
        self.taken = 0
        """Packets that the reader has dealt with."""

    def let(self, count: int) -> None:
        for _ in range(count):
            self._packets.put(next(self._source))

    def spoil(self, *, as_key: bool = False) -> None:
        """The next packet is lost and nonsense comes in its place."""
        next(self._source)
        nonsense = av.Packet(b"nonsense!")
        nonsense.is_keyframe = as_key
        self._packets.put(nonsense)

    def end(self) -> None:
        self._packets.put(None)

    def demux(self, stream: Any) -> Iterator[Any]:
        while (packet := self._packets.get()) is not None:
            yield packet
            self.taken += 1

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def watched(
    folder: Path, film: Path, clock: ManualClock, every: float = 2
) -> AbstractAsyncContextManager[tuple[Tap, Video]]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Tap, Video]]:
        tap = Tap(film)
        async with (
            make_context(folder, clock=clock) as context,
            Video.open(
                context,
                lambda: tap,
                lambda error: NotReady(f"{error!r}"),
                every=timedelta(seconds=every),
                quality=90,
                patience=timedelta(seconds=60),
            ) as video,
        ):
            try:
                yield tap, video
            finally:
                tap.end()

    return opened()


async def come(tap: Tap, count: int, *, spoilt: bool = False, as_key: bool = False) -> None:
    """Lets packets through and waits until the reader has dealt with them."""
    due = tap.taken + count
    if spoilt:
        tap.spoil(as_key=as_key)
    else:
        tap.let(count)
    async with asyncio.timeout(10):
        while tap.taken < due:
            await asyncio.sleep(0.001)


def number(shot: Shot) -> int:
    """Which of the film's pictures it is."""
    return round((float(decode(shot.jpeg()).pixels.mean()) - float((scene() // 4).mean())) / 6)


async def test_a_new_key_frame_is_enough(tmp_path: Path, film: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, film, clock) as (tap, video):
        await come(tap, 5)
        await clock.sleep(1.9)
        shot = await video.newest()
        assert number(shot) == (4 if video.opened.codec == "mjpeg" else 0)
        assert video.decoded == (0 if video.opened.codec == "mjpeg" else 1)
        assert shot.captured_at == ManualClock().now()


async def test_an_old_one_is_followed_to_the_newest_picture(tmp_path: Path, film: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, film, clock) as (tap, video):
        await come(tap, 5)
        await clock.sleep(2.1)
        assert number(await video.newest()) == 4
        await come(tap, 3)
        assert number(await video.newest()) == 7


async def test_what_was_left_out_is_made_up_for(tmp_path: Path, film: Path) -> None:
    async with watched(tmp_path, film, ManualClock()) as (tap, video):
        await come(tap, 1)
        assert number(await video.newest()) == 0
        await come(tap, 6)
        assert number(await video.newest()) == 6


async def test_older_pictures_than_the_newest_key_frame_are_never_decoded(tmp_path: Path, film: Path) -> None:
    async with watched(tmp_path, film, ManualClock()) as (tap, video):
        await come(tap, 1)
        assert number(await video.newest()) == 0
        await come(tap, 2 * GOP)
        assert number(await video.newest()) == 2 * GOP
        assert video.decoded <= 2
        await come(tap, 3)
        assert number(await video.newest()) == 2 * GOP + 3


async def test_waits_for_a_picture_and_says_when_there_will_be_none(tmp_path: Path, film: Path) -> None:
    async with watched(tmp_path, film, ManualClock()) as (tap, video):
        waiting = asyncio.create_task(video.newest())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        tap.let(1)
        assert number(await waiting) == 0
        tap.end()
        with pytest.raises(NotReady, match="ended the stream"):
            await video.newest()


async def test_a_silent_camera_is_noticed(tmp_path: Path, film: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, film, clock) as (tap, video):
        await come(tap, 1)
        await video.newest()
        await clock.sleep(60)
        with pytest.raises(NotReady, match="nothing for 60 s"):
            await video.newest()


async def test_after_damage_it_waits_for_the_next_key_frame(tmp_path: Path, film: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, film, clock, every=0) as (tap, video):
        await come(tap, 3)
        await clock.sleep(1)
        assert number(await video.newest()) == 2
        await come(tap, 1, spoilt=True)
        await come(tap, 3)
        waiting = asyncio.create_task(video.newest())
        if video.opened.codec == "mjpeg":
            assert number(await waiting) == 6
            return
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await come(tap, 4)
        assert number(await waiting) == GOP


@pytest.mark.parametrize(
    ("as_key", "said"), [(True, "gives no picture"), (False, "no key frame for 60 s; shorten the key-frame interval")]
)
async def test_data_that_never_become_a_picture_are_given_up(
    tmp_path: Path, film: Path, as_key: bool, said: str
) -> None:
    clock = ManualClock()
    async with watched(tmp_path, film, clock) as (tap, video):
        for _ in range(2 * GOP):
            await come(tap, 1, spoilt=True, as_key=as_key)
        waiting = asyncio.create_task(video.newest())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await clock.sleep(UNDECODED)
        await come(tap, 1, spoilt=True, as_key=as_key)
        with pytest.raises(NotReady, match=said):
            await waiting


async def test_the_patience_may_be_shorter(tmp_path: Path, film: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, film, clock) as (tap, video):
        await come(tap, 1, spoilt=True)
        waiting = asyncio.create_task(video.newest(within=8))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await clock.sleep(8)
        await come(tap, 1, spoilt=True)
        with pytest.raises(NotReady, match=r"is connected \(.*64×48.*no key frame for 8 s"):
            await waiting


async def test_a_picture_held_back_by_the_decoder_is_never_dated_as_now(tmp_path: Path, reordered: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, reordered, clock, every=0) as (tap, video):
        await come(tap, GOP)
        await clock.sleep(1)
        assert number(await video.newest()) < GOP
        await clock.sleep(30)
        waiting = asyncio.create_task(video.newest())
        back = clock.now()
        await come(tap, 4)
        shot = await waiting
        assert (number(shot) >= GOP, shot.captured_at) == (True, back)


async def test_pictures_that_come_out_of_order_have_the_times_they_came_at(tmp_path: Path, reordered: Path) -> None:
    """A picture that others are predicted from arrives before these, and is shown after them."""
    order = [packet.pts for packet in av.open(str(reordered)).demux(video=0) if packet.size][:GOP]
    shown = sorted(order)
    clock = ManualClock()
    async with watched(tmp_path, reordered, clock, every=0) as (tap, video):
        came, seen = [], set()
        for _ in range(GOP):
            came.append(clock.now())
            await come(tap, 1)
            await clock.sleep(1)
            if (shot := video._decode(video._reader.chain)) is not None:
                which = number(shot)
                assert shot.captured_at == came[order.index(shown[which])]
                seen.add(which)
    assert len(seen) > GOP // 2


async def test_a_key_frame_that_is_held_back_is_dated_by_itself(tmp_path: Path, reordered: Path) -> None:
    clock = ManualClock()
    async with watched(tmp_path, reordered, clock) as (tap, video):
        begun = clock.now()
        await come(tap, 1)
        await clock.sleep(1)
        await come(tap, 4)
        shot = await video.newest()
        assert (number(shot), shot.captured_at) == (0, begun)


async def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    film = encoded(tmp_path / "film.mkv", [scene()], "libx264", sar="2/1")
    async with watched(tmp_path, film, ManualClock()) as (tap, video):
        await come(tap, 1)
        height, width, _ = decode((await video.newest()).jpeg()).pixels.shape
    assert (width, height) == (2 * video.opened.width, video.opened.height)


async def test_what_has_been_decoded_counts_no_more(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera whose next key frame is minutes away goes on as long as somebody looks."""
    clock = ManualClock()
    async with watched(tmp_path, film, clock, every=0) as (tap, video):
        await come(tap, 1)
        monkeypatch.setattr(reader, "LONGEST_CHAIN", video._reader.chain.head.packet.size + 1)
        for expected in range(GOP):
            if expected:
                await come(tap, 1)
            await clock.sleep(1)
            assert number(await video.newest()) == expected


async def test_tiny_packets_are_bounded_by_their_number(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_PACKETS", 3)
    async with watched(tmp_path, film, ManualClock()) as (tap, video):
        await come(tap, 3)
        assert len(video._reader.chain) == (1 if video.opened.codec == "mjpeg" else 3)
        await come(tap, 1)
        assert len(video._reader.chain) == (1 if video.opened.codec == "mjpeg" else 0)


async def test_what_grows_too_long_without_a_key_frame_is_not_kept(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(tmp_path, film, ManualClock()) as (tap, video):
        await come(tap, 1)
        monkeypatch.setattr(reader, "LONGEST_CHAIN", video._reader.chain.head.packet.size + 1)
        await come(tap, GOP - 1)
        assert len(video._reader.chain) == (1 if video.opened.codec == "mjpeg" else 0)
        await come(tap, 1)
        assert number(await video.newest()) == GOP
