"""How much faster the recogniser is than what a user would pick instead, on the same decoded frames.

`face_recognition` locates with HOG (enlarged once, its default) or with its CNN (enlarged once, and not), then
encodes; the recogniser looks for faces as small (`min_face` 40 is enlarged once, 80 not at all) and does the same, or,
"as the hub" runs its default pack, embeds each face's mirror image too.
Which faces each finds is printed beside the ratio: HOG finds fewer, the CNN the same ones.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distributions
from typing import Any

from hub.plugin import Picture, Pixels
from plugins.recognizers.onnx_local.engine import Engine
from plugins.recognizers.onnx_local.pack import model

from .frames import frames
from .measure import Skipped, alternate, report
from .packs import ready, vision

LEAST = 20.0
"""What the default pack must reach against the CNN of pip's dlib."""

Look = Callable[[Pixels], int]
"""Finds, aligns and embeds the faces of a frame, and says how many there were."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to use face_recognition: enlarged `upsampled` times it looks for faces as small as `min_face`."""

    locate: str
    upsampled: int
    min_face: int
    rounds: int

    @property
    def name(self) -> str:
        return f"face_recognition {self.locate.upper()}, {'enlarged once' if self.upsampled else 'not enlarged'}"


PEERS = (Peer("hog", 1, 40, 4), Peer("cnn", 1, 40, 2), Peer("cnn", 0, 80, 3))


def run(full: bool = False) -> None:
    """Prints a line for each peer, pack and frame, then the least ratio against the CNN."""
    pictures = {people: pixels for people, pixels in frames().items() if people}
    package = face_recognition()
    least: dict[str, float] = {}
    for peer in PEERS:
        with _engine("dlib", peer.min_face) as dlib, _engine("yunet_reid", peer.min_face) as other:
            own = {"dlib": dlib(False), "dlib, as the hub": dlib(True)}
            if peer.min_face == 40:  # YuNet's boxes are tighter: most faces in these frames are smaller than 80 pixels
                own["yunet_reid"] = other(False)
            theirs = _look(package, peer)
            theirs(pictures[1][:160, :160])
            for people, pixels in pictures.items():
                ratios = _compare(peer, theirs, own, people, pixels, peer.rounds * (3 if full else 1))
                if peer.locate == "cnn":
                    least = {name: min(ratio, least.get(name, ratio)) for name, ratio in ratios.items()}
    report(
        "peers",
        against="CNN",
        least_times_faster={name: round(ratio, 1) for name, ratio in least.items()},
        target=LEAST,
        reached=least["dlib"] >= LEAST,
    )


def _compare(
    peer: Peer, theirs: Look, own: dict[str, Look], people: int, pixels: Pixels, rounds: int
) -> dict[str, float]:
    """Times faster than the peer, by pack."""
    found = {pack: look(pixels) for pack, look in own.items()}
    peer_found: list[int] = []
    contenders: dict[str, Callable[[], object]] = {pack: partial(look, pixels) for pack, look in own.items()}
    contenders["peer"] = lambda: peer_found.append(theirs(pixels))
    times = alternate(contenders, rounds, dict.fromkeys(own, 3))
    ratios = {pack: times.ratio("peer", to=pack) for pack in own}
    for pack, ratio in ratios.items():
        report(
            "peers",
            against=peer.name,
            pack=pack,
            min_face=peer.min_face,
            faces=people,
            peer_finds=peer_found[-1],
            finds=found[pack],
            times_faster=round(ratio, 2),
            times_less_cpu=round(times.cpu_ratio("peer", to=pack), 2),
            others=times.others,
        )
    return ratios


def face_recognition() -> Any:
    """The package, once it has been said which dlib is behind it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import dlib
            import face_recognition
    except ImportError as missing:
        raise Skipped(f"face_recognition cannot be imported ({missing}); make dev installs it") from None
    prebuilt = any(distribution.name == "dlib-bin" for distribution in distributions())
    report(
        "dlib",
        version=f"{dlib.__version__}, {'the prebuilt dlib-bin' if prebuilt else 'compiled here'}",
        avx=bool(dlib.USE_AVX_INSTRUCTIONS),
        blas=bool(dlib.DLIB_USE_BLAS),
        lapack=bool(dlib.DLIB_USE_LAPACK),
        cuda=bool(dlib.DLIB_USE_CUDA),
    )
    return face_recognition


def _look(package: Any, peer: Peer) -> Look:
    def look(pixels: Pixels) -> int:
        places = package.face_locations(pixels, number_of_times_to_upsample=peer.upsampled, model=peer.locate)
        return len(package.face_encodings(pixels, places))

    return look


@contextmanager
def _engine(pack: str, min_face: int) -> Iterator[Callable[[bool], Look]]:
    """The plugin's engine, with a thread of its own, as the hub calls it; told whether to embed mirror images too."""
    manifest, _ = ready(pack)
    with asyncio.Runner() as runner:

        async def opened() -> Engine:
            return Engine(model(manifest, min_face), vision(pack, min_face), logging.getLogger("benchmarks"))

        engine = runner.run(opened())

        def look(mirror: bool, pixels: Pixels) -> int:
            height, width = pixels.shape[:2]
            return len(runner.run(engine.analyse([Picture(pixels, width, height)], mirror=mirror))[0].faces)

        try:
            yield lambda mirror: partial(look, mirror)
        finally:
            runner.run(engine.close())
