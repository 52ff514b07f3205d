"""Invitations in the camera's picture, as a caretaker would hold them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.wire import Invitation

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2", reason="pictures are rendered by OpenCV, which a node does not have")
pytest.importorskip("zxingcpp", reason="there is no zxing-cpp")

from node import codes  # noqa: E402
from node.codes import Scanner, make_reader  # noqa: E402
from tests.support.qr_pictures import Shot, photograph  # noqa: E402
from tests.support.small_hub import SmallHub  # noqa: E402

ROOT = Path(__file__).parents[2]


def invitation(seed: int = 1) -> str:
    chance = random.Random(seed)
    token, pin, backup = (chance.randbytes(length) for length in (16, 32, 32))
    return Invitation("fras.lindenschule.example", 8124, token, pin, backup, ("School-IoT", "pass phrase")).uri()


def running(reader: Scanner) -> list[int]:
    return [] if reader._process is None else [reader._process.pid]


@pytest.fixture(scope="module")
def reader() -> Iterator[Scanner]:
    made = make_reader()
    assert isinstance(made, Scanner)
    yield made
    made.close()


@pytest.mark.parametrize(
    "shot",
    [
        Shot(),
        Shot(tilt=40, turn=30),
        Shot(blur=4, noise=10),
        Shot(light=0.25, contrast=0.6, shade=0.4),
        Shot(share=0.22),
        Shot(glare=True, inverted=True),
    ],
    ids=["held well", "perspective", "blur and noise", "poor light", "small", "dark theme with a lamp in it"],
)
def test_read(reader: Scanner, shot: Shot) -> None:
    assert list(reader.read(photograph(invitation(), shot, seed=3))) == [invitation()]


@pytest.mark.parametrize("text", ["https://example.org/menu", "FRAS://HUB:8124/1/NO", "WIFI:S:Guests;T:WPA;P:secret;;"])
def test_other_codes_are_nothing(reader: Scanner, text: str) -> None:
    assert list(reader.read(photograph(text, Shot(), seed=1))) == []


def test_pictures_without_a_code(reader: Scanner) -> None:
    for luma in (np.zeros((480, 640), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((0, 0), np.uint8)):
        assert list(reader.read(luma)) == []
    assert list(reader.read(np.zeros((480, 704), np.uint8)[:, :640])) == []


def test_a_library_that_fails_takes_nothing_with_it(reader: Scanner) -> None:
    shown = photograph(invitation(), Shot(), seed=3)
    assert list(reader.read(shown)) == [invitation()]
    (process,) = running(reader)
    os.kill(process, signal.SIGSEGV)
    reader.read(shown)
    assert list(reader.read(shown)) == [invitation()]
    reader.close()
    assert list(running(reader)) == []
    assert list(reader.read(shown)) == [invitation()]


def test_a_process_that_hangs_is_given_up(reader: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = photograph(invitation(), Shot(), seed=3)
    reader.read(shown)
    (process,) = running(reader)
    os.kill(process, signal.SIGSTOP)
    monkeypatch.setattr(codes, "PATIENCE", 0.1)
    assert list(reader.read(shown[:100, :100])) == []
    assert list(running(reader)) == []


def test_ends_by_itself_when_no_picture_comes() -> None:
    program = "from node import scanner; scanner.IDLE = 0.1; scanner.main()"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE) as process:
        assert process.wait(60) == 0


async def test_a_node_pairs_by_what_its_camera_sees(folder: Path, hub: SmallHub) -> None:
    """The service, unpaired, with the code in its picture; nobody typed anything."""
    (folder / "pictures").mkdir()
    shown = photograph(hub.invitation().uri(), Shot(tilt=20, noise=6), seed=5, size=(1640, 1232))
    (folder / "pictures" / "1.jpg").write_bytes(cv2.imencode(".jpg", shown)[1].tobytes())
    settings = folder / "node.yaml"
    settings.write_text(f"camera: {{platform: folder, path: {folder / 'pictures'}}}\ndata: {folder / 'data'}\n")
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "node.cli", "run", "-c", str(settings),
        env={**os.environ, "PYTHONPATH": str(ROOT), "RUNTIME_DIRECTORY": str(folder)},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await hub.until(hub.frames)
    finally:
        node.terminate()
        _, said = await node.communicate()
    assert len(hub.nodes) == 1
    assert b"FRAS://" not in said
    assert hub.invitation().uri().split("/")[5].encode() not in said
