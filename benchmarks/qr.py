"""How often an invitation is read out of a camera's picture, and what a look costs: zxing-cpp against zbar.

The pictures are rendered (tests/support/qr_pictures.py): an invitation with name and password of a Wi-Fi, drawn as the
hub draws it, photographed by a sensor of 1640×1232 pixels, reduced to the 640×480 that the node looks at. Both readers
see the very same pictures, in turns. "nothing": no code is there, as in nearly every look of a node that waits.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from node.scanner import codes
from node.wire import Invitation
from tests.support.qr_pictures import Shot, photograph

from .measure import Skipped, report
from .neighbours import Neighbours

SHOTS = {
    "held well": Shot(),
    "perspective": Shot(tilt=40, turn=30),
    "blur": Shot(blur=4),
    "blur, strong": Shot(blur=7),
    "shaken": Shot(shake=12),
    "shaken, strongly": Shot(shake=24),
    "noise": Shot(noise=25),
    "poor light": Shot(light=0.2, contrast=0.6, shade=0.5, noise=8),
    "glare": Shot(glare=True),
    "dark theme": Shot(inverted=True),
    "small": Shot(share=0.22),
    "very small": Shot(share=0.16),
    "all at once": Shot(share=0.35, tilt=25, turn=15, blur=2, shake=4, noise=10, light=0.35, contrast=0.7, shade=0.4),
}
Reader: TypeAlias = Callable[[Any], list[str]]


def run(full: bool = False) -> None:
    readers = _readers()
    pictures = 60 if full else 10
    for name, shot in SHOTS.items():
        _compare(readers, name, shot, pictures)
    _compare(readers, "nothing", None, pictures)


def _readers() -> Mapping[str, Reader]:
    readers: dict[str, Reader] = {"zxing": lambda luma: codes(luma.data)}
    try:
        from pyzbar import pyzbar
    except ImportError:
        raise Skipped("pyzbar or its library is not there: pip install pyzbar, apt-get install libzbar0") from None

    def zbar(luma: Any) -> list[str]:
        seen = (luma.tobytes(), luma.shape[1], luma.shape[0])
        return [code.data.decode() for code in pyzbar.decode(seen, [pyzbar.ZBarSymbol.QRCODE])]

    return {**readers, "zbar": zbar}


def _compare(readers: Mapping[str, Reader], name: str, shot: Shot | None, pictures: int) -> None:
    right, taken, chance, neighbours = Counter[str](), Counter[str](), random.Random(name), Neighbours()
    for seed in range(pictures):
        text = _invitation(chance)
        luma = photograph(text, shot, seed) if shot else photograph("", Shot(share=0.02), seed)
        for which, reader in readers.items():
            started = time.thread_time()
            right[which] += reader(luma) == ([text] if shot else [])
            taken[which] += time.thread_time() - started
    report(
        "qr",
        shot=name,
        pictures=pictures,
        right={which: round(right[which] / pictures, 2) for which in readers},
        milliseconds={which: round(1000 * taken[which] / pictures, 1) for which in readers},
        others=round(neighbours.share, 2),
    )


def _invitation(chance: random.Random) -> str:
    network = ("School-IoT", "correct horse battery staple")
    token, pin, backup = (chance.randbytes(length) for length in (16, 32, 32))
    return Invitation("fras.lindenschule.example", 8124, token, pin, backup, network).uri()
